"""What an estimate of the next free slot is made of."""

from dataclasses import dataclass

from shared.rules.eta import Guess
from shared.store.connection import Postgres

# Who is further back changes the estimate, but no longer what a person does about it.
_DEEPEST = 500


@dataclass(frozen=True)
class Busy:
    """A limit's cap; when what runs under it is expected to end, and how long those that wait will run."""

    cap: int
    ends: list[Guess]
    ahead: list[Guess]


def busy(connection: Postgres, limit: str) -> Busy:
    """Of one limit, by Postgres's clock: a run ends after its schedule's average, at the latest with its lease.

    What runs longer than usual already is given a quarter of that again.
    """
    row = connection.execute(
        """
        with under as (
          select f.id, f.status, f.line_no, f.max_run_seconds, f.token, s.avg_duration_ms / 1000.0 as usual_s
            from firings f left join schedules s on s.id = f.schedule_id
           where f.status in ('queued', 'running')
             and %(limit)s in ('fleet', 'workspace:' || f.workspace_id, 'lane:' || f.lane)),
        running as (
          select extract(epoch from a.run_expires_at - now()) as at_most_s,
                 extract(epoch from now() - a.claimed_at) as so_far_s, u.usual_s
            from under u join attempts a on a.token = u.token
           where u.status = 'running'),
        waiting as (
          select coalesce(usual_s, max_run_seconds) as lasts_s, usual_s is not null as measured, line_no from under
           where status = 'queued' order by line_no limit %(deepest)s)
        select coalesce((select cap from limits where key = %(limit)s), 0),
               coalesce((select jsonb_agg(jsonb_build_array(
                                  case when usual_s is null then at_most_s
                                       else least(at_most_s, greatest(usual_s - so_far_s, so_far_s / 4)) end,
                                  usual_s is not null)) from running), '[]'),
               coalesce((select jsonb_agg(jsonb_build_array(lasts_s, measured) order by line_no) from waiting), '[]')
        """,
        {"limit": limit, "deepest": _DEEPEST},
    ).fetchone()
    assert row is not None
    cap, ends, ahead = row
    return Busy(cap, [Guess(*it) for it in ends], [Guess(*it) for it in ahead])
