"""An outage pauses no schedule, costs a few probes, and ends by itself; a broken schedule still pauses (STR-6).

Gate, rows, claims and settles are real; only time is not waited for: Postgres is told another one.
"""

import itertools
from collections import deque
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from shared.answers import Reservation
from shared.held import rearrange
from shared.settings import Settings
from shared.store import attempts, failure_classes, firings
from tests.slots.both import Both
from workers.outcome import Outcome
from workers.settle import settle

SETTINGS = Settings()
FINE = Outcome(None, exit_code=0)
DOWN = Outcome("rate_limited", "429", exit_code=1)
BROKEN = Outcome("exit_nonzero", "its own fault", exit_code=1)
MINUTE, HOUR = 60, 3600

# Postgres's clock as the test has it: what is asked for by the name now() finds this one first.
_CLOCK = """
    create schema clock;
    create function clock.now() returns timestamptz language sql stable as
      $$ select current_setting('clock.now')::timestamptz $$;
    alter function claim_firing(uuid, uuid, bigint, jsonb, text, interval)
      set search_path = clock, public, pg_catalog, pg_temp;
    set search_path = clock, public, pg_catalog;
    select set_config('clock.now', pg_catalog.now()::text, false);
"""


@dataclass
class Fleet:
    """Schedules that all call one provider, with a period and an offset each, and a clock of their own."""

    both: Both
    provider_is_up: bool = True
    broken: set[UUID] = field(default_factory=set)
    now_s: int = 0
    paid: int = 0
    next_s: dict[UUID, int] = field(default_factory=dict)
    period_s: int = HOUR
    messages: deque[Reservation] = field(default_factory=deque)

    def add(self, offset_s: int, **over: Any) -> UUID:
        made = self.both.rows.schedule(**{"lane": "claude", **over})
        self.next_s[made] = offset_s
        return made

    def until(self, end_s: int) -> None:
        """From event to event: an occurrence, or the moment a class may be tried again."""
        while (then := self._next_event()) <= end_s:
            self._to(then)
            self._fire_due()
            with self.both.admission.database.transaction() as connection:
                elected = failure_classes.elect(connection)
            self.both.admission.offer_again(elected)
            self._work()
        self._to(end_s)

    def _next_event(self) -> int:
        probe_in = self.both.rows.one(
            "select ceil(extract(epoch from min(next_probe_at) - now()))::int + 1 from failure_classes"
            " where healed_at is null and (probe_id is null"
            "  or exists (select from firings where id = probe_id and finished_at is not null))"
            " and exists (select from firings where status = 'queued')"
        )
        waiting = {row[0] for row in self.both.rows.all("select schedule_id from firings where status = 'queued'")}
        for it in self.next_s.keys() - waiting:  # those that wait have skipped what came meanwhile (overlap)
            while self.next_s[it] < self.now_s:
                self.next_s[it] += self.period_s
        due = [at_s for it, at_s in self.next_s.items() if it not in waiting]
        return min([*due, *([] if probe_in is None else [self.now_s + max(probe_in, 1)])])

    def _to(self, then_s: int) -> None:
        self.both.rows.all(
            "select set_config('clock.now', (now() + make_interval(secs => %s))::text, false)", then_s - self.now_s
        )
        self.now_s = then_s

    def _fire_due(self) -> None:
        active = {row[0] for row in self.both.rows.all("select id from schedules where status = 'active'")}
        nominal = self.both.rows.one("select now()")
        for schedule in [it for it, at_s in self.next_s.items() if at_s == self.now_s]:
            self.next_s[schedule] += self.period_s
            if schedule in active:
                made = [firings.New(uuid7(), schedule, nominal)]
                line = firings.add_due(self.both.rows.sql, made, max_turns=None, max_run_seconds=60)
                self.both.admission.offer(line)

    def _work(self) -> None:
        """What workers do with each message, until there is none."""
        for _ in range(1000):
            if not self.messages:
                return
            self._run(self.messages.popleft().firing)
        raise AssertionError("a hot loop: the same firings are reserved again and again")

    def _run(self, firing: UUID) -> None:
        request = uuid7()
        claimed = self.both.claim(firing, request)
        if not isinstance(claimed, attempts.Attempt):
            if claimed != "UNKNOWN":  # withdrawn since its message was sent
                assert claimed.answer == "held"
                self.both.give_back(firing, request)
            return
        outcome = BROKEN if claimed.schedule_id in self.broken else FINE if self.provider_is_up else DOWN
        self.paid += outcome is DOWN
        settled = settle(self.both.admission.database, claimed.token, outcome, SETTINGS)
        self.both.give_back(firing, request)
        rearrange(self.both.admission, settled.classes)

    def schedules(self, column: str) -> list[Any]:
        return [row[0] for row in self.both.rows.all(f"select {column} from schedules order by 1")]

    def classes(self) -> list[tuple[Any, ...]]:
        return self.both.rows.all("select key, healed_at is null, probes from failure_classes")


