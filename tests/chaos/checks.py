"""What the rows and the gate must say once nothing is in flight."""

from collections.abc import Iterator
from pathlib import Path

from shared.store import invariants
from tests.chaos.load import CLOCKWORK, Load
from tests.chaos.world import World

# Each must return no row. The names are the invariants' numbers and words in the specification of slots.
MUST_BE_EMPTY = {
    "2 a running firing without a slot under each limit": """
        select f.id, k from firings f, limit_keys(f.workspace_id, f.lane) as k where f.status = 'running'
           and not exists (select from slots s where s.limit_key = k and s.token = f.token)""",
    "2 a slot held by nobody that runs": """
        select s.limit_key, s.token from slots s where s.token is not null
           and not exists (select from firings f where f.token = s.token and f.status = 'running')""",
    "2 more or fewer slot rows than cap and surplus": """
        select l.key, l.cap, l.surplus from limits l
         where (select count(*) from slots s where s.limit_key = l.key and not s.forced) <> l.cap + l.surplus""",
    "2 two live attempts, or one of a firing that does not run": """
        select a.firing_id from attempts a join firings f on f.id = a.firing_id where a.ended_at is null
         group by a.firing_id, f.status having count(*) > 1 or f.status <> 'running'""",
    "3 a nominal time twice": """
        select schedule_id, nominal_at from firings where source in ('scheduled', 'heartbeat', 'backfill')
         group by 1, 2 having count(*) > 1""",
    "4 a terminal state that its last attempt does not have": """
        select f.id, f.status, a.outcome from firings f join attempts a on a.token = f.token
         where f.status in ('completed', 'failed') and a.outcome is distinct from f.status
            or f.status = 'cancelled' and a.outcome in ('completed', 'failed')""",
    "4 more than one successful attempt": """
        select firing_id from attempts where outcome = 'completed' group by 1 having count(*) > 1""",
    "4 ended, and not once in the metrics": """
        select f.id from firings f where f.finished_at is not null
           and (select count(*) from schedule_firing_metrics m where m.firing_id = f.id) <> 1""",
    "5 tokens that do not rise": """
        select a.firing_id from attempts a join attempts b on b.firing_id = a.firing_id
         where a.number < b.number and a.token >= b.token""",
    "6 attempts that are not counted rightly, or too many": """
        select f.id, f.attempt_count from firings f
         where f.attempt_count > f.max_attempts
            or f.attempt_count <> (select count(*) from attempts a where a.firing_id = f.id
                                      and a.outcome not in ('interrupted', 'not_started'))""",
    "8 an active schedule that stays due": """
        select id, next_run_at from schedules where status = 'active' and next_run_at < now() - interval '5 s'""",
    "10 forced, and nobody says by whom": """
        select f.id from firings f where f.forced
           and not exists (select from activity_logs l where l.firing_id = f.id and l.type = 'manual_force_bypass')""",
    "10 run, and not once in the log": """
        select f.id from firings f where f.finished_at is not null and f.token is not null
           and exists (select from attempts a where a.token = f.token
                          and a.outcome in ('completed', 'failed', 'cancelled'))
           and (select count(*) from activity_logs l where l.firing_id = f.id and l.type = 'cron_run') <> 1""",
    "10 a schedule that counts its runs wrongly": """
        select s.id, s.run_count from schedules s where s.run_count <> (
          select count(*) from firings f join attempts a on a.token = f.token
           where f.schedule_id = s.id and a.outcome in ('completed', 'failed', 'cancelled'))""",
    "10 a workspace that counts its tasks wrongly": """
        select w.id, w.active_tasks from workspaces w where w.active_tasks <> (
          select count(*) from firings f where f.workspace_id = w.id and f.status = 'running')""",
}
# A moment that came due while its schedule was being paused or mended belongs to the person who did that.
_TOUCHED = """
    select schedule_id, at from activity_logs where type in ('schedule_paused', 'auto_paused', 'schedule_resumed')"""
_ACCOUNTED = """
    select exists (select from firings where schedule_id = %(schedule)s and nominal_at = %(at)s)
        or exists (select from skips where schedule_id = %(schedule)s and %(at)s between first_at and last_at)"""


def broken_rows(world: World) -> Iterator[str]:
    for name, query in MUST_BE_EMPTY.items():
        for row in world.rows(query)[:3]:
            yield f"invariant {name}: {row}"
    yield from broken_now(world)


def broken_now(world: World) -> Iterator[str]:
    """What the product itself calls broken (as `slotbeat doctor` does); it may be asked while everything runs."""
    for it in invariants.broken(world.database.connection(), 3):
        yield f"invariant {it.invariant}: {it.name}: {it.row}"


def lost(world: World, load: Load) -> Iterator[str]:
    """Moments that came due and became neither a firing nor a skip."""
    touched = world.rows(_TOUCHED)
    for schedule, moment in load.nudged:
        if any(it == schedule and -5 <= (at - moment).total_seconds() <= 30 for it, at in touched):
            continue
        asked = {"schedule": schedule, "at": moment}
        if world.database.connection().execute(_ACCOUNTED, asked).fetchone() == (False,):
            yield f"schedule {schedule} was due at {moment} and neither fired nor skipped it"
    for firing in load.asked:
        if not world.rows("select 1 from firings where id = %s", firing):
            yield f"firing {firing} was accepted and is not there"
    yield from _lost_minutes(world)


def _lost_minutes(world: World) -> Iterator[str]:
    rows = world.rows(
        "select s.name, extract(epoch from s.next_run_at - date_trunc('minute', s.created_at)) / 60 - 1,"
        " (select count(*) from firings f where f.schedule_id = s.id),"
        " (select coalesce(sum(count), 0) from skips k where k.schedule_id = s.id)"
        " from schedules s where s.name like 'clockwork%%'"
    )
    assert len(rows) == CLOCKWORK
    for name, due, fired, skipped in rows:
        if due != fired + skipped:
            yield f"{name} had {due:.0f} minutes, of which {fired} fired and {skipped} were skipped"


def disagreements(world: World) -> list[str]:
    """What the gate says otherwise than the rows; nothing is in flight."""
    usage = world.admission.ask(lambda gate: gate.usage())
    caps = dict(world.rows("select key, cap from limits"))
    running = world.rows("select count(*) from firings where status = 'running'")[0][0]
    found = [f"the gate counts {it.used} under {it.limit}" for it in usage.limits if it.used and not running]
    if {it.limit: it.cap for it in usage.limits} != caps:
        found.append(f"the gate's caps are { ({it.limit: it.cap for it in usage.limits}) }, the rows' are {caps}")
    if usage.waiting or usage.reserved:
        found.append(f"the gate has {usage.waiting} in line and {usage.reserved} reserved, and nothing is queued")
    return found


def marked(world: World) -> dict[int, str]:
    """Processes that still carry this installation's mark."""
    mark = f"SLOTBEAT_INSTALLATION={world.installation}".encode()
    found: dict[int, str] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    found[int(folder.name)] = f"process {folder.name} is left: {words}"
            except OSError:
                continue
    return found
