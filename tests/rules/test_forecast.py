"""The forecast: what starts when, who waits behind whom, what an edit changes (issue 3 of 8, part 5)."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.rules.cron import next_after, occurrences, parse_cron
from shared.rules.forecast import replay as replays
from shared.rules.forecast.given import UNMEASURED_MS, Place, Planned, Standing, World
from shared.rules.forecast.occupancy import held
from shared.rules.forecast.preview import preview
from shared.rules.forecast.replay import Replay, replay
from shared.rules.forecast.told import Forecast, told
from shared.rules.jitter import jitter
from shared.rules.lasting import lasting as in_words

NOW = datetime(2026, 3, 28, 10, 7, 30, tzinfo=UTC)
HERE, THERE = UUID(int=1), UUID(int=2)
PLACES = [Place(HERE, "here", "online"), Place(THERE, "there", "online")]
OVERLAPS = ["skip", "queue_one", "queue_all", "replace", "allow"]


def plan(number: int, cron: str = "0 * * * *", lasts_s: float | None = 60, **over: Any) -> Planned:
    values: dict[str, Any] = {
        "id": UUID(int=100 + number),
        "workspace_id": HERE,
        "name": f"s{number}",
        "cron": cron,
        "timezone": "UTC",
        "avg_duration_ms": None if lasts_s is None else round(lasts_s * 1000),
        **over,
    }
    late_by = jitter(values["id"], values.get("jitter_s", 0))
    values.setdefault("next_run_at", next_after(parse_cron(cron), ZoneInfo("UTC"), NOW) + late_by)
    return Planned(**values)


def stands(number: int, schedule: Planned, **over: Any) -> Standing:
    values: dict[str, Any] = {
        "id": UUID(int=900 + number),
        "schedule_id": schedule.id,
        "workspace_id": schedule.workspace_id,
        "title": schedule.name,
        "source": "scheduled",
        "nominal_at": NOW - timedelta(minutes=1),
        "queued_at": NOW - timedelta(minutes=1),
        "line_no": number,
        "max_run_seconds": 1200,
        "overlap": schedule.overlap,
        "avg_duration_ms": schedule.avg_duration_ms,
        **over,
    }
    return Standing(**values)


def world(*schedules: Planned, fleet: int = 1, standing: Any = (), **over: Any) -> World:
    values: dict[str, Any] = {"caps": {"fleet": fleet}, "processes": 10, "places": PLACES, **over}
    return World(NOW, schedules=schedules, standing=standing, **values)


def seen(given: World, hours: float = 1.5) -> Forecast:
    return told(replay(given, hours), 100)


def at(hour: int, minute: int, second: int = 0) -> datetime:
    return NOW.replace(hour=hour, minute=minute, second=second)


def test_whoever_finds_no_slot_waits_and_is_told_behind_whom() -> None:
    found = seen(world(plan(1, priority=1), plan(2, lasts_s=30), plan(3, "1 * * * *")))

    assert [(it.name, it.starts_at, it.wait_s, it.behind) for it in found.starts] == [
        ("s1", at(11, 0), 0, ()),
        ("s2", at(11, 1), 60, ("s1",)),
        ("s3", at(11, 1, 30), 30, ("s2",)),
    ]
    [crowd] = found.crowded
    assert (crowd.begins_at, crowd.ends_at, crowd.firings, crowd.longest_wait_s) == (at(11, 0), at(11, 1, 30), 2, 60)
    assert (crowd.waits_for, crowd.schedules) == (("fleet",), ("s2", "s3"))
    assert [(it.name, it.longest_wait_s, it.waits_for) for it in found.schedules][:2] == [
        ("s2", 60, "fleet"),
        ("s3", 30, "fleet"),
    ]
    assert (found.limits[0].most_held, found.limits[0].full_s) == (1, 150)


def test_workspaces_take_turns_and_a_lane_holds_up_its_own_alone() -> None:
    many = [plan(n, priority=n, overlap="queue_all") for n in (1, 2, 3)]
    other = plan(4, priority=9, workspace_id=THERE)
    turns = seen(world(*many, other))
    lane = seen(world(plan(1, lane="a", priority=1), plan(2, lane="a"), plan(3), caps={"fleet": 5, "lane:a": 1}))

    assert [it.name for it in turns.starts] == ["s1", "s4", "s2", "s3"]
    assert {it.name: (it.wait_s, it.waits_for) for it in lane.starts} == {
        "s1": (0, None),
        "s2": (60, "lane:a"),
        "s3": (0, None),
    }


@pytest.mark.parametrize(
    ("overlap", "started", "skips"),
    [
        ("skip", [0, 10], {"overlap": 2}),  # of 11:00, 11:05, 11:10, 11:15 each lasting eight minutes
        ("queue_one", [0, 8, 16], {"overlap": 1}),
        ("queue_all", [0, 8, 16, 24], {}),
        ("replace", [0, 5, 10, 15], {}),
        ("allow", [0, 5, 10, 15], {}),
    ],
)
def test_overlap_is_as_the_schedule_wants_it(overlap: str, started: list[int], skips: dict[str, int]) -> None:
    one = plan(1, "0-15/5 11 * * *", 480, overlap=overlap)

    found = seen(world(one, fleet=5))

    assert [it.starts_at for it in found.starts] == [at(11, 0) + timedelta(minutes=it) for it in started]
    assert found.schedules[0].skips == skips


def test_what_stands_now_is_where_it_begins() -> None:
    runs, waits, later = plan(1, "0 5 * * *", 100), plan(2, "0 5 * * *", 100), plan(3, "0 5 * * *")
    running = stands(1, runs, claimed_at=NOW - timedelta(seconds=40), run_expires_at=NOW + timedelta(seconds=600))
    longer = stands(4, runs, claimed_at=NOW - timedelta(seconds=400), run_expires_at=NOW + timedelta(seconds=600))
    waiting, backing_off = stands(2, waits), stands(3, later, not_before=NOW + timedelta(seconds=600))
    paused = stands(5, waits, schedule_status="paused")

    found = seen(world(runs, waits, later, standing=[running, waiting, backing_off, paused]))
    overdue = seen(world(runs, waits, standing=[longer, waiting]))

    assert [(it.name, it.starts_at) for it in found.starts] == [
        ("s2", NOW + timedelta(seconds=60)),
        ("s3", NOW + timedelta(seconds=600)),
        ("s2", None),
    ]
    assert found.starts[0].behind == ("s1",)
    assert found.starts[2].waits_for == "paused"
    assert overdue.starts[0].starts_at == NOW + timedelta(seconds=100)  # a quarter of 400 s again


def test_what_is_held_otherwise_is_said() -> None:
    asleep = Place(THERE, "there", "hibernated")
    native = Place(HERE, "here", "online", native=True)
    found = seen(world(plan(1, workspace_id=THERE), plan(2), places=[asleep, native]))
    resumed = seen(world(plan(1, "*/30 * * * *", next_run_at=at(3, 0), paused_until=at(11, 15))))
    deferred = seen(world(plan(1, next_run_at=at(10, 0), deferred_until=at(10, 8))))

    assert [(it.name, it.waits_for, it.starts_at) for it in found.starts] == [("s1", "workspace_not_ready", None)]
    assert {it.name: it.skips for it in found.schedules} == {"s1": {}, "s2": {"native": 1}}
    assert [it.starts_at for it in resumed.starts] == [at(11, 30)]
    assert [(it.nominal_at, it.starts_at) for it in deferred.starts] == [
        (at(10, 0), at(10, 8)),
        (at(11, 0), at(11, 0)),
    ]


def test_an_occurrence_that_a_person_took_out_is_skipped_and_is_none_of_the_runs_that_remain() -> None:
    late = plan(1, "*/30 * * * *", jitter_s=600, remaining_runs=1, skip_next_at=at(10, 30))
    other = plan(2, "*/30 * * * *", skip_next_at=at(10, 0))

    found = seen(world(late, other, fleet=9), 1)

    assert {it.name: (it.firings, it.skips) for it in found.schedules} == {"s1": (1, {"manual": 1}), "s2": (2, {})}
    assert [it.nominal_at for it in found.starts if it.name == "s1"] == [at(11, 0)]


def test_bounds_missed_occurrences_and_what_runs_once_are_as_beat_has_them() -> None:
    once = plan(1, next_run_at=at(10, 30), run_at=at(10, 30))
    twice = plan(2, "*/10 * * * *", 1, remaining_runs=2)
    late = plan(3, "0 * * * *", next_run_at=at(7, 0), overlap="queue_all", missed="all")

    found = seen(world(replace(once, cron=None), twice, late, fleet=9))

    starts = {name: [it.nominal_at for it in found.starts if it.name == name] for name in ("s1", "s2", "s3")}
    assert starts["s1"] == [at(10, 30)]
    assert starts["s2"] == [at(10, 10), at(10, 20)]
    assert starts["s3"] == [at(7, 0), at(8, 0), at(9, 0), at(10, 0), at(11, 0)]


def test_what_was_never_measured_lasts_as_long_as_the_others_and_that_is_said() -> None:
    measured = seen(world(plan(1, lasts_s=20), plan(2, lasts_s=None), plan(3, lasts_s=40), fleet=9, processes=None))
    unmeasured = seen(world(plan(1, lasts_s=None, max_run_seconds=15)))

    lasting = {it.name: (it.ends_at - it.starts_at).total_seconds() for it in measured.starts if it.ends_at}  # type: ignore[operator]
    assert lasting == {"s1": 20, "s2": 30, "s3": 40}
    assert "1 schedule was never measured: a firing of it lasts 30 s" in measured.assumptions
    assert any("no worker" in it for it in measured.assumptions)
    assert unmeasured.starts[0].ends_at == at(11, 0, 15)
    assert (
        f"1 schedule was never measured: a firing of it lasts {in_words(UNMEASURED_MS / 1000)}"
        in unmeasured.assumptions
    )


def test_too_much_ends_it_earlier_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replays, "MOST_FIRINGS", 50)
    every = [plan(n, "* * * * *", 1, overlap="allow") for n in range(10)]

    found = seen(world(*every, fleet=20), 24)

    assert found.truncated
    assert found.until == at(10, 14)
    assert found.firings == 60


def randoms(seed: int) -> World:
    random = Random(seed)
    schedules = [
        plan(
            n,
            random.choice(["*/5 * * * *", "*/7 * * * *", "0 * * * *", "9-12 * * * *"]),
            random.choice([1, 45, 200, 800]),
            workspace_id=random.choice([HERE, THERE]),
            priority=random.choice([0, 5, 9]),
            lane=random.choice([None, "a"]),
            overlap=random.choice(OVERLAPS),
            jitter_s=random.choice([0, 40]),
        )
        for n in range(random.randint(1, 15))
    ]
    standing = [stands(n, random.choice(schedules)) for n in range(random.randint(0, 4))]
    caps = {"fleet": random.randint(1, 5), "lane:a": 2, f"workspace:{HERE}": random.randint(1, 4)}
    return World(NOW, caps, random.randint(1, 6), PLACES, schedules, standing)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_same_world_has_the_same_forecast_whatever_order_it_is_told_in(seed: int) -> None:
    given = randoms(seed)
    shuffled = replace(given, schedules=tuple(reversed(given.schedules)), standing=tuple(reversed(given.standing)))

    assert seen(given) == seen(given) == seen(shuffled)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_every_occurrence_is_a_firing_or_a_skip_and_no_cap_is_ever_passed(seed: int) -> None:
    given = randoms(seed)

    done = replay(given, 1.5)

    for it in given.schedules:
        assert it.cron
        late_by = jitter(it.id, it.jitter_s)
        named = occurrences(parse_cron(it.cron), ZoneInfo("UTC"), NOW, done.until - late_by, 1000)
        fired = [run.nominal_at for run in done.runs if run.schedule == it.id and run.nominal_at >= NOW]
        skipped = sum(count for (schedule, _), count in done.skips.items() if schedule == it.id)
        assert len(fired) + skipped == len([moment for moment in named if moment + late_by < done.until])
        assert len(fired) == len(set(fired))
    for limit in held(done).values():
        assert limit.occupancy.most_held <= limit.occupancy.cap
    assert alone(done)


def alone(done: Replay) -> bool:
    """Whether firings of a schedule that does not allow overlap ran one after the other."""
    stays: defaultdict[Any, list[tuple[int, int]]] = defaultdict(list)
    for run in done.runs:
        if run.alone and run.started is not None:
            stays[run.schedule].append((run.started, done.length if run.ended is None else run.ended))
    return all(a[1] <= b[0] for each in stays.values() for a, b in zip(sorted(each), sorted(each)[1:], strict=False))


def test_an_edit_is_seen_before_it_is_made_with_those_it_delays_and_better_minutes() -> None:
    early = plan(1, lasts_s=300, priority=1)
    victim = plan(2, "2 * * * *", 30, priority=9)
    moved = plan(3, "0 * * * *", 240)
    given = world(early, victim, replace(moved, cron="30 * * * *", next_run_at=at(10, 30)))

    found = preview(given, moved, 2.5)

    assert found.before is not None
    assert (found.before.mean_wait_s, found.before.firings) == (0, 3)
    assert found.after is not None
    assert (found.after.mean_wait_s, found.after.behind) == (300, ("s1",))
    assert [(it.name, it.before_s, it.after_s) for it in found.delayed] == [("s2", 180, 420)]
    assert len(found.offsets) == 3
    assert all(it.longest_wait_s == 0 for it in found.offsets)
    best = replace(moved, cron=found.offsets[0].cron, next_run_at=at(11, int(found.offsets[0].cron.split()[0])))
    assert preview(given, best, 2.5).after == replace(
        found.after, mean_wait_s=0, longest_wait_s=0, longest_wait_at=None, waits_for=None, behind=()
    )


def test_a_new_schedule_has_no_before_and_one_that_never_waits_no_offsets() -> None:
    found = preview(world(plan(1)), plan(2, "30 * * * *"), 3)

    assert (found.before, found.delayed, found.offsets) == (None, (), ())
    assert found.after is not None
    assert found.after.firings == 3
