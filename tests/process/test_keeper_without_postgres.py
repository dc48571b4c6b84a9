"""A keeper while Postgres is away: it looks again soon, and what it owes the rows is written then."""

from tests.process.conftest import Fleet
from tests.process.test_keeper_alone import Shift, shift, station, two_running
from tests.process.test_postgres_away import Away, away
from tests.waiting import until
from workers.station import Station

__all__ = ["away", "shift", "station"]


def test_a_worker_that_was_told_that_postgres_is_away_claims_again_as_soon_as_it_has_looked(
    shift: Shift, station: Station
) -> None:
    """Its pool child may have lost a connection, or a deadlock: the next renewal is a quarter of a lease away."""
    until(lambda: shift.capacity() == 7)
    station.tell_keeper(b"database away")

    until(lambda: not shift.keeper.may_claim())
    until(shift.keeper.may_claim)


def test_a_worker_that_closes_while_postgres_is_away_marks_what_runs_when_it_is_back(
    fleet: Fleet, shift: Shift, away: Away
) -> None:
    """Else whoever is lost with it from now on would be charged."""
    one, two = two_running(shift)
    shift.hears(one, "deadline")
    shift.hears(two, "deadline")

    with away():
        shift.keeper.close_shop()
        until(lambda: "interrupted" in one.heard("abort"))

    until(lambda: fleet.rows("select interrupting from attempts") == [(True,), (True,)])
