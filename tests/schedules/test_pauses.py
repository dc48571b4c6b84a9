"""What a pause takes, of one schedule or of the whole fleet, and how it ends (SCH-11)."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

from beat.pauses import end_pauses
from console.deeds import firings as deeds
from console.deeds import fleet
from shared.store import attempts, invariants, limits
from shared.store.connection import connect
from tests.schedules.conftest import NOON, World

HOUR = timedelta(hours=1)


def test_a_pause_until_a_moment_ends_by_itself_and_nothing_missed_is_fired(world: World) -> None:
    schedule = world.schedule()
    world.pause(schedule.id, note="too loud", until=NOON + 3.5 * HOUR)
    world.set(NOON + 3.4 * HOUR)
    world.beat()
    before = world.is_(schedule.id)

    world.set(NOON + 3.5 * HOUR)
    world.beat()

    assert (before, world.is_(schedule.id)) == ("paused", "active")
    assert world.fired(schedule.id) == []
    assert world.skips(schedule.id) == [(NOON + HOUR, NOON + 3 * HOUR, 3, "paused")]
    facts = "select next_run_at, paused_until, paused_by, pause_note from schedules where id = %s"
    assert world.all(facts, schedule.id) == [(NOON + 4 * HOUR, None, None, None)]
    logged = "select actor, request_body ->> 'paused_by' from activity_logs where type = 'schedule_resumed'"
    assert world.all(logged) == [("slotbeat", "me")]
    world.set(NOON + 4 * HOUR)
    world.beat()
    assert world.fired(schedule.id) == [NOON + 4 * HOUR]


def test_who_pauses_what_is_paused_until_a_moment_means_for_as_long_as_they_say(world: World) -> None:
    ends, stays, sooner = world.schedule("ends"), world.schedule("stays"), world.schedule("sooner")
    for it in (ends, stays, sooner):
        world.pause(it.id, note="too loud", until=NOON + 3 * HOUR)

    world.pause(stays.id)
    world.pause(sooner.id, note="loud", until=NOON + 2 * HOUR)
    for _ in range(2):
        world.pause(stays.id)
    asked = "select count(*) from activity_logs where type = 'schedule_paused' and schedule_id = %s"
    counts = [world.one(asked, it.id) for it in (ends, stays, sooner)]
    after: list[list[str]] = []
    for hours in (2, 3):
        world.set(NOON + hours * HOUR)
        world.beat()
        after.append([world.is_(it.id) for it in (ends, stays, sooner)])

    assert after == [["paused", "paused", "active"], ["active", "paused", "active"]]
    assert counts == [1, 2, 2]
    assert world.all("select pause_note, paused_until from schedules where id = %s", stays.id) == [("too loud", None)]


def test_a_persons_pause_takes_the_place_of_a_streaks_and_what_is_set_aside_stays_so(world: World) -> None:
    streak, aside = world.schedule("streak"), world.schedule("aside")
    paused = "update schedules set status = 'paused', paused_by = 'slotbeat', paused_reason = %s where id = %s"
    world.rows.execute(paused, ["failure_streak", streak.id])
    world.rows.execute(paused, ["quarantined", aside.id])

    for it in (streak, aside):
        world.pause(it.id, note="mine", until=NOON + HOUR)

    found = world.all("select paused_reason, paused_by, pause_note, paused_until from schedules order by name")
    assert found == [(reason, "me", "mine", NOON + HOUR) for reason in ("quarantined", "manual")]


def test_a_pause_whose_end_is_hindered_ends_later_and_its_schedule_is_not_set_aside(
    world: World, database_url: str
) -> None:
    """By a migration that has a table, a deadlock, a timeout: nothing is wrong with the schedule."""
    schedule = world.schedule()
    world.pause(schedule.id, until=NOON + HOUR)
    world.set(NOON + HOUR)
    world.rows.execute("set lock_timeout = '50ms'")

    with connect(database_url) as theirs, theirs.transaction():
        theirs.execute("lock table skips in exclusive mode")
        end_pauses(world.admission)
    hindered = world.is_(schedule.id), world.all("select paused_reason from schedules")
    world.beat()

    assert hindered == ("paused", [("manual",)])
    assert world.is_(schedule.id) == "active"
    assert world.all("select kind from alerts") == []


def test_what_a_pause_held_goes_on_with_its_end(world: World) -> None:
    schedule = world.schedule()
    world.set(NOON + HOUR)
    world.beat()
    world.pause(schedule.id, until=NOON + 2 * HOUR)
    held = waiting(world)

    world.set(NOON + 2 * HOUR)
    world.beat()

    assert (held, waiting(world)) == (0, 1)
    assert world.fired(schedule.id) == [NOON + HOUR]


def test_what_people_put_in_line_is_held_by_a_pause_and_all_of_it_goes_on_with_its_end(world: World) -> None:
    """SCH-11: the one that a person waits for is no other firing than those of its times."""
    schedule = world.schedule()
    asked = [deeds.execute(world.admission, schedule.id, {}, deeds.How(False, True, "me")) for _ in range(2)]
    world.pause(schedule.id)
    claimer = attempts.Claimer({"id": "w1"}, None, world.one("select number from epoch"), timedelta(minutes=1))

    held = [attempts.claim(world.rows, it, uuid4(), claimer) for it in asked]
    world.admission.ask(lambda gate: gate.withdraw(asked))
    world.resume(schedule.id)

    assert held == [attempts.Refused("held", None)] * 2
    assert waiting(world) == 2


def test_what_runs_once_and_whose_moment_came_in_its_pause_ends_with_it(world: World) -> None:
    schedule = world.schedule("once", kind="once", cron=None, run_at=(NOON + HOUR).isoformat())
    world.pause(schedule.id, until=NOON + 2 * HOUR)

    world.set(NOON + 2 * HOUR)
    world.beat()

    assert world.is_(schedule.id) == "archived"
    assert world.skips(schedule.id) == [(NOON + HOUR, NOON + HOUR, 1, "paused")]
    assert world.all("select type from activity_logs where type like 'schedule_e%%'") == [("schedule_ended",)]


def test_a_pause_that_cannot_be_ended_sets_its_schedule_aside_and_stops_no_other(world: World) -> None:
    """SCH-2."""
    bad, good = world.schedule("bad"), world.schedule("good")
    for it in (bad, good):
        world.pause(it.id, until=NOON + HOUR)
    world.all("update schedules set cron = 'whatever' where id = %s returning id", bad.id)

    world.set(NOON + HOUR)
    world.beat()

    assert (world.is_(bad.id), world.is_(good.id)) == ("paused", "active")
    assert world.one("select paused_reason from schedules where id = %s", bad.id) == "quarantined"
    assert world.all("select kind, schedule_id from alerts") == [("quarantined", bad.id)]
    assert end_pauses(world.admission) == 0


def test_a_person_who_resumes_records_what_the_pause_took(world: World) -> None:
    schedule = world.schedule()
    world.set(NOON + HOUR + timedelta(seconds=1))  # due, and no beat has seen it
    world.pause(schedule.id)
    world.set(NOON + 2 * HOUR)

    world.resume(schedule.id)

    assert world.skips(schedule.id) == [(NOON + HOUR, NOON + 2 * HOUR, 2, "paused")]


def test_a_paused_fleet_skips_what_comes_due_and_starts_nothing_not_even_by_force(world: World) -> None:
    schedule = world.schedule()
    world.set(NOON + HOUR)
    world.beat()
    fleet.pause(world.admission, "migration", "ada")
    told = fleet.pause(world.admission, "again", "bob")

    world.set(NOON + 2 * HOUR)
    world.beat()

    assert (told.paused_by, told.note, told.cap) == ("ada", "migration", 2)
    assert world.skips(schedule.id) == [(NOON + 2 * HOUR, NOON + 2 * HOUR, 1, "paused")]
    assert world.one("select detail from skips") == "the fleet was paused"
    [firing] = [it for (it,) in world.all("select id from firings")]
    claim = "select answer from claim_firing(%s, gen_random_uuid(), (select number from epoch), '{}', null, '1 min')"
    assert world.one(claim, firing) == "draining"
    assert [it.cap for it in world.admission.ask(lambda gate: gate.usage()).limits] == [0]

    fleet.resume(world.admission, "ada")
    fleet.resume(world.admission, "ada")

    assert limits.caps(world.rows) == {"fleet": 2}
    assert [it.cap for it in world.admission.ask(lambda gate: gate.usage()).limits] == [2]
    assert world.one(claim, firing) == "claimed"
    deeds = world.all("select type, actor from activity_logs where type like 'fleet%%' order by type")
    assert deeds == [("fleet_paused", "ada"), ("fleet_resumed", "ada")]
    assert invariants.broken(world.rows) == []


def test_what_came_while_the_fleet_was_paused_stays_skipped_also_where_no_beat_was_up(world: World) -> None:
    schedule = world.schedule(missed="all", overlap="queue_all")
    world.set(NOON + 1.5 * HOUR)
    fleet.pause(world.admission, None, "me")
    world.set(NOON + 3.5 * HOUR)
    fleet.resume(world.admission, "me")
    world.set(NOON + 4 * HOUR)

    world.beat()

    assert world.fired(schedule.id) == [NOON + HOUR, NOON + 4 * HOUR]
    assert world.skips(schedule.id) == [(NOON + 2 * HOUR, NOON + 3 * HOUR, 2, "paused")]


def test_runs_that_remain_are_not_used_up_by_what_the_pause_took(world: World) -> None:
    schedule = world.schedule(remaining_runs=1)
    fleet.pause(world.admission, None, "me")
    world.set(NOON + HOUR)
    world.beat()
    fleet.resume(world.admission, "me")
    world.set(NOON + 2 * HOUR)

    world.beat()

    assert world.fired(schedule.id) == [NOON + 2 * HOUR]
    assert world.is_(schedule.id) == "archived"


def test_a_cap_that_is_set_while_the_fleet_is_paused_counts_when_it_resumes(world: World) -> None:
    fleet.pause(world.admission, None, "me")

    changed = [world.admission.set_cap("fleet", cap, "me") for cap in (2, 5)]
    meanwhile = limits.caps(world.rows)
    fleet.resume(world.admission, "me")

    assert changed == [False, True]
    assert (meanwhile, limits.caps(world.rows)) == ({"fleet": 0}, {"fleet": 5})
    assert invariants.broken(world.rows) == []


def waiting(world: World) -> Any:
    return world.admission.ask(lambda gate: gate.usage()).waiting