@pytest.fixture
def fleet(both: Both, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    both.rows.cap("fleet", 8)
    both.rows.sql.execute(_CLOCK)
    made = Fleet(both)
    monkeypatch.setattr(both.admission, "hand_over", made.messages.extend)  # here the test is the broker
    return made


def test_an_outage_of_the_provider_of_forty_schedules_for_half_an_hour(fleet: Fleet) -> None:
    fleet.period_s = 10 * MINUTE
    for _ in range(40):
        fleet.add(offset_s=0)

    fleet.provider_is_up = False
    fleet.until(30 * MINUTE)

    # Three tripped it, then one after 1, 3, 7 and 15 minutes tried again: seven of 120 that would have been paid.
    assert fleet.classes() == [("rate_limited@lane:claude", True, 4)]
    assert fleet.paid == 3 + 4
    assert set(fleet.schedules("failure_streak")) == {0}
    told = fleet.both.rows.all("select kind, dedupe_key like '%%:rate_limited@lane:claude' from alerts order by at, id")
    assert told == [("failed_after_last_attempt", False), ("class_tripped", True)], "the first, before it was an outage"

    fleet.provider_is_up = True
    fleet.until(46 * MINUTE)

    assert [it[1] for it in fleet.classes()] == [False]
    assert set(fleet.schedules("status")) == {"active"}
    assert set(fleet.schedules("last_status")) == {"ok"}
    assert fleet.both.rows.all("select id from firings where status = 'queued'") == []
    assert fleet.both.agree()


def test_an_outage_of_half_a_day_for_hourly_schedules_staggered_over_the_hour(fleet: Fleet) -> None:
    for at in range(40):
        fleet.add(offset_s=at * 90)

    fleet.provider_is_up = False
    fleet.until(12 * HOUR)
    assert fleet.paid < 60, "of 480 that would have been paid"

    fleet.provider_is_up = True
    fleet.until(13 * HOUR)

    assert set(fleet.schedules("status")) == {"active"}
    assert set(fleet.schedules("last_status")) == {"ok"}
    assert [it[1] for it in fleet.classes()] == [False]
    assert fleet.both.agree()


def test_too_few_at_once_to_trip_a_class_are_held_all_the_same(fleet: Fleet) -> None:
    """Five hourly schedules, twelve minutes apart: never three within five minutes, for half a day."""
    for at in range(5):
        fleet.add(offset_s=at * 12 * MINUTE)
    fleet.until(HOUR - 1)

    fleet.provider_is_up = False
    fleet.until(13 * HOUR - 1)

    assert fleet.classes() == []
    assert set(fleet.schedules("status")) == {"active"}
    # Each but the last counts once: until then another completed.
    assert sorted(fleet.schedules("failure_streak")) == [0, 1, 1, 1, 1]
    told = fleet.both.rows.all("select kind, count(*) from alerts group by 1 order by 1")
    assert told == [("failed_after_last_attempt", 5), ("failures_held", 5)]


def test_who_is_alone_at_its_place_is_told_of_its_first_failure_and_when_it_goes_on(fleet: Fleet) -> None:
    """An agent whose token has expired, and nobody else on its lane: it is never paused, but not silent either."""
    fleet.add(offset_s=0)
    fleet.provider_is_up = False
    kinds = "select kind from alerts order by at, id"
    told: list[list[Any]] = []

    for hour in range(4):
        fleet.until(hour * HOUR + MINUTE)
        told.append([kind for (kind,) in fleet.both.rows.all(kinds)])

    first, on = ["failed_after_last_attempt"], ["failed_after_last_attempt", "failures_held"]
    assert told == [first, first, on, on]
    assert fleet.schedules("status") == ["active"]


def test_a_schedule_that_is_broken_itself_pauses_after_three(fleet: Fleet) -> None:
    broken = fleet.add(offset_s=0)
    fleet.broken.add(broken)
    fleet.add(offset_s=0)

    fleet.until(2 * HOUR)

    paused = fleet.both.rows.all("select id, paused_reason, paused_by from schedules where status = 'paused'")
    assert paused == [(broken, "failure_streak", "slotbeat")]
    told = set(fleet.both.rows.all("select kind, schedule_id from alerts"))
    assert told == {("failed_after_last_attempt", broken), ("auto_paused", broken)}
    logged = "select request_body ->> 'reason' from activity_logs where type = 'auto_paused' and schedule_id = %s"
    assert fleet.both.rows.one(logged, broken) == "failure_streak"


def test_a_failure_counts_when_another_firing_of_its_class_completed_since_the_one_before(fleet: Fleet) -> None:
    """Its own key was revoked: it alone fails, while others of its lane complete between its firings."""
    alone = fleet.add(offset_s=0)
    fleet.add(offset_s=30 * MINUTE)

    for hour in itertools.count():
        fleet.provider_is_up = False
        fleet.until(hour * HOUR + MINUTE)
        if fleet.both.rows.one("select status from schedules where id = %s", alone) == "paused":
            break
        fleet.provider_is_up = True
        fleet.until(hour * HOUR + 31 * MINUTE)

    # Nothing of its lane had completed before its first failure; the next three count.
    assert hour == 3
    assert fleet.classes() == []
