"""Restarts of a workspace: single-flight over processes, and a clean state whatever becomes of one (WSP-1)."""

import json
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from shared.celery_app import MAINTENANCE
from shared.restarts import ask
from shared.store import restarts
from tests.proc import is_alive
from tests.process.conftest import ROOT, Fleet
from tests.receiver import receiving
from tests.waiting import until
from workers import aside, restart
from workers.station import Station

LEASE = timedelta(seconds=60)
# Says that it has begun, waits for a word, says that it is over; a line each, which appending keeps whole.
HOOK = """
echo "begin $$" >> {log}
while [ ! -e {go} ]; do sleep 0.02; done
echo "end $$" >> {log}
"""


def row(fleet: Fleet, columns: str = "begun, ended, pending, outcome, running_by is not null") -> Any:
    return fleet.rows(f"select {columns} from restarts")[0]


def log(fleet: Fleet) -> list[Any]:
    return fleet.rows(
        "select request_body ->> 'number', request_body ->> 'outcome', status from activity_logs"
        " where type = 'workspace_restarted' order by at"
    )


def hints(fleet: Fleet) -> int:
    return fleet.admission.gate.redis.llen(MAINTENANCE)


@contextmanager
def restarting(station: Station, workspace: UUID) -> Iterator[threading.Thread]:
    """A restart in a thread of ours, waited for at the end."""
    thread = threading.Thread(target=restart.restart, args=(station, workspace), name="restart under test")
    thread.start()
    try:
        yield thread
    finally:
        thread.join()


def test_a_hundred_requests_of_several_processes_are_one_that_runs_and_one_that_follows(
    fleet: Fleet, station: Station, tmp_path: Path
) -> None:
    said, go = tmp_path / "log", tmp_path / "go"
    workspace = fleet.workspace(restart_command=["sh", "-c", HOOK.format(log=said, go=go)])
    restarts.ask(fleet.database.connection(), workspace)

    with restarting(station, workspace):
        try:
            until(lambda: said.exists() and "begin" in said.read_text())
            askers = [
                fleet.begin("python", "-m", "tests.process.askers", "ask", str(workspace), "25", env={}, cwd=ROOT)
                for _ in range(4)
            ]
            assert [it.wait(50) for it in askers] == [0] * 4, [it.text for it in askers]
            numbers = [number for it in askers for number in json.loads(it.text.splitlines()[-1])]
            assert numbers == [2] * 100
            assert row(fleet) == (1, 0, True, None, True)
        finally:
            go.touch()

    assert hints(fleet) == 1  # for the one that follows, from who ran the first
    restart.restart(station, workspace)
    restart.restart(station, workspace)
    assert row(fleet) == (2, 2, False, "ok", False)
    assert [line.split()[0] for line in said.read_text().splitlines()] == ["begin", "end", "begin", "end"]
    assert log(fleet) == [("1", "ok", "ok"), ("2", "ok", "ok")]
    assert fleet.rows("select min(duration_ms) >= 0 from activity_logs where type = 'workspace_restarted'") == [(True,)]


def test_asked_when_none_runs_the_first_alone_sends_a_hint(fleet: Fleet, station: Station) -> None:
    workspace = fleet.workspace(restart_command=["true"])

    for _ in range(10):
        ask(fleet.database.connection(), fleet.admission.app, workspace)

    assert hints(fleet) == 1
    assert row(fleet) == (0, 0, True, None, False)


def test_a_restart_that_fails_or_cannot_be_started_leaves_a_clean_state(fleet: Fleet, station: Station) -> None:
    for command, why in (
        (["sh", "-c", "echo no >&2; exit 3"], "exit code 3: no"),
        (["/no/such/program"], "no such program"),
    ):
        workspace = fleet.workspace(name=command[0], restart_command=command)
        restarts.ask(fleet.database.connection(), workspace)

        restart.restart(station, workspace)

        known = restarts.get(fleet.database.connection(), workspace)
        assert known is not None
        assert (known.outcome, known.running, known.pending) == ("failed", False, False)
        assert why in (known.error or "")
    assert [outcome for _, outcome, _ in log(fleet)] == ["failed", "failed"]


def test_a_restart_that_hangs_ends_with_its_tree_when_its_time_is_over(
    fleet: Fleet, station: Station, tmp_path: Path
) -> None:
    """Deaf to SIGTERM, and with a child in a session of its own."""
    pids = tmp_path / "pids"
    hangs = f"trap '' TERM; setsid sleep 600 & echo $! > {pids}; echo $$ >> {pids}; while :; do sleep 1; done"
    station.settings = replace(station.settings, restart_timeout_s=0.5, abort_grace_s=0.2)
    workspace = fleet.workspace(restart_command=["sh", "-c", hangs])
    restarts.ask(fleet.database.connection(), workspace)

    restart.restart(station, workspace)

    assert row(fleet, "outcome, error, running_by") == ("failed", "it took too long and was ended", None)
    until(lambda: not any(is_alive(int(it)) for it in pids.read_text().split()))


def test_a_restart_that_lost_its_process_is_given_up_and_the_next_asker_is_served(
    fleet: Fleet, station: Station, tmp_path: Path
) -> None:
    """The lease is over: the next one takes over at once, and nothing of the old one is left by then."""
    pid = tmp_path / "pid"
    workspace = fleet.workspace(restart_command=["sh", "-c", f"echo $$ > {pid}; exec sleep 600"])
    restarts.ask(fleet.database.connection(), workspace)
    lost = fleet.begin("python", "-m", "tests.process.askers", "begin", str(workspace), cwd=ROOT)
    until(lambda: pid.exists() and pid.read_text().strip(), 40)

    lost.send(signal.SIGKILL)
    lost.wait()

    until(lambda: not is_alive(int(pid.read_text())))
    restart.tidy(station)
    assert row(fleet)[4], "its lease is not over"
    fleet.database.connection().execute("update restarts set running_until = now() - interval '1 ms'")
    fleet.database.connection().execute("update workspaces set restart_command = '[\"true\"]'")
    asked = restarts.ask(fleet.database.connection(), workspace)
    assert (asked.number, asked.running, asked.lost) == (2, False, True)
    restart.restart(station, workspace)
    assert row(fleet) == (2, 2, False, "ok", False)
    assert log(fleet) == [("1", "lost", "error"), ("2", "ok", "ok")]


