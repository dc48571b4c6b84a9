"""The forecast admits as the gate does: the same worlds replayed through its line and through the real scripts."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from shared import answers
from shared.answers import Caps, Reservation, Seat
from shared.gate import Gate
from shared.rules.cron import next_after, parse_cron
from shared.rules.forecast.given import Place, Planned, Standing, World
from shared.rules.forecast.line import Waiter
from shared.rules.forecast.replay import Replay, replay
from shared.rules.line_order import PRIORITY_STEP
from tests.slots.universe import LANES, LEASE_MS, START_LEASE_MS, WORKSPACES

NOW = datetime(2026, 3, 28, 10, 7, 30, tzinfo=UTC)
OVERLAPS = ["skip", "queue_one", "queue_all", "replace", "allow"]
CRONS = ["*/5 * * * *", "*/10 * * * *", "7,8,9 * * * *", "*/15 * * * *", "30 * * * *", "* 11 * * *"]
SOURCES = ["scheduled", "scheduled", "manual"]


class RealLine:
    """The gate behind the forecast's questions: each call a millisecond later, by the time it is told."""

    def __init__(self, gate: Gate, caps: Mapping[str, int], processes: int) -> None:
        self.gate = gate
        assert gate.load(gate.epoch, caps=Caps(caps), workers=[("w1", processes, 10**9)], done=True)

    def seat(self, holders: Iterable[Waiter]) -> None:
        self.gate.seat(Seat(_waiter(it), UUID(it.id), "w1", LEASE_MS) for it in holders)

    def offer(self, batch: Iterable[Waiter]) -> list[str]:
        return self._leased(self._later().offer(_waiter(it) for it in batch))

    def release(self, firing: str) -> list[str]:
        return self._leased(self._later().release(UUID(firing), UUID(firing)))

    def withdraw(self, firing: str) -> list[str]:
        held = self._later().states([UUID(firing)])[0].state == "leased"
        return self.release(firing) if held else self._leased(self.gate.withdraw([UUID(firing)]))

    def in_the_way(self, it: Waiter) -> str | None:
        return None

    def _later(self) -> Gate:
        self.gate.now_ms = (self.gate.now_ms or 0) + 1
        return self.gate

    def _leased(self, made: list[Reservation]) -> list[str]:
        for it in made:
            assert self.gate.claim(it.firing, it.firing, "w1", LEASE_MS) == "LEASED"
        return [it.firing.hex for it in made]


def _waiter(it: Waiter) -> answers.Waiter:
    # At priority 0 the line number is the place.
    return answers.Waiter(UUID(it.id), UUID(it.workspace), it.lane or None, it.place, 0, it.forced, "t")


def world(random: Random) -> World:
    caps = {"fleet": random.randint(1, 4)}
    for limit, most in ((f"workspace:{WORKSPACES[0]}", 2), ("lane:a", 2), ("lane:b", 1)):
        if random.random() < 0.7:
            caps[limit] = random.randint(0 if random.random() < 0.1 else 1, most)
    schedules = [scheduled(random, number) for number in range(random.randint(2, 12))]
    standing = [stands(random, number, schedules) for number in range(1, random.randint(1, 8))]
    places = [Place(it, "w", random.choice(["online"] * 9 + ["hibernated"])) for it in WORKSPACES]
    return World(NOW, caps, random.randint(1, 6), places, schedules, standing)


def scheduled(random: Random, number: int) -> Planned:
    cron = random.choice(CRONS)
    return Planned(
        UUID(int=5000 + number),
        random.choice(WORKSPACES),
        f"s{number}",
        cron,
        "UTC",
        next_after(parse_cron(cron), ZoneInfo("UTC"), NOW),
        priority=random.choice([0, 5, 5, 9]),
        lane=random.choice(LANES),
        overlap=random.choice(OVERLAPS),
        jitter_s=random.choice([0, 0, 0, 20]),
        avg_duration_ms=random.choice([1000, 60_000, 180_000, 400_000, 1_000_000]),
    )


def stands(random: Random, number: int, schedules: list[Planned]) -> Standing:
    of = random.choice(schedules)
    running = number % 2 == 0
    over: dict[str, Any] = {}
    if running:
        over = {"claimed_at": NOW - timedelta(seconds=30), "run_expires_at": NOW + timedelta(seconds=600)}
    return Standing(
        UUID(int=9000 + number),
        of.id,
        of.workspace_id,
        of.name,
        random.choice(SOURCES),
        NOW,
        NOW - timedelta(seconds=60),
        number,
        600,
        of.priority,
        of.lane,
        forced=random.random() < 0.2,
        not_before=None if running or random.random() < 0.8 else NOW + timedelta(seconds=90),
        overlap=of.overlap,
        avg_duration_ms=of.avg_duration_ms,
        **over,
    )


def order(seen: Replay) -> list[tuple[int, str]]:
    return sorted((it.started, it.waiter.id) for it in seen.runs if it.started is not None)


@pytest.mark.parametrize("seed", range(4))
def test_the_forecast_starts_whom_the_gate_starts_when_it_starts_them(gate: Gate, seed: int) -> None:
    random, waited = Random(seed), 0
    for number in range(4):
        given = world(random)
        beside = Gate(gate.redis, f"beside{number}", START_LEASE_MS, 1, now_ms=1_000_000)

        ours = replay(given, 1)
        real = replay(given, 1, lambda caps, processes, it=beside: RealLine(it, caps, processes))

        assert order(ours) == order(real)
        assert [it.ended for it in ours.runs] == [it.ended for it in real.runs]
        assert ours.skips == real.skips
        waited += sum(it.started is None or it.started > it.queued for it in ours.runs)
    assert waited > 10  # else nothing was decided


def test_a_place_in_line_is_what_the_gate_sorts_by() -> None:
    assert answers.Waiter(UUID(int=1), UUID(int=2), None, 7, 5, False, "t").facts()[3] == 7 + 5 * PRIORITY_STEP
