"""The product's promise as queries: each answers the rows that break it, so in a sound database none."""

from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from psycopg.rows import class_row

from shared.store.accounting import unaccounted
from shared.store.connection import Postgres


@dataclass(frozen=True)
class Broken:
    """A row that breaks a promise: which one, its number among the invariants, and the row as text."""

    name: str
    invariant: int
    row: tuple[Any, ...]


# What was deleted for its age is not missed.
_RUNNING_HAS_ITS_SLOTS = """
    select f.id, f.token, k as limit_key
      from firings f cross join limit_keys(f.workspace_id, f.lane) as k
     where f.status = 'running' and not exists (select from slots where limit_key = k and token = f.token)
"""
_SLOT_HAS_ITS_RUNNING = """
    select s.limit_key, s.number, s.token from slots s
     where s.token is not null
       and not exists (select from firings f
                        where f.token = s.token and f.status = 'running'
                          and s.limit_key in (select limit_keys(f.workspace_id, f.lane)))
"""
_SLOTS_FIT_THE_CAP = """
    select l.key, l.cap, l.surplus, count(s.number) as present
      from limits l left join slots s on s.limit_key = l.key and not s.forced
     group by l.key having count(s.number) <> l.cap + l.surplus
"""
_FORCED_SLOT_IS_OF_A_FORCED_FIRING = """
    select s.limit_key, s.number, s.token from slots s
     where s.forced and not exists (select from firings f where f.token = s.token and f.forced)
"""
_SURPLUS_IS_HELD = """
    select l.key, l.surplus from limits l
     where l.surplus > (select count(*) from slots s where s.limit_key = l.key and s.token is not null and not s.forced)
"""
_ONE_LIVE_ATTEMPT = """
    select f.id, f.status, count(a.id) as live
      from firings f left join attempts a on a.firing_id = f.id and a.ended_at is null
     where f.status = 'running' or a.id is not null
     group by f.id having count(a.id) <> 1 or f.status <> 'running' or min(a.token) is distinct from f.token
"""
_ONCE_PER_NOMINAL = """
    select schedule_id, nominal_at from firings where source in ('scheduled', 'heartbeat', 'backfill')
     group by schedule_id, nominal_at having count(*) > 1
"""
_FIRED_OR_SKIPPED = """
    select f.schedule_id, f.nominal_at, s.id as skip from firings f
      join skips s on s.schedule_id = f.schedule_id and f.nominal_at between s.first_at and s.last_at
     where f.source in ('scheduled', 'heartbeat', 'backfill')
"""
_SKIPPED_ONCE = """
    select a.schedule_id, a.id, b.id as other from skips a
      join skips b on b.schedule_id = a.schedule_id and b.id > a.id
                  and b.first_at <= a.last_at and a.first_at <= b.last_at
"""
_ONE_SUCCESS = """
    select f.id, f.status, count(a.id) filter (where a.outcome = 'completed') as successes
      from firings f left join attempts a on a.firing_id = f.id
     group by f.id
    having count(a.id) filter (where a.outcome = 'completed') <> case f.status when 'completed' then 1 else 0 end
"""
_ENDED_HAS_ITS_TIME = """
    select id, status, finished_at from firings
     where (status in ('completed', 'failed', 'cancelled')) <> (finished_at is not null)
        or (status = 'failed' and failure_reason is null)
"""
_TOKENS_RISE = """
    select firing_id, number, token from (
      select firing_id, number, token, lag(token) over (partition by firing_id order by number) as before
        from attempts) as it
     where token <= before
    union all
    select f.id, max(a.number), f.token from firings f join attempts a on a.firing_id = f.id
     group by f.id having f.token is distinct from max(a.token)
"""
_ATTEMPTS_ARE_CHARGED = """
    select f.id, f.attempt_count, f.max_attempts from firings f left join attempts a on a.firing_id = f.id
     group by f.id
    having f.attempt_count > f.max_attempts
        or f.attempt_count <> count(a.id) filter (where a.outcome is null
                                                     or a.outcome not in ('interrupted', 'not_started'))
"""
_INTERRUPTIONS_ARE_COUNTED = """
    select f.id, f.interrupted_count from firings f left join attempts a on a.firing_id = f.id
     group by f.id having f.interrupted_count <> count(a.id) filter (where a.outcome = 'interrupted')
"""
_FORCED_IS_AUDITED = """
    select f.id, f.title from firings f
     where f.forced and f.queued_at > (select min(at) from activity_logs)
       and not exists (select from activity_logs l where l.firing_id = f.id and l.type = 'manual_force_bypass')
"""
_ENDED_HAS_METRICS = """
    select f.id, f.status, f.finished_at from firings f
     where f.finished_at > (select min(completed_at) from schedule_firing_metrics)
       and not exists (select from schedule_firing_metrics m where m.firing_id = f.id)
"""
_METRICS_ARE_OF_ENDED = """
    select m.firing_id from schedule_firing_metrics m join firings f on f.id = m.firing_id
     where f.status not in ('completed', 'failed', 'cancelled')
"""

