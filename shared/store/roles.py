"""The database roles of the four parts: what each may do by rights, and what it may do in fact."""

import re
from dataclasses import dataclass
from typing import NamedTuple

from psycopg.rows import class_row

from shared.store.connection import Postgres

PARTS = ("worker", "beat", "api", "reader")


class Right(NamedTuple):
    """One verb on one thing, of one column where not of all (column '')."""

    role: str
    thing: str
    verb: str
    column: str


@dataclass(frozen=True)
class Role:
    """A group role, and what it should not be: able to log in, mighty, or to make things in our schema."""

    name: str
    logs_in: bool
    mighty: bool
    makes_things: bool


@dataclass(frozen=True)
class User:
    """As whom our processes are connected, and whether from this host alone."""

    application: str
    name: str
    superuser: bool
    local: bool


def declared(connection: Postgres) -> set[Right]:
    """What each role should be able to do, column by column, as the migrations say."""
    rows = connection.execute("select role, rights, thing from role_grants").fetchall()
    return {it for role, rights, thing in rows for it in _spelt(role, rights, thing)}


def _spelt(role: str, rights: str, thing: str) -> list[Right]:
    thing = thing.rpartition(" ")[2] if thing.startswith("sequence ") else thing
    thing = thing.removeprefix("function ").replace(" ", "")
    found = re.findall(r"(\w+)(?: \(([^)]*)\))?", rights)
    return [
        Right(role, thing, verb, column.strip())
        for verb, columns in found
        for column in (columns.split(",") if columns else [""])
    ]


def actual(connection: Postgres) -> set[Right]:
    """What each role was granted on tables, columns, sequences and functions of our schema."""
    rows = connection.execute(
        """
        with ours as (
          select oid, rolname::text as role from pg_roles where rolname in (select role from role_grants)),
             held as (
          select relname::text as thing, '' as name, relacl as acl from pg_class
           where relnamespace = current_schema()::regnamespace
          union all
          select c.relname::text, a.attname::text, a.attacl from pg_attribute a join pg_class c on c.oid = a.attrelid
           where c.relnamespace = current_schema()::regnamespace and a.attacl is not null
          union all
          select replace(oid::regprocedure::text, ' ', ''), '', proacl from pg_proc
           where pronamespace = current_schema()::regnamespace)
        select ours.role, held.thing, lower(it.privilege_type), held.name
          from held cross join aclexplode(held.acl) as it join ours on ours.oid = it.grantee
        """
    ).fetchall()
    return {Right(*row) for row in rows}


def known(connection: Postgres) -> list[Role]:
    """Those of our roles that exist in this cluster."""
    with connection.cursor(row_factory=class_row(Role)) as cursor:
        return cursor.execute(
            """
            select rolname::text as name, rolcanlogin as logs_in,
                   rolsuper or rolcreaterole or rolcreatedb or rolbypassrls or rolreplication as mighty,
                   has_schema_privilege(oid, current_schema(), 'create') as makes_things
              from pg_roles where rolname in (select role from role_grants) order by rolname
            """
        ).fetchall()


def wanted(connection: Postgres) -> list[str]:
    """The names that the migrations give our roles."""
    return [row[0] for row in connection.execute("select distinct role from role_grants order by role").fetchall()]


def users(connection: Postgres) -> list[User]:
    """As whom our workers, beats and APIs are connected, as far as the caller may see."""
    with connection.cursor(row_factory=class_row(User)) as cursor:
        return cursor.execute(
            """
            select distinct a.application_name as application, r.rolname::text as name, r.rolsuper as superuser,
                   a.client_addr is null or a.client_addr << '127.0.0.0/8' or a.client_addr = '::1' as local
              from pg_stat_activity a join pg_roles r on r.oid = a.usesysid
             where a.datname = current_database() and a.application_name like 'slotbeat %%'
               and a.application_name not in ('slotbeat migrate', 'slotbeat doctor')
             order by application
            """,
            [],
        ).fetchall()


def grant(connection: Postgres) -> list[str]:
    """Makes the roles where the caller may, gives each its rights and nothing else; those that are missing."""
    row = connection.execute("select grant_roles()").fetchone()
    assert row is not None
    return row[0]
