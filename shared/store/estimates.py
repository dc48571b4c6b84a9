"""What an estimate of the next free slot is made of."""

from dataclasses import dataclass

from psycopg.rows import class_row

from shared.store.connection import Postgres

# Who is further back changes the estimate, but no longer what a person does about it.
_DEEPEST = 500


@dataclass(frozen=True)
class Busy:
    """A limit's cap; when what runs under it is expected to end, and how long those that wait will run."""

    cap: int
    ends_in_s: list[float]
    ahead_s: list[float]


def busy(connection: Postgres, limit: str) -> Busy:
    """Of one limit, by Postgres's clock: a run ends after its schedule's average, at the latest with its lease.

    What runs longer than usual already is given a quarter of that again.
    """
    with connection.cursor(row_factory=class_row(Busy)) as cursor:
        row = cursor.execute(
            """
            with under as (
              select f.id, f.status, f.line_no, f.max_run_seconds, f.token, s.avg_duration_ms / 1000.0 as usual_s
                from firings f left join schedules s on s.id = f.schedule_id
               where f.status in ('queued', 'running')
                 and %(limit)s in ('fleet', 'workspace:' || f.workspace_id, 'lane:' || f.lane)),
            running as (
              select extract(epoch from a.run_expires_at - now())::float8 as at_most_s,
                     extract(epoch from now() - a.claimed_at)::float8 as so_far_s, u.usual_s::float8
                from under u join attempts a on a.token = u.token
               where u.status = 'running'),
            waiting as (
              select coalesce(usual_s, max_run_seconds)::float8 as lasts_s from under
               where status = 'queued' order by line_no limit %(deepest)s)
            select coalesce((select cap from limits where key = %(limit)s), 0) as cap,
                   array(select case when usual_s is null then at_most_s
                                     else least(at_most_s, greatest(usual_s - so_far_s, so_far_s / 4)) end
                           from running) as ends_in_s,
                   array(select lasts_s from waiting) as ahead_s
            """,
            {"limit": limit, "deepest": _DEEPEST},
        ).fetchone()
    assert row is not None
    return row
