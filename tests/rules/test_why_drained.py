"""Why a firing waits where a cap is 0, and where one is 0 only since it has started (OBS-3)."""

import pytest

from shared.rules.why.firing import why_firing
from shared.rules.why.waiting import Around
from tests.rules.test_why import HERE, before, fired, hold, tried

DRAINED = [
    ({"fleet": 0}, "", "the cap of the fleet is 0", "`slotbeat limit set fleet N`"),
    ({"fleet": 0}, "ann (upgrade)", "the fleet is paused by ann (upgrade)", "`slotbeat resume`"),
    ({"fleet": 2, f"workspace:{HERE}": 0}, "", "the cap of workspace here", "`slotbeat limit set workspace:here N`"),
    ({"fleet": 2, "lane:a model": 0}, "", "the cap of lane a model is 0", "`slotbeat limit set 'lane:a model' N`"),
]


@pytest.mark.parametrize(("caps", "paused", "words", "remedy"), DRAINED)
def test_a_cap_of_nothing_is_not_called_full(caps: dict[str, int], paused: str, words: str, remedy: str) -> None:
    """Also while something of before runs on."""
    waits = fired(status="queued", finished_at=None, lane="a model")
    around = Around([hold("A", 200)], caps, paused=paused)

    why = why_firing(waits, [], [], around)

    assert (why.code, why.steps[-1].code) == ("waits_for_drain", "drained")
    for told in (why.words, why.steps[-1].words):
        assert words in told
        assert remedy in told
        assert "full" not in told


def test_a_lane_of_nobody_is_not_in_the_way() -> None:
    why = why_firing(fired(status="queued", finished_at=None), [], [], Around([], {"fleet": 2, "lane:None": 0}))

    assert why.code == "waits_in_line"


def test_a_wait_of_the_past_does_not_blame_a_cap_that_is_0_now() -> None:
    it = fired(queued_at=before(100))

    why = why_firing(it, [tried(1, 40, 0)], [], Around([hold("A", 200, 40)], {"fleet": 0}))

    assert "while A ran, under another cap of the fleet than now" in why.words
    assert " is 0" not in why.words
