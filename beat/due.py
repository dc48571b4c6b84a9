"""One transaction: lock due schedules, make their firings and skips, advance; then into the line."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID
from zoneinfo import ZoneInfo

from uuid_utils.compat import uuid7

from shared.admission import Admission
from shared.events import event, trouble
from shared.pressure import Pressure, Streams
from shared.rules import heartbeats
from shared.rules.budgets import is_used_up
from shared.rules.fitness import ADMITS
from shared.rules.fleet import part
from shared.rules.missed import Due, due_now
from shared.rules.overlap import ReplaceRunning, Skip, admit
from shared.rules.planning import facts_of
from shared.rules.pressure import Patience, put_off_until
from shared.rules.reasons import Reason, SkipReason
from shared.settings import Settings
from shared.store import activity, alerts, budgets, due, firings
from shared.store.attempts import request_abort
from shared.store.connection import Postgres
from shared.store.schedules import Schedule


@dataclass
class Decided:
    """What one tick writes."""

    made: list[firings.New] = field(default_factory=list)
    skips: list[due.NewSkip] = field(default_factory=list)
    steps: list[due.Advance] = field(default_factory=list)
    deferred: list[due.Deferral] = field(default_factory=list)
    replaced: list[due.DueSchedule] = field(default_factory=list)
    held: list[UUID] = field(default_factory=list)
    broken: list[tuple[due.DueSchedule, Exception]] = field(default_factory=list)


@dataclass(frozen=True)
class Ticked:
    """One tick: schedules seen, firings made, and whether there may be more due right now."""

    schedules: int
    made: int
    more: bool


def tick(
    admission: Admission,
    settings: Settings,
    pressure: Pressure | None = None,
    when_full: Callable[[], None] = lambda: None,
) -> Ticked:
    """Makes firings of what is due, or puts it off; any number of beats may do it at once, they share the work.

    A crash before the commit leaves everything due; a crash after it leaves queued firings, which the
    reconciler offers. `when_full` is called as soon as it is seen that there may be more due than one tick takes.
    """
    if not due.is_any_due(admission.database.connection()):
        return Ticked(0, 0, more=False)
    with admission.database.transaction() as connection:
        locked = due.lock_due(connection, settings.tick_batch)
        if not locked:
            return Ticked(0, 0, more=False)
        if len(locked) == settings.tick_batch:
            when_full()
        around = _around(connection, locked, settings, pressure)
        decided = decide(locked, around)
        in_line = _write(connection, decided, settings)
        cancelled, aborting = _replace(connection, decided)
    if cancelled:
        admission.withdraw(cancelled)
    for firing, request in aborting:
        admission.tell_abort(firing, request, Reason.REPLACED)
    # What its workspace is not fit for is asked for again after the commit: so an edit that makes it fit either
    # finds these firings, or is found here. The others would only be refused by Postgres where they cannot start.
    held = set(decided.held)
    admission.offer(it for it in in_line if it.id not in held)
    if held:
        admission.offer_again(list(held))
    put_off = len(decided.deferred)
    event("beat.ticked", schedules=len(locked), made=len(in_line), skipped=len(decided.skips), deferred=put_off)
    return Ticked(len(locked), len(in_line), more=len(locked) == settings.tick_batch)


@dataclass(frozen=True)
class Around:
    """What holds for all schedules of a tick: budgets that have nothing left, people who talk, how long to wait."""

    used_up: frozenset[str]
    streams: Streams
    patience: Patience
    _known: dict[tuple[object, ...], Due] = field(default_factory=dict[tuple[object, ...], Due], repr=False)

    def occurrences(self, schedule: due.DueSchedule) -> Due:
        """What its cron and bounds say; of many that are due at one moment, most are alike."""
        if schedule.jitter_s:
            return due_now(facts_of(schedule), schedule.now)
        known = self._known.get(schedule.timing)
        if known is None:
            known = self._known[schedule.timing] = due_now(facts_of(schedule), schedule.now)
        return known


def _around(
    connection: Postgres, locked: list[due.DueSchedule], settings: Settings, pressure: Pressure | None
) -> Around:
    found = budgets.shared_and_of(connection, [it.id for it in locked if it.has_budget])
    patience = Patience(timedelta(seconds=settings.pressure_delay_s), timedelta(seconds=settings.pressure_max_delay_s))
    used_up = frozenset(it.key for it in found if is_used_up(it.measures()))
    return Around(used_up, (pressure and pressure.seen()) or Streams(), patience)


def decide(locked: list[due.DueSchedule], around: Around) -> Decided:
    """What becomes of each due schedule; one that cannot be decided stops nobody else."""
    decided = Decided()
    for schedule in locked:
        try:
            if not _put_off(schedule, decided, around):
                _decide_one(schedule, decided, around)
        except Exception as error:  # noqa: BLE001 whatever is wrong with one row, the others are due
            decided.broken.append((schedule, error))
    return decided


def _put_off(schedule: due.DueSchedule, decided: Decided, around: Around) -> bool:
    """Whether the occurrence waits a while longer; it stays the one that is due."""
    if not around.streams.press_on(schedule.workspace_id):
        return False
    until = put_off_until(schedule.next_run_at, schedule.now, around.patience)
    if until is None or _refusal(schedule, around.used_up) is not None:
        return False
    decided.deferred.append(due.Deferral(schedule.id, until))
    return True


def _decide_one(schedule: due.DueSchedule, decided: Decided, around: Around) -> None:
    found = around.occurrences(schedule)
    skips = [due.NewSkip.of(schedule.id, it) for it in found.skips]
    fire, held = part(found.fire, schedule.fleet_paused_at, schedule.fleet_resumed_at)
    if held:
        skips.append(due.NewSkip(schedule.id, held[0], held[-1], len(held), SkipReason.PAUSED, "the fleet was paused"))
    if schedule.skip_next_at in fire:
        skips += [due.NewSkip(schedule.id, it, it, 1, SkipReason.MANUAL) for it in fire if it == schedule.skip_next_at]
        fire = tuple(it for it in fire if it != schedule.skip_next_at)
    refusal = _refusal(schedule, around.used_up)
    if refusal is None and fire:
        refusal = _overlap(schedule, decided)
    if refusal is not None and fire:
        skips += _refused(schedule, found.fire, fire, refusal)
        fire = ()
    made = [firings.New(uuid7(), schedule.id, moment) for moment in fire]
    following = found.next_run_at if len(made) == len(found.fire) else found.next_if_refused
    decided.steps.append(due.Advance(schedule.id, following, len(made)))
    decided.made += made
    if schedule.workspace_status not in ADMITS:
        decided.held += [it.id for it in made]
    decided.skips += skips


def _refused(
    schedule: due.DueSchedule, among: Sequence[datetime], refused: Sequence[datetime], reason: SkipReason
) -> Iterator[due.NewSkip]:
    """Ranges of those that follow on each other: what a pause took of the middle is told by itself."""
    for is_refused, run in groupby(among, key=frozenset(refused).__contains__):
        if is_refused:
            them = list(run)
            yield due.NewSkip(schedule.id, them[0], them[-1], len(them), reason)


def _refusal(schedule: due.DueSchedule, used_up: frozenset[str]) -> SkipReason | None:
    if schedule.native:
        return SkipReason.NATIVE
    if schedule.workspace_status == "removed":
        return SkipReason.WORKSPACE
    if schedule.kind == heartbeats.HEARTBEAT and _budget_is_spent(schedule):
        return SkipReason.BUDGET
    if not used_up:
        return None
    under = {"fleet", f"workspace:{schedule.workspace_id}", f"schedule:{schedule.id}"}
    return SkipReason.BUDGET if under & used_up else None


def _budget_is_spent(schedule: due.DueSchedule) -> bool:
    today = heartbeats.day_of(schedule.now, ZoneInfo(schedule.timezone))
    turns = heartbeats.spent(schedule.turns_today, schedule.turns_today_on, today)
    return heartbeats.is_spent(schedule.daily_turn_budget, turns)


def _overlap(schedule: due.DueSchedule, decided: Decided) -> SkipReason | None:
    match admit(schedule.overlap, schedule.queued, schedule.running):
        case Skip(reason):
            return reason
        case ReplaceRunning():
            decided.replaced.append(schedule)
        case _:
            pass
    return None


def _write(connection: Postgres, decided: Decided, settings: Settings) -> list[firings.InLine]:
    in_line: list[firings.InLine] = []
    if decided.made:
        in_line = firings.add_due(
            connection, decided.made, max_turns=settings.max_turns, max_run_seconds=settings.max_run_seconds
        )
    due.add_skips(connection, decided.skips)
    if decided.steps:
        due.advance(connection, decided.steps)
    if decided.deferred:
        due.defer(connection, decided.deferred)
    for schedule, error in decided.broken:
        set_aside(connection, schedule, error)
    return in_line


def set_aside(connection: Postgres, schedule: due.DueSchedule | Schedule, error: Exception) -> None:
    """Pauses a schedule whose next occurrence cannot be computed, and tells people."""
    why = f"its next occurrence cannot be computed: {error}"
    due.quarantine(connection, schedule.id, why)
    deed = activity.Deed(
        "auto_paused",
        "slotbeat",
        {"reason": "quarantined", "why": why},
        workspace=schedule.workspace_id,
        schedule=schedule.id,
    )
    activity.add(connection, deed)
    about = {"workspace": schedule.workspace_id, "schedule": schedule.id}
    alerts.add(connection, "quarantined", f"{schedule.name} was set aside", why, **about)
    trouble("schedule.quarantined", error, schedule=schedule.id)


def _replace(connection: Postgres, decided: Decided) -> tuple[list[UUID], list[tuple[UUID, UUID]]]:
    """Cancels what waits and asks what runs to end, of schedules whose new firing takes its place."""
    cancelled: list[UUID] = []
    aborting: list[tuple[UUID, UUID]] = []
    made = {it.id for it in decided.made}
    for firing in firings.unfinished(connection, [it.id for it in decided.replaced]):
        if firing in made:
            continue
        if firings.cancel_queued(connection, firing, Reason.REPLACED):
            cancelled.append(firing)
        elif (asked := request_abort(connection, firing, Reason.REPLACED)) is not None:
            aborting.append((firing, asked[0]))
        activity.add(connection, activity.Deed("replaced", "beat", {}, firing=firing))
    return cancelled, aborting
