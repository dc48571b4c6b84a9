"""What a workspace's status does to what waits in it, and to everybody else."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from beat.due import tick
from beat.outwaited import end_outwaited
from console.deeds import workspaces as deeds
from shared.settings import Settings
from shared.store import attempts, workspaces
from tests.process.conftest import Fleet
from tests.receiver import Receiver
from tests.waiting import until
from workers import aside, sweep, wake
from workers.station import Station

WAITS = ("provisioning", "offline", "awaiting_agent", "hibernating", "hibernated")


@pytest.fixture
def room(fleet: Fleet) -> Fleet:
    """A fleet with a cap of 2 and a worker that has room, as far as the gate knows."""
    fleet.admission.ask(lambda gate: gate.renew("w", 20, 60_000, []))
    return fleet


def gate_knows(fleet: Fleet) -> tuple[int, int]:
    """How many firings wait in the gate, and how many are reserved."""
    usage = fleet.admission.ask(lambda gate: gate.usage())
    return usage.waiting, usage.reserved


def becomes(fleet: Fleet, workspace: UUID, status: str) -> None:
    deeds.change(fleet.admission, workspace, deeds.Edit({"status": status}), "test")


def statuses(fleet: Fleet) -> list[Any]:
    return fleet.rows("select title, status, failure_reason from firings order by title")


@pytest.mark.parametrize("status", ["offline", "paused"])
def test_what_is_due_in_a_held_workspace_waits_outside_the_line_and_starts_when_it_is_fit(
    room: Fleet, status: str
) -> None:
    held, other = room.workspace("held", status=status), room.workspace("other")
    for number in range(5):
        room.schedule(held, f"held {number}", ["true"])
    room.schedule(other, "other", ["true"])

    tick(room.admission, Settings())

    assert gate_knows(room) == (0, 1), "the other's, and nobody before it"
    # What beat made before it heard of the status, or a message that comes late, is refused by Postgres.
    [(firing,)] = room.rows("select id from firings where title = 'held 0'")
    by = attempts.Claimer({"id": "w"}, None, room.admission.gate.epoch, timedelta(seconds=60))
    assert attempts.claim(room.database.connection(), firing, uuid4(), by) == attempts.Refused("held", None)
    assert room.admission.offer_again([firing]) == 0
    becomes(room, held, "online")
    assert gate_knows(room) == (4, 2)


def test_what_waits_when_its_workspace_falls_asleep_leaves_the_line_to_the_others(room: Fleet) -> None:
    asleep, other = room.workspace("asleep"), room.workspace("other")
    for number in range(5):
        room.schedule(asleep, f"asleep {number}", ["true"])
    tick(room.admission, Settings())
    assert gate_knows(room) == (3, 2)
    room.schedule(other, "other", ["true"])
    tick(room.admission, Settings())

    becomes(room, asleep, "hibernated")

    assert gate_knows(room) == (0, 1)
    assert {it[1] for it in statuses(room)} == {"queued"}


def test_a_workspace_that_was_removed_or_schedules_itself_is_skipped_and_nothing_else_moves(room: Fleet) -> None:
    """SCH-5."""
    schedules = [
        room.schedule(room.workspace("removed", status="removed"), "it", ["true"]),
        room.schedule(room.workspace("native", native_scheduler=True), "it", ["true"]),
    ]

    tick(room.admission, Settings())

    told = dict(room.rows("select schedule_id, reason from skips"))
    assert told == dict(zip(schedules, ("workspace", "native"), strict=True))
    after = "select status, next_run_at > now(), run_count, last_run_at from schedules order by status"
    assert room.rows(after) == [("active", True, 0, None), ("archived", None, 0, None)]
    assert statuses(room) == []


def test_what_waited_for_its_workspace_beyond_its_start_deadline_is_cancelled_and_nothing_else(room: Fleet) -> None:
    places = {it: room.workspace(it, status=it) for it in ("hibernated", "offline", "paused", "online", "removed")}
    connection = room.database.connection()
    for name, place in places.items():
        room.schedule(place, f"{name} late", ["true"], start_deadline_s=60)
    room.schedule(places["offline"], "offline without", ["true"])
    connection.execute("update workspaces set status = 'online' where name = 'removed'")
    tick(room.admission, Settings())
    connection.execute("update workspaces set status = 'removed' where name = 'removed'")
    connection.execute("update firings set queued_at = now() - interval '61 s'")
    connection.execute("update workspaces set status_at = now() - interval '61 s' where name <> 'hibernated'")

    assert end_outwaited(room.admission) == 2

    assert statuses(room) == [
        ("hibernated late", "queued", None),  # it fell asleep a moment ago
        ("offline late", "cancelled", "workspace_unavailable"),
        ("offline without", "queued", None),
        ("online late", "queued", None),  # time in line is no lateness
        ("paused late", "queued", None),
        ("removed late", "cancelled", "cancelled"),
    ]
    why = "select request_body ->> 'because' from activity_logs where type = 'firing_cancelled' order by 1"
    assert room.rows(why) == [("workspace_offline",), ("workspace_removed",)]
    assert end_outwaited(room.admission) == 0


def wakes(fleet: Fleet, station: Station) -> dict[str, int]:
    """One pass, and what it began has ended."""
    fleet.database.connection().execute("delete from cadence")
    told = wake.sweep(station)
    until(lambda: aside.room() == aside.MOST)
    return told


def test_a_sleeping_workspace_is_woken_once_when_something_waits_in_it(
    room: Fleet, station: Station, receiver: Receiver
) -> None:
    places = [room.workspace(it, status=it, wake_url=f"{receiver.address}/{it}") for it in WAITS[: aside.MOST]]
    awake = room.workspace("awake", wake_url=receiver.address)
    assert wakes(room, station) == {}
    for place in (*places, awake):
        room.schedule(place, "it", ["true"])
    tick(room.admission, Settings())

    assert [wakes(room, station), wakes(room, station)] == [{"woken_total": aside.MOST}, {}]

    assert {(it.method, it.path) for it in receiver.calls} == {("POST", f"/{it}") for it in WAITS[: aside.MOST]}
    told = [it.json for it in receiver.calls if it.path == f"/{WAITS[0]}"]
    assert told == [{"workspace_id": str(places[0]), "workspace": WAITS[0]}]
    done = room.rows("select status from activity_logs where type = 'workspace_woken'")
    assert done == [("ok",)] * aside.MOST


def test_a_workspace_that_sleeps_again_is_woken_again_and_a_paused_one_never(
    room: Fleet, station: Station, receiver: Receiver
) -> None:
    receiver.answer = 500
    workspace = room.workspace(status="hibernated", wake_url=receiver.address)
    room.schedule(workspace, "it", ["true"])
    tick(room.admission, Settings())

    for status in ("hibernated", "online", "hibernated", "paused"):
        becomes(room, workspace, status)
        wakes(room, station)

    assert len(receiver.calls) == 2
    failed = ("error", "exit code 1: it answered 500")
    assert room.rows("select status, error_detail from activity_logs where type = 'workspace_woken'") == [failed] * 2


def test_a_workspace_counted_busy_for_nothing_is_put_right_and_the_others_are_not(
    fleet: Fleet, station: Station
) -> None:
    """REA-12, its five cases."""
    names = ("phantom", "running", "recent", "removed", "idle", "never heard of")
    places = {it: fleet.workspace(it) for it in names}
    fleet.claimed(places["running"])
    connection = fleet.database.connection()
    connection.execute("update workspaces set status = 'removed' where name = 'removed'")
    connection.execute(
        "update workspaces set active_tasks = 2, current_task = 'x', created_at = now() - interval '1 day',"
        " last_activity_at = now() - interval '601 s'"
    )
    connection.execute("update workspaces set last_activity_at = now() - interval '599 s' where name = 'recent'")
    connection.execute("update workspaces set last_activity_at = null where name = 'never heard of'")
    connection.execute("update workspaces set active_tasks = 0, current_task = 'kept' where name = 'idle'")

    told = sweep.sweep(station)

    assert told == {"cleared_total": 2}
    after = fleet.rows("select name, active_tasks, current_task from workspaces")
    assert {name: rest for name, *rest in after} == {
        "phantom": [0, None],
        "running": [2, "x"],
        "recent": [2, "x"],
        "removed": [2, "x"],
        "idle": [0, "kept"],
        "never heard of": [0, None],
    }
    assert fleet.rows("select count(*) from activity_logs where type = 'phantom_busy_cleared'") == [(2,)]
    assert sweep.sweep(station) == {}, "it is not its turn"


def test_what_an_agent_says_of_itself_is_activity(fleet: Fleet) -> None:
    workspace = fleet.workspace()
    connection = fleet.database.connection()

    workspaces.report(connection, workspace, {"active_tasks": 3, "current_task": "reading"})

    said = "select active_tasks, current_task, last_activity_at > now() - interval '5 s' from workspaces"
    assert fleet.rows(said) == [(3, "reading", True)]
    workspaces.report(connection, workspace, {"current_task": None})
    assert fleet.rows("select active_tasks, current_task from workspaces") == [(3, None)]
