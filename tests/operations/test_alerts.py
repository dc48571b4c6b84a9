"""What people are told: by a real Apprise to a real receiver, once, again when it fails, and nothing waits for it."""

import dataclasses
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from shared.celery_app import ALERT
from shared.rules.alert_routes import Route, pause_after_s, routes, wanted
from shared.store import alerts as alert_rows
from tests.process.conftest import Fleet
from tests.receiver import Call, Receiver, receiving
from tests.waiting import until
from workers import alerts, aside
from workers.beat_watch import BeatWatch
from workers.station import Station

SECRET = "hidden-from-everybody"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def address(receiver: Receiver) -> str:
    return receiver.address.replace("http://", "json://") + f"/{SECRET}"


def use(station: Station, **over: Any) -> None:
    quick = {"alert_every_s": 0.0, "ping_every_s": 0.0}
    station.settings = dataclasses.replace(station.settings, **{**quick, **over})


def add(fleet: Fleet, kind: str = "auto_paused", **about: UUID) -> None:
    alert_rows.add(fleet.database.connection(), kind, f"title of {kind}", "body", **about)


def swept(station: Station) -> dict[str, int]:
    """One pass, and what it began has ended."""
    told = alerts.sweep(station)
    until(lambda: aside.room() == aside.MOST)
    return told


def titles(receiver: Receiver) -> list[str]:
    return sorted(it.json["title"] for it in receiver.calls)


def due_now(fleet: Fleet) -> None:
    fleet.rows("update alerts set next_try_at = now() where sent_at is null returning id")


def state(fleet: Fleet) -> list[Any]:
    return fleet.rows(
        "select tries, sent_at is not null, given_up_at is not null, last_error, cardinality(delivered) from alerts"
        " order by at"
    )


def test_an_alert_is_sent_once_with_what_it_is_about(fleet: Fleet, station: Station, receiver: Receiver) -> None:
    use(station, alert_urls=address(receiver))
    workspace = fleet.workspace("billing")
    schedule = fleet.schedule(workspace, "nightly", ["true"], due_in_s=900)
    add(fleet, workspace=workspace, schedule=schedule)

    swept(station)
    swept(station)

    [call] = receiver.calls
    assert call.json["title"] == "title of auto_paused"
    assert "workspace billing, schedule nightly" in call.json["message"]
    assert state(fleet) == [(1, True, False, None, 1)]


def test_the_same_about_the_same_thing_within_an_hour_is_one_alert(
    fleet: Fleet, station: Station, receiver: Receiver
) -> None:
    use(station, alert_urls=address(receiver))
    schedule = fleet.schedule(fleet.workspace(), "a", ["true"], due_in_s=900)
    for _ in range(3):
        add(fleet, schedule=schedule)
    add(fleet, "failed_after_last_attempt", schedule=schedule)
    swept(station)
    fleet.rows("update alerts set at = at - interval '61 minutes' returning id")
    add(fleet, schedule=schedule)
    swept(station)

    assert titles(receiver) == ["title of auto_paused"] * 2 + ["title of failed_after_last_attempt"]


def test_each_workspace_and_schedule_tells_its_own_people(fleet: Fleet, station: Station, receiver: Receiver) -> None:
    base = address(receiver)
    use(station, alert_urls=f"{base}/all @billing {base}/billing @billing/the%20nightly {base}/nightly @* {base}/too")
    billing, other = fleet.workspace("billing"), fleet.workspace("other")
    nightly = fleet.schedule(billing, "the nightly", ["true"], due_in_s=900)
    add(fleet, "one", workspace=billing, schedule=nightly)
    add(fleet, "two", workspace=other)
    add(fleet, "three")

    swept(station)

    told = sorted((it.json["title"].removeprefix("title of "), it.path.rpartition("/")[2]) for it in receiver.calls)
    assert told == [
        *(("one", it) for it in ("all", "billing", "nightly", "too")),
        *(("three", it) for it in ("all", "too")),
        *(("two", it) for it in ("all", "too")),
    ]


