"""What the doctor says of Postgres's rows, roles, users and size."""

import shlex
from collections.abc import Iterator
from contextlib import closing
from typing import Any, LiteralString, cast

import psycopg
import pytest

from console.doctor import rows as checks
from console.doctor.patient import Patient
from console.local import postgres
from console.local.servers import Servers
from shared.settings import addresses
from shared.store import invariants, roles
from shared.store.connection import connect
from shared.store.migrate import migrate
from shared.store.server import ReplicationSlot
from tests.doctor.conftest import Ward

_AGAIN = (
    "insert into firings (id, workspace_id, schedule_id, title, source, nominal_at, target, max_run_seconds,"
    " max_attempts, status, number) select gen_random_uuid(), workspace_id, id, name, 'backfill', '2026-01-01', target,"
    " 1, 1, 'queued', 1 from schedules"
)
_SKIP = (
    "insert into skips (id, schedule_id, first_at, last_at, count, reason)"
    " select gen_random_uuid(), id, '2026-01-01', '2026-01-01', 1, 'manual' from schedules"
)
_METRICS = (
    "insert into schedule_firing_metrics (firing_id, workspace_id, fired_at, completed_at)"
    " select id, workspace_id, now(), now() - interval '1 hour' from firings"
)
_KEPT_BY: tuple[LiteralString, ...] = (
    "drop index firings_once_per_nominal",
    "alter table skips drop constraint skips_never_overlap",
    "alter table firings drop constraint firings_check4",
)
# Each breaks one promise behind the back of the triggers that keep it.
BROKEN = {
    "2: a running firing lacks a slot": "update slots set token = null",
    "2: a slot is held by what does not run": "update slots set token = 99 where token is null",
    "2: a limit has other slots than its cap": "delete from slots where token is null",
    "2: a firing has not the one live attempt that it should": "update attempts set ended_at = now(),"
    " outcome = 'failed'",
    "5: a firing's tokens do not rise": "update attempts set token = 99",
    "6: a firing's attempts are not those charged": "update firings set attempt_count = 0",
    "6: a firing's interruptions are not counted": "update firings set interrupted_count = 1",
    "2: a forced slot is held by a firing that is not forced": "update slots set forced = true where token is not null",
    "2: a limit owes more than is held": "update limits set surplus = 9",
    "3: a nominal time fired twice": f"{_AGAIN}; {_AGAIN}",
    "3: a nominal time fired and was skipped": f"{_AGAIN}; {_SKIP}",
    "3: a nominal time was skipped twice": f"{_SKIP}; {_SKIP}",
    "3: an occurrence was neither fired nor skipped": "update schedules set cron = '* * * * *',"
    " timing_since = now() - interval '1 hour', next_run_at = now() + interval '1 minute'",
    "4: a firing has not the one success that it should": "update firings set status = 'completed',"
    " finished_at = now()",
    "4: a firing ended without a time or a reason": "update firings set status = 'failed', finished_at = now()",
    "10: a forced firing is not audited": "insert into activity_logs (type, actor, at) values"
    " ('x', 'x', now() - interval '1 day'); update firings set forced = true",
    "10: an ended firing has no metrics": f"{_METRICS}; update schedule_firing_metrics set firing_id ="
    " gen_random_uuid(); update firings set status = 'cancelled', finished_at = now()",
    "10: a firing that has not ended has metrics": _METRICS,
}
OF_WHAT_EXECUTES = ("2", "5")


@pytest.fixture
def weaken(ward: Ward) -> Iterator[Any]:
    """Runs statements about roles, which are the cluster's, and others that take them back."""
    undo: list[str] = []

    def run(statement: str, back: str) -> None:
        undo.append(back)
        ward.rows.sql.execute(statement)  # pyright: ignore[reportCallIssue, reportArgumentType]

    yield run
    for statement in undo:
        ward.rows.sql.execute(statement)  # pyright: ignore[reportCallIssue, reportArgumentType]


def test_sound_rows(ward: Ward) -> None:
    ward.rows.running()

    for check in (checks.promises, checks.group_roles, checks.users, checks.size):
        level, words, remedy = ward.one(check)
        assert (level, remedy) == ("ok", ()), words


