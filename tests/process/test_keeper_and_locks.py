"""A keeper among transactions that hold its attempts' rows for longer than it can wait."""

from datetime import timedelta

import pytest

from shared.clock import boottime
from shared.store import attempts, connection
from tests.process.conftest import Fleet
from tests.process.test_keeper_alone import LEASE_S, MARGIN_S, Line, Shift, shift, station, two_running
from tests.waiting import until

__all__ = ["shift", "station"]


@pytest.fixture
def in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long for a row."""
    hasty = connection._SERVER_TIMEOUTS.replace("lock_timeout=5000", "lock_timeout=300")
    monkeypatch.setattr(connection, "_SERVER_TIMEOUTS", hasty)


@pytest.mark.usefixtures("in_a_hurry")
def test_a_row_that_stays_locked_costs_nobody_else_a_renewal(fleet: Fleet, database_url: str, shift: Shift) -> None:
    kept, locked = two_running(shift)

    def told_since(line: Line, moment: float) -> bool:
        return any(it >= moment + LEASE_S - MARGIN_S for it in line.heard("deadline"))

    def renewed(line: Line, moment: float) -> bool:
        shift.station.tell_keeper(b"renew now")
        return told_since(line, moment)

    with connection.connect(database_url) as other, other.transaction():
        other.execute("set local idle_in_transaction_session_timeout = 0")
        other.execute("select from attempts where firing_id = %s for update", [locked.firing])
        before = boottime()
        until(lambda: renewed(kept, before))
        fleet.rows("update processes set capacity = 1 returning 1")
        until(lambda: fleet.rows("select capacity from processes") == [(7,)])  # the round goes on to its end
        assert not told_since(locked, before)

    until(lambda: renewed(locked, before))
    assert not locked.heard("kill")


@pytest.mark.usefixtures("in_a_hurry")
def test_what_is_renewed_is_not_asked_for_again_beside_what_is_locked(
    fleet: Fleet, database_url: str, shift: Shift, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, locked = two_running(shift)
    asked: list[int] = []
    really = attempts.renew_locked

    def asks(own: connection.Postgres, token: int, lease: timedelta) -> attempts.Renewed | None:
        asked.append(token)
        return really(own, token, lease)

    monkeypatch.setattr(attempts, "renew_locked", asks)
    with connection.connect(database_url) as other, other.transaction():
        other.execute("set local idle_in_transaction_session_timeout = 0")
        [(token,)] = other.execute("select token from attempts where firing_id = %s for update", [locked.firing])
        until(lambda: shift.station.tell_keeper(b"renew now") or len(asked) > 2)

    assert set(asked) == {token}
