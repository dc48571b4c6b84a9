"""Invariant 3: each occurrence ends as exactly one firing or one skip, whatever happens to beat, clock and schedule.

Hypothesis draws what happens, around a change of a zone's clock; afterwards the occurrences that an independent
wall clock (`tests/rules/clock_oracle.py`) names are held against the rows, one by one.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from console.deeds import fleet
from shared.rules.endings import Becomes, Report
from shared.store import attempts, firings, invariants, settlement
from tests.rules.clock_oracle import runs
from tests.schedules.conftest import World
from tests.store.rows import claimer, end_attempt, measure

MINUTE = timedelta(minutes=1)
# Of each a change of its clock, forward or back.
ZONES = {
    "America/New_York": datetime(2026, 3, 8, 7, tzinfo=UTC),
    "Europe/Berlin": datetime(2026, 10, 25, 1, tzinfo=UTC),
    "Australia/Lord_Howe": datetime(2026, 4, 4, 15, tzinfo=UTC),
    "America/Santiago": datetime(2026, 9, 6, 4, tzinfo=UTC),
}
CRONS = ["*/20 * * * *", "15 * * * *", "*/30 1-3 * * *", "0 */2 * * *", "30 2 * * *"]
JITTER_S = 90
BEFORE, AFTER = timedelta(hours=16), timedelta(days=4)
NEWEST = """
    select greatest((select max(nominal_at) from firings where schedule_id = %s),
                    (select max(last_at) from skips where schedule_id = %s))
"""
LIVE = "select count(*) from attempts where ended_at is null"
SOME_MINUTES = st.sampled_from([61, 20, 200, 3, 1])
# Before a deed of people, in which no beat is up.
UNSEEN = st.sampled_from([61, 20, 130, 0])


class Crash(BaseException):
    """Beat dies: no handler of ours may catch it."""


@lru_cache(maxsize=64)
def truth(cron: str, zone: str) -> list[datetime]:
    return runs(cron, ZoneInfo(zone), ZONES[zone] - BEFORE - timedelta(hours=2), ZONES[zone] + AFTER)


class EveryOccurrence(RuleBasedStateMachine):
    """Each run of it begins with empty tables."""

    world: World

    def __init__(self) -> None:
        super().__init__()
        self.world.rows.execute("truncate workspaces, schedules, firings, skips, alerts, fleet_pause cascade")
        # Of an example that failed: else every later one would fail too.
        self.world.rows.execute("""
            truncate slots; delete from limits where key <> 'fleet';
            update limits set cap = 2, surplus = 0 where key = 'fleet';
            insert into slots (limit_key, number) values ('fleet', 1), ('fleet', 2)
            """)
        self.world.rows.execute("insert into workspaces (id, name) values (%s, 'here')", [self.world.workspace])
        self.world.admission.gate.redis.flushdb()
        # Of each schedule: what its times are (cron), and since when, in order.
        self.times: dict[UUID, list[tuple[str, datetime]]] = {}

    @initialize(
        zone=st.sampled_from(sorted(ZONES)),
        minutes=st.integers(0, 15 * 60),
        crons=st.lists(st.sampled_from(CRONS), min_size=2, max_size=3),
        policy=st.sampled_from([("skip", "latest"), ("queue_all", "all"), ("replace", "none"), ("allow", "all")]),
        deadline_s=st.sampled_from([None, 600]),
        jitter_s=st.sampled_from([0, JITTER_S]),
    )
    def begin(self, zone: str, minutes: int, crons: list[str], policy: Any, **over: Any) -> None:
        self.zone = zone
        self.world.set(ZONES[zone] - BEFORE + minutes * MINUTE)
        over = {"start_deadline_s": over["deadline_s"], "jitter_s": over["jitter_s"], "timezone": zone}
        for number, cron in enumerate(crons):
            made = self.world.schedule(str(number), cron=cron, overlap=policy[0], missed=policy[1], **over)
            self.times[made.id] = [(cron, self.world.now)]

    def one(self, number: int) -> UUID:
        return list(self.times)[number % len(self.times)]

    @rule(minutes=SOME_MINUTES)
    def time_passes_and_beat_ticks(self, minutes: int) -> None:
        self.world.later(minutes=minutes)
        self.world.beat()

    @rule(minutes=st.sampled_from([2, 45, 130]))
    def the_clock_jumps_back(self, minutes: int) -> None:
        # Not to before their times were written: what a schedule owes of that time is nobody's promise.
        written = max(times[-1][1] for times in self.times.values())
        self.world.later(minutes=-max(min(minutes, (self.world.now - written) // MINUTE), 0))

    @rule(minutes=SOME_MINUTES, where=st.sampled_from(["advance", "offer_written", "hand_over"]))
    def beat_dies_within_a_tick(self, minutes: int, where: str) -> None:
        self.world.later(minutes=minutes)
        place = "beat.due.due.advance" if where == "advance" else f"shared.admission.Admission.{where}"
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(place, dies)
            try:
                self.world.beat()
            except Crash:
                assert self.world.rows.info.transaction_status == 0

    @rule(number=st.integers(0, 2), hours=st.sampled_from([None, 1, 5]), minutes=UNSEEN)
    def a_schedule_is_paused(self, number: int, hours: int | None, minutes: int) -> None:
        self.world.later(minutes=minutes)
        until = None if hours is None else self.world.now + timedelta(hours=hours)
        self.world.pause(self.one(number), until=until)

    @rule(number=st.integers(0, 2), minutes=UNSEEN)
    def a_schedule_is_resumed(self, number: int, minutes: int) -> None:
        self.world.later(minutes=minutes)
        self.world.resume(self.one(number))

    @rule(number=st.integers(0, 2), cron=st.sampled_from(CRONS), minutes=UNSEEN)
    def its_cron_is_edited(self, number: int, cron: str, minutes: int) -> None:
        self.world.later(minutes=minutes)
        schedule = self.one(number)
        if self.times[schedule][-1][0] == cron:
            return
        self.world.edit(schedule, cron=cron)
        newest = self.world.one(NEWEST, schedule, schedule)
        self.times[schedule].append((cron, max(self.world.now, newest or self.world.now)))

    @rule(number=st.integers(0, 2), jitter_s=st.sampled_from([0, 30, JITTER_S]), minutes=UNSEEN)
    def its_jitter_is_edited(self, number: int, jitter_s: int, minutes: int) -> None:
        self.world.later(minutes=minutes)
        self.world.edit(self.one(number), jitter_s=jitter_s)

    @rule(paused=st.booleans(), minutes=UNSEEN)
    def the_fleet_is_paused_or_resumed(self, paused: bool, minutes: int) -> None:
        self.world.later(minutes=minutes)
        fleet.pause(self.world.admission, None, "me") if paused else fleet.resume(self.world.admission, "me")

    @rule(cap=st.sampled_from([0, 2]))
    def the_cap_is_set(self, cap: int) -> None:
        self.world.admission.set_cap("fleet", cap, "me")

    @rule()
    def a_worker_starts_one(self) -> None:
        waiting = firings.startable(self.world.rows, -1, 1)
        if waiting:
            number = self.world.one("select number from epoch")
            attempts.claim(self.world.rows, waiting[0].id, uuid4(), claimer(number))

    @rule()
    def a_worker_ends_one(self) -> None:
        if self.world.one(LIVE):
            end_one(self.world)

    def teardown(self) -> None:
        if not self.times:
            return
        for _ in range(self.world.one(LIVE)):
            end_one(self.world)
        fleet.resume(self.world.admission, "me")
        for schedule in self.times:
            self.world.resume(schedule)
        # Past the farthest that the clock has ever been, and past the longest jitter.
        farthest = "select greatest(max(nominal_at), (select max(last_at) from skips), %s) from firings"
        end = self.world.one(farthest, self.world.now)
        self.world.set(end + timedelta(seconds=2 * JITTER_S))
        self.world.beat()
        for schedule, times in self.times.items():
            compare(self.world, schedule, owed(times, end, self.zone), end)
        assert invariants.broken(self.world.rows) == []


def dies(*_: Any, **__: Any) -> None:
    raise Crash


def end_one(world: World) -> None:
    token = world.one("select min(token) from attempts where ended_at is null")
    with world.rows.transaction():
        ended = settlement.lock_endings(world.rows, [token]).get(token)
        assert ended is not None
        end_attempt(world.rows, ended, Becomes("completed", "completed"), Report(None))
        measure(world.rows, ended)


def owed(times: list[tuple[str, datetime]], end: datetime, zone: str) -> list[datetime]:
    """What the schedule's times named, each from when it was written until the next one was."""
    found: list[datetime] = []
    for (cron, since), until in zip(times, [since for _, since in times[1:]] + [end], strict=True):
        found += [at for at in truth(cron, zone) if since < at <= until]
    return found


