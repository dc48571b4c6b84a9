"""Workers that hand on from one workspace to the next never wait for each other in a circle."""

from shared.store import firings
from tests.process.conftest import Fleet
from tests.store.rows import by_hand

MANY, AT_ONCE = 120, 4


def test_handing_on_between_workspaces_under_a_budget_is_no_deadlock(fleet: Fleet) -> None:
    """Postgres sees a circle after a second only, and ends one of those in it, who tries again."""
    fleet.admission.set_cap("fleet", AT_ONCE, "test")
    connection = fleet.database.connection()
    connection.execute("insert into budgets (key, turns) values ('fleet', 1000000)")
    places = [fleet.workspace(name) for name in ("one", "two")]
    made = [by_hand(places[number % len(places)], max_turns=1) for number in range(MANY)]
    with connection.transaction():
        for it in made:
            firings.add_by_hand(connection, it, firings.next_line_no(connection))
    fleet.worker("w1", concurrency=AT_ONCE)
    fleet.admission.offer_again([it.id for it in made])

    fleet.ended(MANY, 60)

    asked = "select deadlocks from pg_stat_database where datname = current_database()"
    connection.execute("select pg_stat_force_next_flush()")
    assert fleet.rows(asked) == [(0,)]