def test_who_could_not_be_told_is_told_later_and_nobody_twice(
    fleet: Fleet, station: Station, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "slotbeat")
    failing = True

    def answer(call: Call) -> int:
        return 500 if failing and call.path.endswith("/second") else 200

    receiver.answer = answer
    use(station, alert_urls=f"{address(receiver)}/first {address(receiver)}/second")
    add(fleet)

    swept(station)
    [(tries, sent, _, error, delivered)] = state(fleet)
    assert (tries, sent, delivered) == (1, False, 1)
    assert error.endswith(": it was not taken")
    [(wait_s,)] = fleet.rows("select extract(epoch from next_try_at - now())::float8 from alerts")
    assert 5 < wait_s <= 10

    swept(station)
    assert len(receiver.calls) == 2, "it waits before it tries again"

    failing = False
    due_now(fleet)
    swept(station)

    assert [it.path.rpartition("/")[2] for it in receiver.calls[2:]] == ["second"]
    assert state(fleet) == [(2, True, False, None, 2)]
    assert "alert.not_sent" in caplog.text
    assert "alert.sent" in caplog.text
    assert SECRET not in caplog.text + str(fleet.rows("select * from alerts"))


def test_after_so_many_tries_it_is_given_up(fleet: Fleet, station: Station, receiver: Receiver) -> None:
    receiver.answer = 503
    use(station, alert_urls=address(receiver), alert_tries=2)
    add(fleet)

    for _ in range(3):
        due_now(fleet)
        swept(station)

    [(tries, sent, given_up, error, _)] = state(fleet)
    assert (tries, sent, given_up) == (2, False, True)
    assert error
    assert len(receiver.calls) == 2


def test_a_receiver_that_hangs_delays_no_sweep_and_no_other_receiver(
    fleet: Fleet, station: Station, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alerts, "WITHIN_S", 3.0)
    done = False

    def answer(call: Call) -> int:
        if call.path.endswith("/hangs"):
            until(lambda: done)
        return 200

    receiver.answer = answer
    # Apprise itself would wait for a minute; what ends the waiting is the guard around the program.
    use(station, alert_urls=f"{address(receiver)}/hangs?rto=60 {address(receiver)}/quick")
    add(fleet)

    began = time.monotonic()
    assert alerts.sweep(station)["begun_total"] == 1
    took_s = time.monotonic() - began
    until(lambda: len(receiver.calls) == 2)
    assert state(fleet)[0][1] is False
    assert "begun_total" not in alerts.sweep(station), "nobody else takes it meanwhile"
    until(lambda: aside.room() == aside.MOST)
    done = True

    assert took_s < 2.5, "the pass does not wait for the sending"
    [(_, sent, given_up, error, delivered)] = state(fleet)
    assert (sent, given_up, delivered) == (False, False, 1)
    assert error.endswith("it did not answer in time")


def test_an_alert_whose_sender_died_is_sent_by_another(fleet: Fleet, station: Station, receiver: Receiver) -> None:
    use(station, alert_urls=address(receiver))
    add(fleet)
    fleet.rows("update alerts set tries = 1, next_try_at = now() - interval '1 second' returning id")

    swept(station)

    assert state(fleet) == [(2, True, False, None, 1)]


def test_without_addresses_nothing_is_sent_and_what_is_a_day_old_never_will_be(
    fleet: Fleet, station: Station, receiver: Receiver
) -> None:
    use(station)
    add(fleet, "old")
    fleet.rows("update alerts set at = at - interval '25 hours' returning id")
    add(fleet, "new")

    swept(station)
    use(station, alert_urls=address(receiver))
    swept(station)

    assert titles(receiver) == ["title of new"]
    assert [it[2] for it in state(fleet)] == [True, False]


def test_an_alert_for_which_no_address_is_is_given_up(fleet: Fleet, station: Station, receiver: Receiver) -> None:
    use(station, alert_urls=f"@billing {address(receiver)}")
    add(fleet)

    swept(station)

    assert state(fleet) == [(1, False, True, "no address is for it", 0)]


# What raises them -----------------------------------------------------------------------------------


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
