"""What people are told: by a real Apprise to a real receiver, once, again when it fails, and nothing waits (OBS-4)."""

import time

import pytest

from tests.operations.telling import SECRET, add, address, due_now, state, swept, titles, use
from tests.process.conftest import Fleet
from tests.receiver import Call, Receiver
from tests.waiting import until
from workers import alerts, aside
from workers.station import Station


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
