"""Each part's database role: it may do its part, and nothing else."""

import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from console.local.servers import Servers, embedded_servers
from shared.store import roles
from shared.store.connection import Postgres, connect
from shared.store.migrate import migrate
from tests.databases import run_admin, with_database
from tests.store.probes import PROBES, TO_NOBODY
from tests.store.rows import Rows

SECURITY = Path(__file__).resolve().parents[2] / "docs" / "security.md"
TABLE = re.compile(r"(?<=tests\.store\.test_roles` -->\n).*?(?=<!-- end of rights -->)", re.DOTALL)
SECRET = "only for this test"


def login(owner_url: str, part: str) -> str:
    """The address of the same database for a user who is a member of a part's group and of nothing else."""
    name = f"{part}_login"
    with psycopg.connect(owner_url, autocommit=True) as connection:
        if connection.execute("select to_regrole(%s) is null", [name]).fetchone() == (True,):
            made = sql.SQL("create role {} login password {} in role {}").format(
                sql.Identifier(name), sql.Literal(SECRET), sql.Identifier(f"slotbeat_{part}")
            )
            connection.execute(made)
    return make_conninfo(owner_url, user=name, password=SECRET)


@dataclass
class Scene:
    """A world with something of everything, and its facts."""

    database_url: str
    facts: dict[str, Any]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Servers]:
    """A cluster without our roles; nothing in it has to last."""
    with embedded_servers(tmp_path / "servers", durable=False) as servers:
        yield servers


@pytest.fixture
def scene(rows: Rows, database_url: str) -> Scene:
    paused = rows.schedule()
    rows.all("update schedules set status = 'paused' where id = %s returning id", paused)
    running = rows.running().firing_id
    rows.all("insert into activity_logs (type, actor) values ('x', 'y') returning id")
    rows.all("insert into settings (key, value) values ('x', 'y') returning key")
    rows.all(
        "insert into api_tokens (id, name, prefix, hash, scopes) values (gen_random_uuid(), 'a', 'b', 'c', '{read}')"
        " returning id"
    )
    facts = {"workspace": rows.workspace, "schedule": rows.schedule(), "paused": paused}
    return Scene(database_url, {**facts, "running": running, "queued": rows.firing(), "other": rows.firing()})


@pytest.mark.parametrize("part", roles.PARTS)
def test_postgres_refuses_what_is_not_its_part(scene: Scene, part: str) -> None:
    with connect(login(scene.database_url, part)) as connection:
        told = {what: answer(connection, it, scene.facts) for what, it in (TO_NOBODY | PROBES[part]).items()}

    assert {what: it for what, it in told.items() if it != "InsufficientPrivilege"} == {}


