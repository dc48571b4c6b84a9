"""Which lines of a member's log the chaos run takes for weather, and which for a fault of the code."""

import re
import traceback
from pathlib import Path

import pytest

from tests.chaos.complaints import unexplained


@pytest.mark.parametrize(
    "line",
    [
        'keeper.trouble error="AdminShutdown: terminating connection" leases=1',
        'settle.no_answer error="InternalError_: could not extend file" firing="f"',
        'beat.trouble error="ResponseError: MISCONF Errors writing to the AOF file"',
        'beat.trouble error="ResponseError: Command # 1 (LLEN x) of pipeline caused error: WRONGTYPE Operation"',
        'keeper.trouble error="OutOfMemoryError: command not allowed" leases=1',
        'keeper.trouble error="ConnectionError: Connection closed by server." leases=0',
        'release.not_told error="Unseeded: the gate is not of epoch 1" firing="f"',
        "Task slotbeat.execute[i] raised unexpected: TypeError('execute() takes 2 positional arguments')",
        'message.refused error="JSONDecodeError: Expecting value" queue="firings"',
        "Unrecoverable error: WorkerLostError('Could not start worker processes')",
        'firing.settled firing="f" status="failed" reason="target_error"',
    ],
)
def test_weather_is_no_complaint(tmp_path: Path, line: str) -> None:
    (tmp_path / "w.log").write_text(line)

    assert list(unexplained([tmp_path / "w.log"])) == []


@pytest.mark.parametrize(
    "line",
    [
        "Unrecoverable error: AttributeError(\"'NoneType' object has no attribute 'hostname'\")",
        'settle.no_answer error="InvalidSqlStatementName: prepared statement does not exist" firing="f"',
        'keeper.trouble error="ResponseError: user_script:62: attempt to index nil" leases=1',
        'reaper.row_failed error="KeyError: token" token=1',
        "Task slotbeat.reap[i] raised unexpected: UndefinedColumn('column x does not exist')",
        'x.trouble error="OfOurOwn: and never seen before"',
    ],
)
def test_what_no_fault_explains_is_told_once_for_each_log(tmp_path: Path, line: str) -> None:
    logs = [tmp_path / "w.log", tmp_path / "b.log"]
    for log in logs:
        log.write_text(f"something else\n{line}\n{line}\n")

    assert list(unexplained(logs)) == [f"w.log: {line}", f"b.log: {line}"]


def test_where_it_was_is_told_with_it_innermost_first(tmp_path: Path) -> None:
    try:
        list(unexplained(5))  # pyright: ignore[reportArgumentType]
    except TypeError:
        (tmp_path / "w.log").write_text(f"Unrecoverable error: X()\n{traceback.format_exc()}next line\n")

    [said] = unexplained([tmp_path / "w.log"])

    assert re.fullmatch(
        r"w.log: Unrecoverable error: X\(\) < chaos/complaints.py:\d+ unexplained"
        r" < chaos/test_complaints.py:\d+ test_where_it_was_is_told_with_it_innermost_first",
        said,
    )
