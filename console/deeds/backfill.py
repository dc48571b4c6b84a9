"""Occurrences of the past are fired after all."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from console.deeds.gate import tell
from console.deeds.schedules import archived, lock_fresh
from console.problems import Problem, Wrong, invalid, refused
from shared.admission import Admission
from shared.rules.backfill import Backfill, plan_backfill
from shared.rules.cron import parse_cron
from shared.rules.cron_notes import Note
from shared.rules.jitter import jitter
from shared.rules.overlap import Overlap, runs_alone
from shared.rules.refused import RefusedValueError
from shared.rules.zones import parse_zone
from shared.settings import read
from shared.store import activity, backfill, firings, schedules, settings
from shared.store.connection import Postgres
from shared.store.schedules import Schedule

_INSTANT = timedelta(microseconds=1)


@dataclass(frozen=True)
class Wish:
    """Which span of the past, ends included, and whether only to say what would be fired."""

    start: datetime
    end: datetime
    dry_run: bool = False


@dataclass(frozen=True)
class Backfilled:
    """What was, or would be, fired, oldest first (ids only of what was made); and what its owner should hear."""

    planned: Backfill
    made: tuple[firings.New, ...]
    warnings: tuple[Note, ...]


def run(admission: Admission, schedule: UUID, wish: Wish, actor: str) -> Backfilled:
    """Fires what a span's occurrences did not: in line, one after the other unless overlap allows, under the caps."""
    in_line: list[firings.InLine] = []
    with admission.database.transaction() as connection:
        known = lock_fresh(connection, schedule)
        planned = _plan(connection, known, wish)
        made = tuple(firings.New(uuid7(), schedule, at) for at in planned.fire)
        if made and not wish.dry_run:
            in_line = _write(connection, known, planned, made)
            body = {
                "schedule_id": str(schedule),
                "start": wish.start.isoformat(),
                "end": wish.end.isoformat(),
                "fired": len(made),
            }
            deed = activity.Deed("schedule_backfilled", actor, body, workspace=known.workspace_id, schedule=schedule)
            activity.add(connection, deed)
    if in_line:
        tell("backfill", lambda: admission.offer(in_line))
    return Backfilled(planned, made, _warnings(known, len(made)))


def _plan(connection: Postgres, known: Schedule, wish: Wish) -> Backfill:
    if known.status == "archived":
        raise archived(known)
    if known.status == "paused":
        detail = f"Schedule {known.name} is paused, and what would be fired would be held. Resume it first."
        raise Problem(409, "schedule_paused", detail)
    now = schedules.now(connection)
    if wish.start >= wish.end:
        raise invalid(Wrong("end", "end_before_start", "end must be later than start."))
    if wish.end > now:
        raise invalid(Wrong("end", "end_in_future", "end is still to come: a backfill is of the past."))
    if known.cron is None:
        return Backfill((), (), (), 0, 0)
    _check_remembered(connection, known, wish, now)
    span = _span(known, wish)
    try:
        when = (parse_cron(known.cron), parse_zone(known.timezone))
        return plan_backfill(
            when, span, backfill.fired(connection, known.id, span), backfill.skipped(connection, known.id, span)
        )
    except RefusedValueError as error:
        raise refused(error) from error


def _check_remembered(connection: Postgres, known: Schedule, wish: Wish, now: datetime) -> None:
    """What ran so long ago that its rows are deleted would look as if it never had, and run again."""
    days = read(table=settings.load(connection)).keep_firings_days
    since = now - timedelta(days=days)
    if max(wish.start, known.created_at) < min(wish.end, since):
        words = f"What ran before {since:%Y-%m-%d %H:%M} UTC is forgotten (keep_firings_days = {days}), and would run"
        raise invalid(Wrong("start", "start_forgotten", f"{words} again. Choose a later start."))


def _span(known: Schedule, wish: Wish) -> tuple[datetime, datetime]:
    """Within the schedule's own bounds, and without what beat has still to decide."""
    first, last = max(wish.start, known.start_at or wish.start), min(wish.end, known.end_at or wish.end)
    if known.next_run_at is not None:
        last = min(last, known.next_run_at - jitter(known.id, known.jitter_s) - _INSTANT)
    return first, last


def _write(
    connection: Postgres, known: Schedule, planned: Backfill, made: tuple[firings.New, ...]
) -> list[firings.InLine]:
    defaults = read(table=settings.load(connection))
    backfill.replace_skips(connection, known.id, planned)
    in_line = firings.add_due(
        connection, made, max_turns=defaults.max_turns, max_run_seconds=defaults.max_run_seconds, source="backfill"
    )
    backfill.count_fired(connection, known.id, in_line)
    return in_line


def _warnings(known: Schedule, count: int) -> tuple[Note, ...]:
    if count < 2 or not runs_alone(known.overlap):
        return ()
    words = f"The {count} firings run one after the other, in line."
    meets = {
        Overlap.SKIP: " An occurrence that comes while one of them runs is skipped (overlap = skip).",
        Overlap.REPLACE: " An occurrence that comes while one of them runs replaces that one (overlap = replace).",
    }
    return (Note("backfill_in_line", words + meets.get(Overlap(known.overlap), "")),)