@pytest.mark.parametrize(("promise", "statement"), BROKEN.items())
def test_a_broken_promise_is_named_with_its_rows(ward: Ward, promise: str, statement: str) -> None:
    ward.rows.running()
    ward.rows.schedule()
    ward.rows.sql.execute("set session_replication_role = 'replica'")
    for kept_by in _KEPT_BY:
        ward.rows.sql.execute(kept_by)
    ward.rows.sql.execute(statement)  # pyright: ignore[reportCallIssue, reportArgumentType]

    found = [it for it in ward.told(checks.promises) if it.words.startswith(promise)]

    assert [it.level for it in found] == ["fail"]
    stops = [it for it in found[0].remedy if it.startswith("slotbeat limit set fleet 0")]
    assert len(stops) == (promise[0] in OF_WHAT_EXECUTES)
    assert found[0].remedy[-1].startswith("slotbeat doctor --json")


def test_each_promise_is_broken_by_a_test() -> None:
    assert {it.partition(": ")[2] for it in BROKEN} == {*invariants.QUERIES, invariants.UNACCOUNTED}


def test_rights_that_are_not_as_declared(ward: Ward) -> None:
    ward.rows.sql.execute("grant delete on activity_logs to slotbeat_api")

    level, words, remedy = ward.one(checks.group_roles)

    assert level == "fail"
    assert "slotbeat_api: delete on activity_logs" in words
    assert remedy == ("psql \"$DATABASE_URL\" -c 'select grant_roles()'  # as a user who may create roles",)


def test_a_role_that_is_not_there(ward: Ward) -> None:
    """A role of another name stands in for one that could not be made: roles are the whole cluster's."""
    ward.rows.sql.execute("alter table role_grants drop constraint role_grants_role_check")
    ward.rows.sql.execute("insert into role_grants values ('slotbeat_nobody', 'select', 'epoch')")

    level, words, remedy = ward.one(checks.group_roles)

    assert (level, words.split()[0]) == ("warn", "slotbeat_nobody")
    assert "select grant_roles()" in remedy[0]


def test_a_role_that_may_log_in(ward: Ward, weaken: Any) -> None:
    weaken("alter role slotbeat_reader login", "alter role slotbeat_reader nologin")

    level, words, remedy = ward.one(checks.group_roles)

    assert (level, words.split()[0]) == ("fail", "slotbeat_reader")
    assert "alter role slotbeat_reader nologin nosuperuser" in remedy[0]


def test_a_schema_in_which_everybody_may_make_things(ward: Ward) -> None:
    ward.rows.sql.execute("grant create on schema public to public")

    found = ward.told(checks.group_roles)

    assert {it.level for it in found} == {"fail"}
    assert {it.remedy for it in found} == {("psql \"$DATABASE_URL\" -c 'revoke create on schema public from public'",)}


def test_a_process_far_away_that_is_connected_as_a_superuser() -> None:
    here = roles.User("slotbeat beat", "postgres", superuser=True, local=True)
    modest = roles.User("slotbeat api", "api_1", superuser=False, local=False)
    far = roles.User("slotbeat celery@far", "postgres", superuser=True, local=False)

    [found] = checks.judge_users([here, modest, far])

    assert (found.level, found.words) == ("warn", "celery@far is connected as postgres, a superuser")
    assert "create role slotbeat_worker_1 login" in found.remedy[0]
    assert [it.level for it in checks.judge_users([here, modest])] == ["ok"]


def test_who_is_connected_is_seen(ward: Ward, database_url: str) -> None:
    with connect(database_url, application="slotbeat w1@here"):
        seen = roles.users(ward.rows.sql)

    assert roles.User("slotbeat w1@here", "slotbeat", superuser=True, local=True) in seen