def test_the_reaper_gives_up_what_is_lost_and_hints_again_at_what_nobody_began(fleet: Fleet, station: Station) -> None:
    workspace = fleet.workspace(restart_command=["true"])
    connection = fleet.database.connection()
    restarts.ask(connection, workspace)
    restarts.begin(connection, workspace, "gone", LEASE)
    restarts.ask(connection, workspace)
    restart.tidy(station)
    assert row(fleet) == (1, 0, True, None, True)

    connection.execute("update restarts set running_until = now() - interval '1 ms'")
    restart.tidy(station)
    assert row(fleet) == (1, 1, True, "lost", False)
    assert hints(fleet) == 0, "it was asked for only now"
    connection.execute("update restarts set requested_at = now() - interval '6 s'")
    restart.tidy(station)

    assert hints(fleet) == 1
    assert log(fleet) == [("1", "lost", "error")]


def test_a_late_end_of_a_restart_that_was_given_up_changes_nothing(fleet: Fleet) -> None:
    workspace = fleet.workspace(restart_command=["true"])
    connection = fleet.database.connection()
    restarts.ask(connection, workspace)
    begun = restarts.begin(connection, workspace, "slow", LEASE)
    assert begun is not None
    connection.execute("update restarts set running_until = now() - interval '1 ms'")
    restarts.give_up_lost(connection, "lost")
    restarts.ask(connection, workspace)
    restarts.begin(connection, workspace, "next", LEASE)

    assert restarts.end(connection, begun, restarts.End("ok", None, 1)) is None

    assert row(fleet) == (2, 1, False, "lost", True)


def test_an_address_is_called_by_post_and_its_no_is_a_failure(fleet: Fleet, station: Station) -> None:
    with receiving() as receiver:
        workspace = fleet.workspace(restart_url=f"{receiver.address}/restart?key=secret")
        for answer in (204, 500, 302):
            receiver.answer, receiver.headers = answer, {"Location": "/elsewhere"}
            restarts.ask(fleet.database.connection(), workspace)
            restart.restart(station, workspace)

    assert [(it.method, it.path) for it in receiver.calls] == [("POST", "/restart?key=secret")] * 3
    assert receiver.calls[0].json == {"workspace_id": str(workspace), "workspace": "here", "restart": 1}
    assert receiver.calls[0].headers["Idempotency-Key"] == f"{workspace}:1"
    assert [outcome for _, outcome, _ in log(fleet)] == ["ok", "failed", "failed"]
    assert row(fleet, "error") == ("exit code 1: it answered 302",)


def test_a_command_that_the_worker_does_not_allow_is_not_run(fleet: Fleet, station: Station, tmp_path: Path) -> None:
    """SEC-3."""
    station.settings = replace(station.settings, allowed_commands="/usr/bin/systemctl")
    workspace = fleet.workspace(restart_command=["touch", str(tmp_path / "done")])
    restarts.ask(fleet.database.connection(), workspace)

    restart.restart(station, workspace)

    assert "SLOTBEAT_ALLOWED_COMMANDS" in row(fleet, "error")[0]
    assert not (tmp_path / "done").exists()


def test_a_hook_that_is_gone_by_then_is_a_failure(fleet: Fleet, station: Station) -> None:
    workspace = fleet.workspace(restart_command=["true"])
    restarts.ask(fleet.database.connection(), workspace)
    fleet.database.connection().execute("update workspaces set restart_command = null")

    restart.restart(station, workspace)

    assert row(fleet, "outcome, running_by") == ("failed", None)


def test_a_successful_restart_makes_a_failed_workspace_online(fleet: Fleet, station: Station) -> None:
    for status in ("failed", "paused"):
        workspace = fleet.workspace(name=status, status=status, restart_command=["true"])
        restarts.ask(fleet.database.connection(), workspace)
        restart.restart(station, workspace)

    assert fleet.rows("select status from workspaces order by name") == [("online",), ("paused",)]


def test_a_process_that_ends_takes_its_restarts_with_it_in_good_order(
    fleet: Fleet, station: Station, tmp_path: Path
) -> None:
    pid = tmp_path / "pid"
    station.settings = replace(station.settings, abort_grace_s=0.2)
    workspace = fleet.workspace(restart_command=["sh", "-c", f"echo $$ > {pid}; exec sleep 600"])
    restarts.ask(fleet.database.connection(), workspace)
    assert restart.begin(station, workspace)
    until(lambda: pid.exists() and pid.read_text().strip())

    aside.end()

    assert row(fleet, "outcome, error, running_by") == ("failed", "its worker ends, and ended it", None)
    assert not is_alive(int(pid.read_text()))


def test_so_many_may_run_beside_the_tasks_and_the_others_wait_for_their_turn(fleet: Fleet, station: Station) -> None:
    go = threading.Event()

    begun = [aside.begin("it", lambda: bool(go.wait())) for _ in range(aside.MOST + 1)]

    assert begun == [True] * aside.MOST + [False]
    go.set()
    until(lambda: aside.room() == aside.MOST)
