"""What people are told of: silence, a late beat, failures; and the call to who watches outside (OBS-4, OBS-6)."""

import dataclasses
from collections.abc import Callable
from datetime import timedelta

import pytest

from shared.celery_app import ALERT
from shared.rules.alert_routes import Route, pause_after_s, routes, wanted
from tests.operations.telling import SECRET, address, swept, titles, use
from tests.process.conftest import Fleet
from tests.receiver import Receiver
from tests.waiting import until
from workers.beat_watch import BeatWatch
from workers.station import Station


def kinds(fleet: Fleet) -> list[str]:
    return [it for (it,) in fleet.rows("select kind from alerts order by at")]


def test_a_schedule_without_success_for_too_long_is_told_once_for_each_silence(fleet: Fleet, station: Station) -> None:
    use(station)
    schedule = fleet.schedule(fleet.workspace(), "nightly", ["true"], due_in_s=900, alert_after_s=3600)
    swept(station)
    assert kinds(fleet) == []

    ago = "update schedules set updated_at = updated_at - %s, last_success_at = now() - %s returning id"
    fleet.rows(ago, timedelta(hours=3), timedelta(minutes=59))
    swept(station)
    assert kinds(fleet) == []

    fleet.rows(ago, timedelta(0), timedelta(minutes=61))
    swept(station)
    fleet.rows("update alerts set at = at - interval '58 minutes' returning id")
    swept(station)
    assert kinds(fleet) == ["no_success"]

    fleet.rows("update schedules set last_success_at = now() - interval '30 minutes' returning id")
    fleet.rows("update alerts set at = at - interval '1 hour' returning id")
    fleet.rows("update schedules set alert_after_s = 1200 returning id")
    swept(station)
    assert kinds(fleet) == ["no_success", "no_success"]
    assert fleet.rows("select distinct schedule_id from alerts") == [(schedule,)]


@pytest.mark.parametrize("change", ["status = 'paused'", "alert_after_s = null"])
def test_who_is_paused_or_not_awaited_is_not_missed(change: str, fleet: Fleet, station: Station) -> None:
    use(station)
    fleet.schedule(fleet.workspace(), "nightly", ["true"], due_in_s=900, alert_after_s=60)
    fleet.rows(f"update schedules set updated_at = updated_at - interval '1 day', {change} returning id")

    swept(station)

    assert kinds(fleet) == []


def beat_sign(fleet: Fleet, ago_s: float) -> None:
    fleet.rows("delete from processes where kind = 'beat' returning id")
    fleet.rows(
        "insert into processes (id, kind, node, boot_id, pid, pid_start, seen_at)"
        " values ('b', 'beat', 'beat@here', '', 1, 1, now() - make_interval(secs => %s)) returning id",
        ago_s,
    )


def test_a_beat_that_died_is_told_by_the_workers_that_still_live(fleet: Fleet, station: Station) -> None:
    use(station, beat_late_s=0.3)
    beat_sign(fleet, 0)
    one, another = BeatWatch(station), BeatWatch(station)
    one.look(station.settings)
    assert kinds(fleet) == []

    beat_sign(fleet, 100)
    until(lambda: [it.look(station.settings) for it in (one, another)] and kinds(fleet))
    for it in (one, another):
        it.look(station.settings)

    assert kinds(fleet) == ["beat_late"]


def test_a_beat_that_lives_but_makes_nothing_of_what_is_due_is_late_too(fleet: Fleet, station: Station) -> None:
    use(station, beat_late_s=0.3)
    beat_sign(fleet, 0)
    fleet.schedule(fleet.workspace(), "due", ["true"], due_in_s=-100)
    watch = BeatWatch(station)

    until(lambda: watch.look(dataclasses.replace(station.settings, beat_late_s=1.0)) or kinds(fleet))

    assert kinds(fleet) == ["beat_late"]


def test_every_kind_of_alert_is_sent_end_to_end_by_real_processes(fleet: Fleet, receiver: Receiver) -> None:
    """A worker without a beat says that beat is late, and sends it; with a beat, a firing that fails is told."""
    fleet.environment.update(
        SLOTBEAT_ALERT_URLS=address(receiver), SLOTBEAT_BEAT_LATE_S="1", SLOTBEAT_ALERT_EVERY_S="0.2"
    )
    worker = fleet.worker()
    until(lambda: titles(receiver) == ["beat is late"])
    beat = fleet.beat()
    for number in range(3):
        fleet.schedule(fleet.workspace(f"w{number}"), f"s{number}", ["false"])
    fleet.ended(3)
    until(lambda: len(receiver.calls) >= 4)

    assert all("failed after its only attempt" in it for it in titles(receiver)[1:])
    assert SECRET not in worker.text + beat.text


# The ping -------------------------------------------------------------------------------------------


def worker_sign(fleet: Fleet, ago_s: float, capacity: int = 3) -> None:
    fleet.rows(
        "insert into processes (id, kind, node, boot_id, pid, pid_start, capacity, seen_at)"
        " values ('w', 'worker', 'w@here', '', 1, 1, %s, now() - make_interval(secs => %s)) returning id",
        capacity,
        ago_s,
    )


ALIVE: list[tuple[str, Callable[[Fleet], None], bool]] = [
    ("all is well", lambda fleet: (beat_sign(fleet, 0), worker_sign(fleet, 0))[1], True),
    ("no beat", lambda fleet: worker_sign(fleet, 0), False),
    ("a beat that is late", lambda fleet: (beat_sign(fleet, 61), worker_sign(fleet, 0))[1], False),
    ("no worker", lambda fleet: beat_sign(fleet, 0), False),
    ("a worker that is silent", lambda fleet: (beat_sign(fleet, 0), worker_sign(fleet, 61))[1], False),
    ("a worker for maintenance", lambda fleet: (beat_sign(fleet, 0), worker_sign(fleet, 0, 0))[1], False),
]


@pytest.mark.parametrize(("arrange", "pings"), [it[1:] for it in ALIVE], ids=[it[0] for it in ALIVE])
def test_an_outside_monitor_is_called_while_beat_ticks_and_workers_renew(
    arrange: Callable[[Fleet], None], *, pings: bool, fleet: Fleet, station: Station, receiver: Receiver
) -> None:
    use(station, ping_url=f"{receiver.address}/{SECRET}")
    arrange(fleet)

    swept(station)

    assert [(it.method, it.path) for it in receiver.calls] == [("GET", f"/{SECRET}")] * pings


def test_a_ping_that_fails_is_logged_without_its_address(
    fleet: Fleet, station: Station, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = 404
    use(station, ping_url=f"{receiver.address}/{SECRET}")
    beat_sign(fleet, 0)
    worker_sign(fleet, 0)

    swept(station)

    assert "ping.failed" in caplog.text
    assert "404" in caplog.text
    assert SECRET not in caplog.text
    assert fleet.rows("select name from cadence order by name") == [("slotbeat.ping",), (ALERT,)]


# The rules of routes --------------------------------------------------------------------------------


def test_an_address_is_told_once_and_is_not_shown() -> None:
    every = routes("json://a @billing json://a json://b")

    assert [it.address for it in wanted(every, "billing", None)] == ["json://a", "json://b"]
    assert "json" not in repr(every)
    assert len({it.fingerprint for it in every}) == 2
    assert routes("  ") == []
    assert routes("@a/b x://y") == [Route("x://y", "a", "b")]


def test_the_pause_doubles_up_to_an_hour() -> None:
    assert [pause_after_s(it) for it in (1, 2, 3, 9, 10, 500)] == [10, 20, 40, 2560, 3600, 3600]
