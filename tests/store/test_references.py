"""What firings refer to is there, and stays while they are: kept by triggers, as foreign keys would."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg import errors

from shared.store.connection import Postgres, connect
from tests.store.rows import Rows

FIRING = """
    insert into firings (id, schedule_id, workspace_id, source, nominal_at, title, target, max_run_seconds)
    select gen_random_uuid(), schedule, workspace, 'manual', now(), 't', '{}', 9
"""
REFUSED = {
    "a firing of no workspace": FIRING + "from (values (null::uuid, gen_random_uuid())) as it (schedule, workspace)",
    "a firing of no schedule": FIRING + "from (values (gen_random_uuid(), %(workspace)s)) as it (schedule, workspace)",
    "one among many of no workspace": FIRING
    + "from (values (%(schedule)s, %(workspace)s), (null, %(other)s), (null, gen_random_uuid())) as"
    " it (schedule, workspace)",
    "one among many of no schedule": FIRING
    + "from (values (%(schedule)s, %(workspace)s), (null, %(other)s), (gen_random_uuid(), %(other)s)) as"
    " it (schedule, workspace)",
    "a schedule goes": "delete from schedules where id = %(schedule)s",
    "a workspace goes": "delete from workspaces where id = %(other)s",
    "a schedule has another id": "update schedules set id = gen_random_uuid() where id = %(schedule)s",
    "a workspace has another id": "update workspaces set id = gen_random_uuid() where id = %(other)s",
}
ONE = FIRING + "from (values (%(schedule)s, %(workspace)s)) as it (schedule, workspace)"
WAITS = "select wait_event_type from pg_stat_activity where pid = %s"


@pytest.fixture
def other(database_url: str) -> Iterator[Postgres]:
    with connect(database_url) as other:
        yield other


def facts(rows: Rows) -> dict[str, Any]:
    """A schedule with a firing, and another workspace in which there is nothing but a firing."""
    schedule = rows.schedule()
    other = rows.one("insert into workspaces (id, name) values (gen_random_uuid(), 'other') returning id")
    known = {"workspace": rows.workspace, "schedule": schedule, "other": other}
    rows.sql.execute(ONE, known)
    rows.firing(workspace_id=other)
    return known


def while_it_waits(first: Rows, other: Postgres, deed: Callable[[], Any]) -> Any:
    """What becomes of a deed on the other connection that waits for the first one's transaction, once that commits."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(deed)
        while first.one(WAITS, other.info.backend_pid) != "Lock" and not done.done():
            pass
        assert not done.done()
        first.sql.execute("commit")
        return done.result()


@pytest.mark.parametrize("what", REFUSED)
def test_postgres_refuses_a_firing_of_what_is_not_there_and_that_it_goes(rows: Rows, what: str) -> None:
    known = facts(rows)

    with pytest.raises(errors.ForeignKeyViolation):
        rows.sql.execute(REFUSED[what], known)  # pyright: ignore[reportArgumentType]


def test_what_no_firing_refers_to_may_go_and_many_firings_may_refer_to_one(rows: Rows) -> None:
    known = facts(rows)
    idle = rows.schedule()

    many = FIRING + "from generate_series(1, 3) cross join (values (%(schedule)s, %(workspace)s), (null, %(other)s))"
    rows.sql.execute(many + " as it (schedule, workspace)", known)  # pyright: ignore[reportArgumentType]
    rows.sql.execute("delete from schedules where id = %s", [idle])
    rows.sql.execute("insert into workspaces (id, name) values (gen_random_uuid(), 'empty')")
    rows.sql.execute("delete from workspaces where name = 'empty'")

    assert rows.one("select count(*) from firings") == 8


def test_a_schedule_stays_for_a_firing_that_is_not_committed_yet(rows: Rows, other: Postgres) -> None:
    known = {"workspace": rows.workspace, "schedule": rows.schedule()}
    rows.sql.execute("begin")
    rows.sql.execute(ONE, known)

    with pytest.raises(errors.ForeignKeyViolation):
        while_it_waits(rows, other, lambda: other.execute("delete from schedules where id = %(schedule)s", known))

    assert rows.one("select count(*) from schedules") == 1


def test_no_firing_is_made_of_a_schedule_that_is_about_to_go(rows: Rows, other: Postgres) -> None:
    known = {"workspace": rows.workspace, "schedule": rows.schedule()}
    rows.sql.execute("begin")
    rows.sql.execute("delete from schedules where id = %(schedule)s", known)

    with pytest.raises(errors.ForeignKeyViolation):
        while_it_waits(rows, other, lambda: other.execute(ONE, known))

    assert rows.one("select count(*) from firings") == 0


def test_nothing_goes_under_a_snapshot_that_may_be_older_than_its_firings(rows: Rows, other: Postgres) -> None:
    known = {"workspace": rows.workspace, "schedule": rows.schedule()}
    other.execute("begin isolation level repeatable read")
    other.execute("select from firings")
    rows.sql.execute(ONE, known)

    with pytest.raises(errors.FeatureNotSupported):
        other.execute("delete from schedules where id = %(schedule)s", known)
