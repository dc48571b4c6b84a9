"""Occurrences that should have ended as a firing or as a skip and did not: by the cron, not by the rows alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from psycopg.rows import class_row

from shared.rules.cron import Cron, count_between, occurrences, parse_cron
from shared.rules.jitter import jitter
from shared.rules.refused import RefusedValueError
from shared.store.connection import Postgres

# Firings and skips are kept for a day at least, whatever the settings say.
WINDOW = timedelta(days=1)
_BATCH = 5000
_LISTED = 10_000
_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Unaccounted:
    """A schedule of which an occurrence came and left no trace: the first such one, and how many."""

    schedule_id: UUID
    name: str
    first_at: datetime
    missing: int


@dataclass(frozen=True)
class _Account:
    """What a schedule owes since a moment, and how many firings and skips there are; one skip may have begun before."""

    id: UUID
    name: str
    cron: str
    timezone: str
    jitter_s: int
    next_run_at: datetime
    since: datetime
    fired: int
    skipped: int
    begun_before: datetime | None


def unaccounted(connection: Postgres, most: int) -> list[Unaccounted]:
    """Schedules with occurrences of the last day that were neither fired nor skipped; none in a sound database."""
    found: list[Unaccounted] = []
    for account in _accounts(connection):
        it = _look(connection, account)
        if it is not None:
            found.append(it)
        if len(found) == most:
            break
    return found


def _accounts(connection: Postgres) -> Iterator[_Account]:
    after = UUID(int=0)
    while True:
        with connection.cursor(row_factory=class_row(_Account)) as cursor:
            batch = cursor.execute(
                """
                select s.id, s.name, s.cron, s.timezone, s.jitter_s, s.next_run_at, owed.since,
                       (select count(*) from firings f
                         where f.schedule_id = s.id and f.nominal_at > owed.since
                           and f.source in ('scheduled', 'heartbeat', 'backfill')) as fired,
                       (select coalesce(sum(k.count), 0)::bigint from skips k
                         where k.schedule_id = s.id and k.first_at > owed.since) as skipped,
                       (select k.last_at from skips k
                         where k.schedule_id = s.id and k.first_at <= owed.since and k.last_at > owed.since)
                         as begun_before
                  from schedules s
                 cross join lateral (
                   select greatest(s.timing_since, s.start_at - interval '1 microsecond',
                                   now() - %(window)s::interval) as since) as owed
                 where s.id > %(after)s and s.status <> 'archived' and s.cron is not null
                   and s.next_run_at > owed.since
                 order by s.id limit %(batch)s
                """,
                {"after": after, "batch": _BATCH, "window": WINDOW},
            ).fetchall()
        yield from batch
        if len(batch) < _BATCH:
            return
        after = batch[-1].id


def _look(connection: Postgres, account: _Account) -> Unaccounted | None:
    try:
        cron, zone = parse_cron(account.cron), ZoneInfo(account.timezone)
    except (RefusedValueError, KeyError, ValueError):
        return None  # nobody can say what it owes: a tick sets it aside
    begin = account.since + _INSTANT
    end = account.next_run_at - jitter(account.id, account.jitter_s) - _INSTANT
    known = account.fired + account.skipped
    if account.begun_before is not None:
        known += count_between(cron, zone, begin, min(account.begun_before, end))
    if count_between(cron, zone, begin, end) <= known:
        return None
    return _closer(connection, account, cron, (begin, end))


def _closer(connection: Postgres, account: _Account, cron: Cron, span: tuple[datetime, datetime]) -> Unaccounted | None:
    owed = occurrences(cron, ZoneInfo(account.timezone), *span, _LISTED)
    rows = connection.execute(
        """
        select it from unnest(%(owed)s::timestamptz[]) as it
         where not exists (select from firings f where f.schedule_id = %(id)s and f.nominal_at = it
                              and f.source in ('scheduled', 'heartbeat', 'backfill'))
           and not exists (select from skips k where k.schedule_id = %(id)s and it between k.first_at and k.last_at)
         order by it
        """,
        {"owed": owed, "id": account.id},
    ).fetchall()
    return Unaccounted(account.id, account.name, rows[0][0], len(rows)) if rows else None
