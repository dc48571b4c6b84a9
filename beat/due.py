"""One transaction: lock due schedules, make their firings and skips, advance; then into the line."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import NamedTuple
from uuid import UUID

from psycopg.errors import UniqueViolation

from beat.refusal import refusal_of, whose
from shared.admission import Admission
from shared.events import event, trouble
from shared.pressure import Pressure, Streams
from shared.rules.budgets import is_used_up
from shared.rules.fitness import ADMITS
from shared.rules.fleet import part
from shared.rules.missed import Due, SkipRange, due_now
from shared.rules.overlap import ReplaceRunning, Skip, admit
from shared.rules.planning import facts_of
from shared.rules.pressure import Patience, put_off_until
from shared.rules.reasons import Reason, SkipReason
from shared.settings import Settings
from shared.store import activity, alerts, budgets, due, firings
from shared.store.attempts import request_abort
from shared.store.connection import Postgres


@dataclass
class Decided:
    """What one tick writes."""

    moves: defaultdict[due.Move, list[UUID]] = field(default_factory=lambda: defaultdict(list))
    skips: list[due.NewSkip] = field(default_factory=list)
    deferred: list[due.Deferral] = field(default_factory=list)
    replaced: list[UUID] = field(default_factory=list)
    unfit: set[UUID] = field(default_factory=set)
    broken: list[tuple[due.DueAlike, Exception]] = field(default_factory=list)


class Outcome(NamedTuple):
    """What becomes of due schedules that are alike: the skips with what is to be told of each."""

    move: due.Move
    skips: tuple[tuple[SkipRange, str | None], ...] = ()
    replaces: bool = False


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
    try:
        return _tick(admission, settings, pressure, when_full, sure=True)
    except UniqueViolation:
        # An occurrence has its firing already: by a backfill, or before the clock was put back.
        return _tick(admission, settings, pressure, when_full, sure=False)


def _tick(
    admission: Admission,
    settings: Settings,
    pressure: Pressure | None,
    when_full: Callable[[], None],
    *,
    sure: bool,
) -> Ticked:
    with admission.database.transaction() as connection:
        locked = due.lock_due(connection, settings.tick_batch)
        if not locked:
            return Ticked(0, 0, more=False)
        seen = sum(len(it.ids) for it in locked)
        if seen == settings.tick_batch:
            when_full()
        around = _around(connection, locked, settings, pressure)
        decided = decide(locked, around)
        made = _write(connection, decided, settings, sure=sure)
        cancelled, aborting = _replace(connection, decided, made.ids)
    if cancelled:
        admission.withdraw(cancelled)
    for firing, request in aborting:
        admission.tell_abort(firing, request, Reason.REPLACED)
    # What its workspace is not fit for is asked for again after the commit: so an edit that makes it fit either
    # finds these firings, or is found here. The others would only be refused by Postgres where they cannot start.
    admission.offer_written(made.written)
    if made.held:
        admission.offer_again(made.held)
    count, put_off = len(made.written) + len(made.held), len(decided.deferred)
    event("beat.ticked", schedules=seen, made=count, skipped=len(decided.skips), deferred=put_off)
    return Ticked(seen, count, more=seen == settings.tick_batch)


@dataclass(frozen=True)
class Around:
    """What holds for all schedules of a tick: budgets that have nothing left, people who talk, how long to wait."""

    used_up: frozenset[str]
    streams: Streams
    patience: Patience
    _known: dict[tuple[object, ...], Due] = field(default_factory=dict[tuple[object, ...], Due], repr=False)

    def outcome(self, schedule: due.DueAlike) -> Outcome:
        """What becomes of each of them."""
        return _outcome(schedule, self._occurrences(schedule), self._over(schedule))

    def refuses(self, schedule: due.DueAlike) -> bool:
        """Whether none of its occurrences may fire, whatever they are."""
        return refusal_of(schedule, self._over(schedule)) is not None

    def _occurrences(self, schedule: due.DueAlike) -> Due:
        """What cron and bounds say: the same of more than those that are alike in all."""
        if schedule.jitter_s:
            return due_now(facts_of(schedule), schedule.now)
        known = self._known.get(schedule.timing)
        if known is None:
            known = self._known[schedule.timing] = due_now(facts_of(schedule), schedule.now)
        return known

    def _over(self, schedule: due.DueAlike) -> str | None:
        """Whose budget has nothing left for it."""
        return whose(schedule, self.used_up) if self.used_up else None


def _around(connection: Postgres, locked: list[due.DueAlike], settings: Settings, pressure: Pressure | None) -> Around:
    found = budgets.shared_and_of(connection, [it.id for it in locked if it.has_budget])
    patience = Patience(timedelta(seconds=settings.pressure_delay_s), timedelta(seconds=settings.pressure_max_delay_s))
    used_up = frozenset(it.key for it in found if is_used_up(it.measures()))
    return Around(used_up, (pressure and pressure.seen()) or Streams(), patience)


def decide(locked: list[due.DueAlike], around: Around) -> Decided:
    """What becomes of due schedules; those that cannot be decided stop nobody else."""
    decided = Decided()
    for schedule in locked:
        try:
            if not _put_off(schedule, decided, around):
                _take(schedule, decided, around.outcome(schedule))
        except Exception as error:  # noqa: BLE001 whatever is wrong with one row, the others are due
            decided.broken.append((schedule, error))
    return decided


def _put_off(schedule: due.DueAlike, decided: Decided, around: Around) -> bool:
    """Whether the occurrence waits a while longer; it stays the one that is due."""
    if not around.streams.press_on(schedule.workspace_id):
        return False
    until = put_off_until(schedule.next_run_at, schedule.now, around.patience)
    if until is None or around.refuses(schedule):
        return False
    decided.deferred += [due.Deferral(it, until) for it in schedule.ids]
    return True


def _take(schedule: due.DueAlike, decided: Decided, outcome: Outcome) -> None:
    move, skips, replaces = outcome
    decided.moves[move] += schedule.ids
    decided.skips += [due.NewSkip.of(one, it, detail) for one in schedule.ids for it, detail in skips]
    if replaces:
        decided.replaced += schedule.ids
    if schedule.workspace_status not in ADMITS:
        decided.unfit.add(schedule.workspace_id)


def _outcome(schedule: due.DueAlike, found: Due, over: str | None) -> Outcome:
    skips: list[tuple[SkipRange, str | None]] = [(it, None) for it in found.skips]
    fire, held = part(found.fire, schedule.fleet_paused_at, schedule.fleet_resumed_at)
    if held:
        paused = SkipRange(held[0], held[-1], len(held), SkipReason.PAUSED)
        skips.append((paused, "the fleet was paused"))
    if schedule.skip_next_at in fire:
        skips += [(SkipRange(it, it, 1, SkipReason.MANUAL), None) for it in fire if it == schedule.skip_next_at]
        fire = tuple(it for it in fire if it != schedule.skip_next_at)
    refusal, detail = refusal_of(schedule, over) or (None, None)
    replaces = False
    if refusal is None and fire:
        refusal, replaces = _overlap(schedule)
    if refusal is not None and fire:
        skips += [(it, detail) for it in _refused(found.fire, fire, refusal)]
        fire = ()
    following = found.next_run_at if len(fire) == len(found.fire) else found.next_if_refused
    if refusal is SkipReason.WORKSPACE:
        following = None  # it was made, or moved there, as its workspace went: it ends like the others there
    return Outcome(due.Move(following, fire), tuple(skips), replaces)


def _refused(among: Sequence[datetime], refused: Sequence[datetime], reason: SkipReason) -> Iterator[SkipRange]:
    """Ranges of those that follow on each other: what a pause took of the middle is told by itself."""
    for is_refused, run in groupby(among, key=frozenset(refused).__contains__):
        if is_refused:
            them = list(run)
            yield SkipRange(them[0], them[-1], len(them), reason)


def _overlap(schedule: due.DueAlike) -> tuple[SkipReason | None, bool]:
    """Why what runs or waits of it keeps another from firing; and whether the other takes its place instead."""
    match admit(schedule.overlap, schedule.queued, schedule.running):
        case Skip(reason):
            return reason, False
        case ReplaceRunning():
            return None, True
        case _:
            return None, False


def _write(connection: Postgres, decided: Decided, settings: Settings, *, sure: bool) -> due.Made:
    due.add_skips(connection, decided.skips)
    made = due.Made([], [], [])
    if decided.moves:
        terms = due.Terms(settings.max_turns, settings.max_run_seconds, list(decided.unfit))
        made = due.advance(connection, decided.moves, terms, sure=sure)
    if decided.deferred:
        due.defer(connection, decided.deferred)
    for alike, error in decided.broken:
        for schedule in alike.ids:
            set_aside(connection, schedule, alike.workspace_id, error)
    return made


def set_aside(connection: Postgres, schedule: UUID, workspace: UUID, error: Exception) -> None:
    """Pauses a schedule whose next occurrence cannot be computed, and tells people."""
    why = f"its next occurrence cannot be computed: {error}"
    name = due.quarantine(connection, schedule, why)
    deed = activity.Deed(
        "auto_paused",
        "slotbeat",
        {"reason": "quarantined", "why": why},
        workspace=workspace,
        schedule=schedule,
    )
    activity.add(connection, deed)
    alerts.add(connection, "quarantined", f"{name} was set aside", why, workspace=workspace, schedule=schedule)
    trouble("schedule.quarantined", error, schedule=schedule)


def _replace(connection: Postgres, decided: Decided, new: list[bytes]) -> tuple[list[UUID], list[tuple[UUID, UUID]]]:
    """Cancels what waits and asks what runs to end, of schedules whose new firing takes its place."""
    cancelled: list[UUID] = []
    aborting: list[tuple[UUID, UUID]] = []
    if not decided.replaced:
        return cancelled, aborting
    made = frozenset(new)
    for firing in firings.unfinished(connection, decided.replaced):
        if firing.bytes in made:
            continue
        if firings.cancel_queued(connection, firing, Reason.REPLACED):
            cancelled.append(firing)
        elif (asked := request_abort(connection, firing, Reason.REPLACED)) is not None:
            aborting.append((firing, asked[0]))
        activity.add(connection, activity.Deed("replaced", "beat", {}, firing=firing))
    return cancelled, aborting
