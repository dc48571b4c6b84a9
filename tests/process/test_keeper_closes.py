"""A keeper whose worker closes: nothing more is claimed, and what runs is marked, then interrupted."""

from typing import Any

import pytest

from tests.process.conftest import Fleet
from tests.process.test_keeper_alone import Shift, shift, station, two_running
from tests.process.test_reaper import running
from tests.waiting import until

__all__ = ["shift", "station"]


def test_a_closing_worker_takes_nothing_more_marks_what_runs_and_then_interrupts_it(fleet: Fleet, shift: Shift) -> None:
    one, two = two_running(shift)
    shift.hears(one, "deadline")
    shift.hears(two, "deadline")
    until(lambda: shift.capacity() == 7)
    assert shift.keeper.may_claim()

    shift.keeper.close_shop()

    assert not shift.keeper.may_claim()
    until(lambda: shift.capacity() == 0)
    until(lambda: fleet.rows("select interrupting from attempts") == [(True,), (True,)])
    for line in (one, two):
        until(lambda line=line: "interrupted" in line.heard("abort"))


def test_a_payload_whose_guard_calls_a_worker_that_is_closing_already_is_marked_and_interrupted_too(
    fleet: Fleet, shift: Shift
) -> None:
    one = shift.line(running(fleet, "one"))
    shift.hears(one, "deadline")
    shift.keeper.close_shop()
    until(lambda: fleet.rows("select interrupting from attempts") == [(True,)])

    two = shift.line(running(fleet, "two"))

    until(lambda: fleet.rows("select interrupting from attempts") == [(True,), (True,)])
    until(lambda: "interrupted" in two.heard("abort"))


def test_what_is_asked_for_while_it_renews_is_done_as_soon_as_it_has(
    fleet: Fleet, shift: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an abort, or a deploy, would wait for the next renewal: a quarter of a lease."""
    one, _ = two_running(shift)
    shift.hears(one, "deadline")
    ask = shift.keeper._wards.ask

    def asks(within_s: float) -> Any:
        shift.keeper.close_shop()
        return ask(within_s)

    monkeypatch.setattr(shift.keeper._wards, "ask", asks)
    shift.station.tell_keeper(b"renew now")

    until(lambda: fleet.rows("select interrupting from attempts") == [(True,), (True,)])
