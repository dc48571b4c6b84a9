"""The logs of a stack that runs for long: of a bounded length, and nobody who writes them is told."""

from pathlib import Path

import pytest

from console.local import logs
from console.local.state import read
from tests.running import Start
from tests.waiting import until

ROOT = Path(__file__).parents[2]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "KEEP_BYTES", 100)


@pytest.mark.usefixtures("small")
def test_what_is_too_long_stands_beside_and_who_writes_goes_on_at_the_beginning(tmp_path: Path) -> None:
    log, short = tmp_path / "worker-1.log", tmp_path / "api.log"
    short.write_text("short\n")
    for number in range(3):
        with log.open("ab") as held:
            held.write(b"%d" % number * 101)
            held.flush()
            logs.bound(tmp_path)
            held.write(b"next\n")
            held.flush()

        assert log.read_text() == "next\n"
        assert (tmp_path / "worker-1.log.1").read_text().endswith(str(number) * 101)
    assert sorted(it.name for it in tmp_path.iterdir()) == ["api.log", "worker-1.log", "worker-1.log.1"]
    assert short.read_text() == "short\n"


@pytest.mark.usefixtures("small")
def test_where_there_is_no_room_for_it_the_text_is_given_up(tmp_path: Path) -> None:
    log = tmp_path / "beat.log"
    log.write_text("x" * 101)
    log.with_suffix(".log.1").symlink_to("/dev/full")

    logs.bound(tmp_path)

    assert log.read_text() == ""


def test_a_stack_bounds_them_while_it_runs(start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    start("python", "-m", "tests.local.stand_ins", folder, "1", "0", cwd=ROOT)
    until(lambda: (state := read(folder)) is not None and state.ready)
    log = folder / "logs" / "worker-1.log"

    with log.open("ab") as more:
        more.truncate(logs.KEEP_BYTES + 1)

    until(lambda: log.stat().st_size == 0)
    assert log.with_suffix(".log.1").stat().st_size == logs.KEEP_BYTES + 1