def compare(world: World, schedule: UUID, expected: list[datetime], end: datetime) -> None:
    fired = [at for at in world.fired(schedule) if at <= end]
    skips = [it for it in world.skips(schedule) if it[0] <= end]
    skipped = [[at for at in expected if first <= at <= last] for first, last, _, _ in skips]
    told = (schedule, expected, fired, skips)
    assert sorted(fired + [at for some in skipped for at in some]) == expected, told
    for (first, last, count, _), some in zip(skips, skipped, strict=True):
        assert last > end or (some and (some[0], some[-1], len(some)) == (first, last, count)), told


def test_each_occurrence_is_one_firing_or_one_skip_whatever_happens(world: World) -> None:
    class InThisWorld(EveryOccurrence):
        pass

    InThisWorld.world = world
    quick: Callable[..., Any] = settings(
        max_examples=12,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    run_state_machine_as_test(InThisWorld, settings=quick)


def test_an_occurrence_that_left_no_trace_is_named(world: World) -> None:
    """The invariant itself: behind beat's back a schedule is moved past three of its occurrences."""
    schedule = world.schedule()
    world.later(hours=1)
    world.beat()
    assert invariants.broken(world.rows) == []

    world.all("update schedules set next_run_at = next_run_at + interval '3 hours' returning id")
    world.later(hours=4)
    world.beat()

    [lost] = invariants.broken(world.rows)
    assert (lost.name, lost.invariant) == (invariants.UNACCOUNTED, 3)
    assert lost.row[0] == schedule.id
    assert (lost.row[2].hour, lost.row[3]) == (14, 3)


def test_what_a_pause_took_of_the_middle_and_what_was_refused_around_it_are_told_apart(world: World) -> None:
    schedule = world.schedule(overlap="queue_all", missed="all")
    assert schedule.next_run_at is not None
    world.later(hours=1.5)
    fleet.pause(world.admission, None, "me")
    world.later(hours=2)
    fleet.resume(world.admission, "me")
    world.all("update workspaces set native_scheduler = true returning id")
    world.later(hours=1.6)
    world.beat()

    one, two, three, four, five = (schedule.next_run_at + timedelta(hours=n) for n in range(5))
    expected = [(one, one, 1, "native"), (two, three, 2, "paused"), (four, five, 2, "native")]
    assert world.skips(schedule.id) == expected
    assert invariants.broken(world.rows) == []
