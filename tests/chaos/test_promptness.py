"""How the chaos run measures invariant 7, on waits that are made up."""

from collections import Counter

from tests.chaos.promptness import Pace, Phase, Wait, covered, judge, with_room

FLEET, LANE = "fleet", "lane:model"
CAPPED = {FLEET, LANE}


def test_there_is_room_for_a_firing_when_everybody_ahead_of_it_takes_his() -> None:
    line = [("a", [FLEET]), ("b", [FLEET, LANE]), ("c", [FLEET, LANE]), ("d", [FLEET, "workspace:uncapped"])]

    assert list(with_room(line, Counter({FLEET: 9, LANE: 1}), 9, CAPPED)) == ["a", "b", "d"]
    assert list(with_room(line, Counter({FLEET: 1, LANE: 1}), 9, CAPPED)) == ["a"]
    assert list(with_room(line, Counter({FLEET: 9, LANE: 9}), 2, CAPPED)) == ["a", "b"]
    assert list(with_room(line, Counter({FLEET: -1, LANE: 9}), 9, CAPPED)) == []


def test_time_in_which_a_fault_is_in_force_is_counted_once() -> None:
    assert covered(10, 20, []) == 0
    assert covered(10, 20, [(0, 12), (11, 13), (19, 30)]) == 4
    assert covered(10, 20, [(0, 30)]) == 10
    assert covered(10, 20, [(30, 40), (0, 5)]) == 0


def test_a_wait_is_late_when_it_is_longer_than_its_bound_without_the_faults_in_it() -> None:
    phase = Phase("calm", 100, 120, 2)
    waits = [Wait("early", 90, 101), Wait("late", 105, 108), Wait("later", 119, 130), Wait("outside", 130, 150)]

    [told] = judge([phase], waits, [], Pace())
    assert (told.longest_s, told.allowed_s) == (3, 2)
    assert [it.split()[2] for it in told.late] == ["late"]

    [told] = judge([phase], waits, [(105, 106.5)], Pace())
    assert told.longest_s == 1.5
    assert told.late == []


def test_a_slow_machine_is_given_what_its_slowness_costs_and_a_quick_one_nothing() -> None:
    quick = Pace.read("100 1.0 0.001\n101 1.0 0.002\n102 0.9 0.001\n103 1")
    slow = Pace.read("100 3.0 0.1\n101 5.0 0.5\n200 90 9\n")

    assert quick.allows(2, 100, 102) == 2.008
    assert slow.allows(2, 100, 102) == 2 + 3 + 4 * 0.5
    assert slow.allows(2, 400, 402) == 2