def answer(connection: Postgres, statement: str, facts: dict[str, Any]) -> str:
    """What Postgres says to a statement, which leaves nothing behind."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement, facts)  # pyright: ignore[reportArgumentType]
    except psycopg.Error as error:
        return type(error).__name__
    return "done"


def test_a_claim_in_the_same_transaction_lends_no_right_to_what_follows(scene: Scene) -> None:
    """The claim runs as the owner, and so do the triggers that it sets off."""
    cancel = "update firings set status = 'cancelled', finished_at = now() where id = %(other)s"
    claim = "select answer from claim_firing(%(queued)s, gen_random_uuid(), 0, '{}', null, '1 min')"
    with connect(login(scene.database_url, "worker")) as connection, connection.transaction():
        assert connection.execute(claim, scene.facts).fetchone() == ("claimed",)

        assert answer(connection, cancel, scene.facts) == "InsufficientPrivilege"


def test_a_function_of_ours_means_our_tables_whatever_the_caller_has_made(scene: Scene) -> None:
    """A temporary table goes before the schema, unless a function says otherwise."""
    with connect(login(scene.database_url, "worker")) as connection:
        connection.execute("create temporary table limits (key text, cap int, surplus int)")
        connection.execute("create temporary table slots (limit_key text, number bigint, token bigint, forced boolean)")
        claim = "select answer from claim_firing(%s, gen_random_uuid(), 0, '{}', null, '1 min')"
        assert connection.execute(claim, [scene.facts["queued"]]).fetchone() == ("claimed",)

    with connect(scene.database_url) as connection:
        assert connection.execute("select count(*) from slots where token is not null").fetchone() == (2,)


def test_each_role_has_the_rights_that_are_declared_and_no_others(database_url: str) -> None:
    with connect(database_url) as connection:
        assert roles.actual(connection) == roles.declared(connection)
        assert [it.name for it in roles.known(connection)] == [f"slotbeat_{it}" for it in sorted(roles.PARTS)]
        assert not any(it.logs_in or it.mighty or it.makes_things for it in roles.known(connection))


def test_every_table_is_somebodys(database_url: str) -> None:
    """A new table needs rows in role_grants, and `select grant_roles()` at the end of its migration."""
    with connect(database_url) as connection:
        tables = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'v')"
        known = {name for (name,) in connection.execute(tables).fetchall()}

        assert known - {it.thing for it in roles.declared(connection) if it.role == "slotbeat_api"} == set()


def test_every_rule_holds_whoever_writes(database_url: str) -> None:
    """Triggers run as the owner, but for those that ask who writes; every function of ours has a fixed search path."""
    with connect(database_url) as connection:
        found = connection.execute(
            "select proname, prosecdef, coalesce(proconfig::text, '') from pg_proc"
            " where pronamespace = 'public'::regnamespace and prorettype = 'trigger'::regtype"
        ).fetchall()

    assert {name for name, definer, _ in found if not definer} == {"firing_moves_by_right", "schedule_moves_by_right"}
    assert [name for name, _, settings in found if '"search_path=public, pg_temp"' not in settings] == []


def test_rights_that_were_widened_or_lost_are_put_right(database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute("grant update on slots to slotbeat_worker")
        connection.execute("revoke select on firings from slotbeat_worker")
        assert roles.actual(connection) != roles.declared(connection)

        assert roles.grant(connection) == []

        assert roles.actual(connection) == roles.declared(connection)


def test_migrations_of_many_databases_of_one_cluster_at_once_make_the_roles_once(cluster: Servers) -> None:
    names = [f"many_{number}" for number in range(4)]
    for name in names:
        run_admin(cluster, "create database {}", name)
    urls = [with_database(cluster.database_url, name) for name in names]
    failed: list[BaseException] = []

    def run(url: str) -> None:
        try:
            migrate(url)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=[url]) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failed == []
    for url in urls:
        with connect(url) as connection:
            assert roles.actual(connection) == roles.declared(connection)
            assert len(roles.known(connection)) == len(roles.PARTS)


def test_an_owner_who_may_not_make_roles_migrates_without_them_and_somebody_else_adds_them(
    cluster: Servers,
) -> None:
    run_admin(cluster, "create role modest login password 'only for this test'")
    run_admin(cluster, "create database {} owner modest", "modest")
    as_admin = with_database(cluster.database_url, "modest")
    as_owner = make_conninfo(as_admin, user="modest", password=SECRET)

    migrate(as_owner)

    with connect(as_owner) as connection:
        assert roles.known(connection) == []
        assert len(roles.grant(connection)) == len(roles.PARTS)
    with connect(as_admin) as connection:
        assert roles.grant(connection) == []
        assert roles.actual(connection) == roles.declared(connection)


def test_an_owner_who_may_make_roles_needs_to_be_no_superuser(cluster: Servers) -> None:
    run_admin(cluster, "create role maker login createrole password 'only for this test'")
    run_admin(cluster, "create database {} owner maker", "made")
    as_owner = make_conninfo(with_database(cluster.database_url, "made"), user="maker", password=SECRET)

    migrate(as_owner)

    with connect(as_owner) as connection:
        assert roles.actual(connection) == roles.declared(connection)
        assert len(roles.known(connection)) == len(roles.PARTS)


# What docs/security.md says ------------------------------------------------------------------------


def rights_table(declared: set[roles.Right]) -> str:
    """Things by name; a star: some columns only."""
    lines = ["| thing | worker | beat | API | reader |", "|---|---|---|---|---|"]
    for thing in sorted({it.thing for it in declared}, key=lambda it: ("(" in it, it)):
        cells = [cell({it for it in declared if it.thing == thing and it.role == f"slotbeat_{p}"}) for p in roles.PARTS]
        lines.append(f"| `{thing.partition('(')[0]}{'()' if '(' in thing else ''}` | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(rights: set[roles.Right]) -> str:
    order = ("select", "insert", "update", "delete", "usage", "execute")
    there = [verb for verb in order if any(it.verb == verb for it in rights)]
    return ", ".join(verb + ("*" if all(it.column for it in rights if it.verb == verb) else "") for verb in there)


def test_the_table_in_the_docs_is_that_of_the_database(database_url: str) -> None:
    found = TABLE.search(SECURITY.read_text("utf-8"))
    with connect(database_url) as connection:
        expected = rights_table(roles.declared(connection))

    assert found is not None, "docs/security.md lacks the place of its table of rights"
    assert found[0] == expected, "write it again with `.venv/bin/python -m tests.store.test_roles`"


def write() -> None:
    """Writes the table from a database of its own."""
    with tempfile.TemporaryDirectory() as folder, embedded_servers(Path(folder) / "servers", durable=False) as servers:
        migrate(servers.database_url)
        with connect(servers.database_url) as connection:
            told = rights_table(roles.declared(connection))
    SECURITY.write_text(TABLE.sub(lambda _: told, SECURITY.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    write()
    sys.exit(0)
