"""While people talk, what is due is put off, and no occurrence is lost (SCH-13)."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from beat.due import Ticked, tick
from shared.pressure import Pressure
from shared.settings import Settings
from tests.process.conftest import Fleet

DUE = "select extract(epoch from deferred_until - next_run_at)::float8, next_run_at from schedules where id = %s"


@pytest.fixture
def talk(fleet: Fleet, redis_url: str) -> Iterator[Pressure]:
    made = Pressure(redis_url, "slotbeat")
    yield made
    made.close()


@pytest.fixture
def ticks(fleet: Fleet, talk: Pressure) -> Callable[..., Ticked]:
    def once(**over: Any) -> Ticked:
        return tick(fleet.admission, Settings(**over), talk)

    return once


def overdue(fleet: Fleet, schedule: UUID, seconds: float) -> None:
    """As if so much time had passed since it was due, or was put off."""
    fleet.database.connection().execute(
        """
        update schedules set revision = revision + 1, next_run_at = next_run_at - %(d)s,
                             deferred_until = deferred_until - %(d)s where id = %(id)s
        """,
        {"d": timedelta(seconds=seconds), "id": schedule},
    )


def fired(fleet: Fleet) -> int:
    return fleet.rows("select count(*) from firings")[0][0]


def test_a_due_schedule_is_put_off_again_and_again_and_fires_its_occurrence_in_the_end(
    fleet: Fleet, talk: Pressure, ticks: Callable[..., Ticked]
) -> None:
    schedule = fleet.schedule(fleet.workspace(), "nightly", ["true"])
    talk.hold("chat", None, 60_000)

    ticks()
    put_off_s, nominal = fleet.rows(DUE, schedule)[0]
    assert (fired(fleet), 29 < put_off_s < 31) == (0, True)
    assert ticks().schedules == 0  # not due before those 30 s are over

    overdue(fleet, schedule, 31)
    ticks()
    assert (fired(fleet), 60 < fleet.rows(DUE, schedule)[0][0] < 63) == (0, True)

    overdue(fleet, schedule, 860)  # 15 minutes after the occurrence it has waited long enough
    ticks()
    overdue(fleet, schedule, 10)
    assert ticks().made == 1

    found = fleet.rows("select nominal_at, (select deferred_until from schedules) from firings")
    assert found == [(nominal - timedelta(seconds=901), None)]
    assert fleet.rows("select * from skips") == []


def test_a_stream_that_ends_or_falls_silent_or_is_elsewhere_puts_nothing_off(
    fleet: Fleet, talk: Pressure, ticks: Callable[..., Ticked]
) -> None:
    here, elsewhere = fleet.workspace(), fleet.workspace("elsewhere")
    fleet.schedule(here, "here", ["true"])
    fleet.schedule(elsewhere, "elsewhere", ["true"])
    talk.hold("chat", elsewhere, 60_000)
    talk.hold("ended", None, 60_000)
    talk.end("ended")
    talk.hold("crashed", here, -1)

    ticks()

    assert fleet.rows("select title from firings") == [("here",)]


def test_a_workspace_that_schedules_itself_is_skipped_not_put_off(
    fleet: Fleet, talk: Pressure, ticks: Callable[..., Ticked]
) -> None:
    fleet.schedule(fleet.workspace(native_scheduler=True), "native", ["true"])
    talk.hold("chat", None, 60_000)

    ticks()

    assert fleet.rows("select reason from skips") == [("native",)]


def test_run_now_is_not_put_off_and_what_runs_is_not_touched(fleet: Fleet, talk: Pressure) -> None:
    from tests.store.rows import scene

    rows = scene(fleet.database.connection())
    running = rows.running()
    talk.hold("chat", None, 60_000)

    assert rows.claim(rows.firing(source="manual", title="now")).title == "now"
    assert rows.one("select status from firings where id = %s", running.firing_id) == "running"


def test_a_stream_registered_twice_counts_once_and_the_last_word_counts(talk: Pressure) -> None:
    workspace = uuid4()
    talk.hold("chat", None, 60_000)
    talk.hold("chat", workspace, 30_000)

    seen = talk.seen()

    assert seen is not None
    assert (seen.count, dict(seen.by_workspace)) == (1, {workspace: 1})
    assert seen.press_on(workspace)
    assert not seen.press_on(uuid4())
    assert 0 < talk.listing()[0].left_ms <= 30_000


def test_after_a_flush_streams_come_back_with_their_renewals(talk: Pressure) -> None:
    talk.hold("chat", None, 60_000)
    talk.redis.flushdb()
    assert talk.listing() == []

    talk.hold("chat", None, 60_000)

    assert [it.id for it in talk.listing()] == ["chat"]


def test_without_redis_nothing_is_put_off_and_it_is_said_once(fleet: Fleet, caplog: pytest.LogCaptureFixture) -> None:
    fleet.schedule(fleet.workspace(), "nightly", ["true"])
    away = Pressure("redis://127.0.0.1:1/0", "slotbeat")

    tick(fleet.admission, Settings(), away)
    assert away.seen() is None
    away.close()

    assert fired(fleet) == 1
    assert len([it for it in caplog.records if it.getMessage().startswith("pressure.unknown")]) == 1


def test_a_heartbeat_whose_turns_of_today_are_spent_is_skipped_until_midnight_in_its_zone(
    fleet: Fleet, ticks: Callable[..., Ticked]
) -> None:
    """SCH-14: the day is the one of the schedule's zone, which may be another one than Postgres's."""
    place = fleet.workspace()
    zones = {"ahead": "Pacific/Kiritimati", "behind": "Pacific/Niue"}  # 25 hours apart: never the same day
    for name, zone in zones.items():
        schedule = fleet.schedule(place, name, ["true"], kind="heartbeat", timezone=zone, daily_turn_budget=10)
        fleet.database.connection().execute(
            "update schedules set turns_today = 10, turns_today_on = (now() at time zone 'Pacific/Niue')::date"
            " where id = %s",
            [schedule],
        )
    ticks()

    assert fleet.rows("select title from firings") == [("ahead",)]
    assert fleet.rows("select s.name, k.reason from skips k join schedules s on s.id = k.schedule_id") == [
        ("behind", "budget")
    ]