UNACCOUNTED = "an occurrence was neither fired nor skipped"
QUERIES: dict[str, tuple[int, LiteralString]] = {
    "a running firing lacks a slot": (2, _RUNNING_HAS_ITS_SLOTS),
    "a slot is held by what does not run": (2, _SLOT_HAS_ITS_RUNNING),
    "a limit has other slots than its cap": (2, _SLOTS_FIT_THE_CAP),
    "a forced slot is held by a firing that is not forced": (2, _FORCED_SLOT_IS_OF_A_FORCED_FIRING),
    "a limit owes more than is held": (2, _SURPLUS_IS_HELD),
    "a firing has not the one live attempt that it should": (2, _ONE_LIVE_ATTEMPT),
    "a nominal time fired twice": (3, _ONCE_PER_NOMINAL),
    "a nominal time fired and was skipped": (3, _FIRED_OR_SKIPPED),
    "a nominal time was skipped twice": (3, _SKIPPED_ONCE),
    "a firing has not the one success that it should": (4, _ONE_SUCCESS),
    "a firing ended without a time or a reason": (4, _ENDED_HAS_ITS_TIME),
    "a firing's tokens do not rise": (5, _TOKENS_RISE),
    "a firing's attempts are not those charged": (6, _ATTEMPTS_ARE_CHARGED),
    "a firing's interruptions are not counted": (6, _INTERRUPTIONS_ARE_COUNTED),
    "a forced firing is not audited": (10, _FORCED_IS_AUDITED),
    "an ended firing has no metrics": (10, _ENDED_HAS_METRICS),
    "a firing that has not ended has metrics": (10, _METRICS_ARE_OF_ENDED),
}


def broken(connection: Postgres, most: int = 20) -> list[Broken]:
    """Every row that breaks a promise, at most so many for each; a sound database answers none.

    All queries see one instant, so that it may be asked while everything runs.
    """
    with connection.transaction():
        connection.execute("set transaction isolation level repeatable read read only")
        found = [
            Broken(name, invariant, row)
            for name, (invariant, query) in QUERIES.items()
            for row in connection.execute(query).fetchmany(most)
        ]
        lost = unaccounted(connection, most)
    return found + [Broken(UNACCOUNTED, 3, (it.schedule_id, it.name, it.first_at, it.missing)) for it in lost]


@dataclass(frozen=True)
class Waiting:
    """A firing that waits although every limit has room for it (invariant 7)."""

    id: UUID
    title: str
    waited_s: float


def waiting_with_room(connection: Postgres, longer_than_s: float, most: int = 20) -> list[Waiting]:
    """Firings that could have started for so long, the longest waiting first.

    The time counts from the last thing that can have let one start: its own end, its schedule's, an edit of
    its schedule, its workspace or a limit. A slot may have become free this moment: look twice.
    """
    with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        return cursor.execute(
            """
            select f.id, f.title, extract(epoch from now() - since.at)::float8 as waited_s
              from startable f
              join workspaces w on w.id = f.workspace_id
              left join schedules s on s.id = f.schedule_id
              cross join lateral (
                select greatest(f.queued_at, f.not_before, w.updated_at, s.updated_at,
                                (select max(l.updated_at) from limits l),
                                (select max(greatest(c.healed_at, c.probed_at)) from failure_classes c),
                                (select max(a.ended_at) from attempts a where a.firing_id = f.id),
                                (select max(r.finished_at) from firings r where r.schedule_id = f.schedule_id)) as at
                ) as since
             where since.at < now() - make_interval(secs => %(longer_than_s)s)
               and not exists (select from limit_keys(f.workspace_id, f.lane) as k
                                where not exists (select from slots x where x.limit_key = k and x.token is null)
                                  and (not f.forced or (select cap from limits where key = k) = 0))
             order by since.at limit %(most)s
            """,
            {"longer_than_s": longer_than_s, "most": most},
        ).fetchall()
