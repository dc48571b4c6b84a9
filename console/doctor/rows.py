"""Postgres's rows: the invariants hold, the roles are as declared, nothing grows without need."""

import shlex
from collections.abc import Iterable, Iterator
from uuid import UUID

from psycopg.errors import QueryCanceled

from console.doctor.finding import Finding, fail, ok, warn
from console.doctor.patient import Patient
from shared.store import invariants, roles, server

_GRANT = "psql \"$DATABASE_URL\" -c 'select grant_roles()'  # as a user who may create roles"
_DEAD_ROWS = 50_000
_OLD_S, _OLD_BESIDE_S = 600.0, 20.0
_MEGABYTE = 1_000_000
_MUCH_WAL = 1000 * _MEGABYTE
# In transactions. A standby that tells of its queries is always some behind.
_FAR_BEHIND = 10_000
_OLDEST = "select pid, xact_start, query from pg_stat_activity where xact_start is not null order by 2"
# The invariants of slots, of attempts at once, and of tokens; the others are of what is told afterwards.
_OF_WHAT_EXECUTES = (2, 5)


def promises(patient: Patient) -> Iterator[Finding]:
    """No row breaks an invariant."""
    try:
        broken = invariants.broken(patient.connection, 3)
    except QueryCanceled:
        yield warn("invariants", "the rows are too many to check in 15 s", "slotbeat doctor  # on a copy, at leisure")
        return
    for name in dict.fromkeys(it.name for it in broken):
        found = [it for it in broken if it.name == name]
        shown = "; ".join(", ".join(str(value) for value in it.row) for it in found)
        yield fail("invariants", f"{found[0].invariant}: {name}: {shown}", *_remedies(found[0]))
    if not broken:
        yield ok("invariants", f"{len(invariants.QUERIES) + 1} hold")


def _remedies(broken: invariants.Broken) -> Iterator[str]:
    """Admission stops only where more might execute than should: a history with a gap stops nobody's work."""
    if broken.invariant in _OF_WHAT_EXECUTES:
        yield "slotbeat limit set fleet 0  # starts nothing more"
    if isinstance(broken.row[0], UUID):
        yield f"slotbeat why {broken.row[0]}  # what became of it"
    yield "slotbeat doctor --json > findings.json  # and report it: this is a bug, unless somebody wrote rows by hand"


def group_roles(patient: Patient) -> Iterator[Finding]:
    """The roles of the parts are there, weak as they should be, with the rights that are declared."""
    connection = patient.connection
    known = roles.known(connection)
    found: list[Finding] = []
    if missing := sorted(set(roles.wanted(connection)) - {it.name for it in known}):
        found.append(
            warn("roles", f"{', '.join(missing)} are missing: the migrating user may not create roles", _GRANT)
        )
    for it in known:
        if it.logs_in or it.mighty:
            weak = "nologin nosuperuser nocreatedb nocreaterole nobypassrls noreplication"
            command = f"psql \"$DATABASE_URL\" -c 'alter role {it.name} {weak}'"
            found.append(fail("roles", f"{it.name} may log in, or is mighty: it should be neither", command))
        if it.makes_things:
            command = "psql \"$DATABASE_URL\" -c 'revoke create on schema public from public'"
            found.append(
                fail("roles", f"{it.name} may create things in our schema, whose functions are the owner's", command)
            )
    there = {it.name for it in known}
    wrong = {it for it in roles.actual(connection) ^ roles.declared(connection) if it.role in there}
    if wrong:
        example = min(wrong)
        words = f"{len(wrong)} rights are not as declared, such as {example.role}: {example.verb} on {example.thing}"
        found.append(fail("roles", words, _GRANT))
    yield from found or [ok("roles", f"{len(known)} with the rights that are declared")]


def users(patient: Patient) -> Iterator[Finding]:
    """Each process is connected as somebody who may do its part only."""
    yield from judge_users(roles.users(patient.connection))


def judge_users(seen: list[roles.User]) -> Iterator[Finding]:
    """The findings for those who are connected."""
    far = [it for it in seen if it.superuser and not it.local]
    for it in far:
        part = it.application.removeprefix("slotbeat ")
        role = f"slotbeat_{part if part in roles.PARTS else 'worker'}"
        command = f"create role {role}_1 login password '...' in role {role}"
        yield warn("users", f"{part} is connected as {it.name}, a superuser", f'psql "$DATABASE_URL" -c "{command}"')
    if not far:
        mighty = any(it.superuser for it in seen)
        yield ok("users", "superusers, from this machine only" if mighty else "nobody is a superuser")


def size(patient: Patient) -> Iterator[Finding]:
    """Dead rows are cleared away."""
    connection = patient.connection
    bloated = [
        warn(
            "size",
            f"{it.name} has {it.dead} dead rows to {it.living}",
            f'vacuumdb --analyze -t {it.name} "$DATABASE_URL"',
        )
        for it in server.bloated(connection, _DEAD_ROWS)
    ]
    kept = [*_open(patient, beside=bool(bloated)), *_prepared(patient, beside=bool(bloated))]
    kept += judge_slots(server.replication_slots(connection), beside=bool(bloated))
    # What keeps them must end first.
    yield from [*kept, *bloated] or [ok("size", f"{server.look(connection).size_bytes / _MEGABYTE:.0f} MB")]


def _open(patient: Patient, *, beside: bool) -> Iterator[Finding]:
    """Transactions of somebody who is connected; `beside` dead rows also younger ones, if they keep them."""
    for it in server.old_transactions(patient.connection, _OLD_BESIDE_S if beside else _OLD_S):
        if it.age_s < _OLD_S and not it.keeps_rows:
            continue
        command = f"psql \"$DATABASE_URL\" -c 'select pg_terminate_backend({it.pid})'"
        keeps = "dead rows" if it.keeps_rows else "its locks"
        words = f"{it.application or 'somebody'} has a transaction open for {it.age_s:.0f} s, which keeps {keeps}"
        yield warn("size", words, command)


def _prepared(patient: Patient, *, beside: bool) -> Iterator[Finding]:
    for it in server.prepared(patient.connection, _OLD_BESIDE_S if beside else _OLD_S):
        words = f"{it.gid} was prepared {it.age_s:.0f} s ago and never ended, which keeps dead rows and its locks"
        sql = "rollback prepared '{}'".format(it.gid.replace("'", "''"))
        yield warn(
            "size", words, f'psql "$DATABASE_URL" -c {shlex.quote(sql)}  # or commit prepared, if it should stand'
        )


def judge_slots(found: Iterable[server.ReplicationSlot], *, beside: bool) -> Iterator[Finding]:
    """What replication slots keep that nobody reads; of dead rows only where there are many."""
    for it in found:
        keeps_rows = beside and it.behind >= _FAR_BEHIND
        keeps = [f"{it.wal_bytes / _MEGABYTE:.0f} MB of WAL"] * (not it.active and it.wal_bytes >= _MUCH_WAL)
        keeps += ["dead rows"] * keeps_rows
        if keeps and it.active:
            words = f"the standby of replication slot {it.name} has a transaction open, which keeps dead rows"
            yield warn("size", words, f'psql -c "{_OLDEST}"  # on that standby: end the first')
        elif keeps:
            words = f"nobody reads from replication slot {it.name}, which keeps {' and '.join(keeps)}"
            drop = f'psql "$DATABASE_URL" -c "select pg_drop_replication_slot(\'{it.name}\')"'
            yield warn("size", words, f"{drop}  # or start its standby")