def test_a_table_with_more_dead_rows_than_living_ones(ward: Ward, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_DEAD_ROWS", 10)
    ward.rows.all("insert into settings (key, value) select n::text, '' from generate_series(1, 100) n returning key")
    ward.rows.sql.execute("delete from settings")
    ward.rows.sql.execute("select pg_stat_force_next_flush()")

    level, words, remedy = ward.one(checks.size)

    assert (level, words) == ("warn", "settings has 100 dead rows to 0")
    assert remedy == ('vacuumdb --analyze -t settings "$DATABASE_URL"',)


def test_dead_rows_name_the_transaction_that_keeps_them(
    ward: Ward, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it ends no vacuum helps, and whoever has typed one sees the same finding again."""
    monkeypatch.setattr(checks, "_DEAD_ROWS", 10)
    monkeypatch.setattr(checks, "_OLD_BESIDE_S", 0.0)
    with (
        psycopg.connect(database_url, application_name="forgotten") as other,
        psycopg.connect(database_url, application_name="idle") as idle,
    ):
        idle.execute("select 1")  # it has no snapshot between two statements
        other.execute("set transaction isolation level repeatable read")
        other.execute("select 1")
        before = ward.one(checks.size)
        ward.rows.all("insert into settings (key, value) select n::text, '' from generate_series(1, 100) n returning 1")
        ward.rows.sql.execute("delete from settings")
        ward.rows.sql.execute("select pg_stat_force_next_flush()")

        kept, dead = ward.told(checks.size)

    assert before[0] == "ok"
    assert dead.words == "settings has 100 dead rows to 0"
    assert kept.words.startswith("forgotten has a transaction open")
    assert kept.words.endswith("which keeps dead rows")


def test_a_transaction_that_is_open_for_long(ward: Ward, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_OLD_S", 0.0)
    with psycopg.connect(database_url, application_name="forgotten") as other:
        other.execute("select 1")
        pid = other.info.backend_pid

        level, words, remedy = ward.one(checks.size)

    assert level == "warn"
    assert words.startswith("forgotten has a transaction open")
    assert words.endswith("which keeps its locks")
    assert remedy == (f"psql \"$DATABASE_URL\" -c 'select pg_terminate_backend({pid})'",)


def test_what_is_prepared_and_what_a_slot_keeps_is_named_too(
    own_servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither has a backend that could be ended, nor any timeout."""
    monkeypatch.setitem(postgres.DURABLE, "max_prepared_transactions", "1")
    own_servers.postgres.restart()
    migrate(own_servers.database_url)
    monkeypatch.setattr(checks, "_MUCH_WAL", 0)
    where = addresses({"DATABASE_URL": own_servers.database_url, "REDIS_URL": own_servers.redis_url})
    with closing(Patient(where, {})) as patient:
        assert [it.level for it in checks.size(patient)] == ["ok"]
        patient.connection.execute("select pg_create_physical_replication_slot('left_behind', true)")
        patient.connection.execute("begin")
        patient.connection.execute("insert into settings (key, value) values ('a', 'b')")
        patient.connection.execute("prepare transaction 'it''s'")
        monkeypatch.setattr(checks, "_OLD_S", 0.0)

        prepared, slot = checks.size(patient)
        for it in (prepared, slot):
            _, _, _, sql = shlex.split(it.remedy[0], comments=True)
            patient.connection.execute(cast(LiteralString, sql))

        assert prepared.words.startswith("it's was prepared 0 s ago")
        assert slot.words.startswith("nobody reads from replication slot left_behind, which keeps ")
        assert slot.words.endswith(" MB of WAL")
        assert [it.level for it in checks.size(patient)] == ["ok"]


def test_a_slot_is_blamed_for_dead_rows_only_where_there_are_many_and_it_is_far_behind() -> None:
    far, near = (ReplicationSlot(f"behind_{it}", active=False, behind=it, wal_bytes=0) for it in (20_000, 100))
    read = ReplicationSlot("read", active=True, behind=20_000, wal_bytes=5_000_000_000)
    full = ReplicationSlot("full", active=False, behind=0, wal_bytes=5_000_000_000)

    assert [it.words for it in checks.judge_slots([far, near, read, full], beside=False)] == [
        "nobody reads from replication slot full, which keeps 5000 MB of WAL"
    ]
    assert [it.words for it in checks.judge_slots([far, near, read], beside=True)] == [
        "nobody reads from replication slot behind_20000, which keeps dead rows",
        "the standby of replication slot read has a transaction open, which keeps dead rows",
    ]
