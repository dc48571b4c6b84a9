"""When the cap may be raised, as a table."""

import pytest

from shared.rules.raising import Answer, Measured, may_raise


@pytest.mark.parametrize(
    ("seen", "answer", "needed"),
    [
        (Measured(100, 59_999, 49.9, 1999, 1), "yes", False),
        (Measured(100, 60_000, 49.9, 1999, 1), "yes", True),
        (Measured(100, 1, 50, 1999, 1), "no", False),
        (Measured(100, 1, 1, 2000, 1), "no", False),
        (Measured(100, 90_000, 1, 2500, 9), "no", True),
        (Measured(99, 1, 1, 1, 1), "unknown", False),
        (Measured(99, 1, 1, 2000, 1), "no", False),
        (Measured(0, None, None, None, 0), "unknown", False),
        (Measured(100, 1, None, None, 0), "unknown", False),
        (Measured(100, 1, 1, None, 0), "yes", False),
    ],
)
def test_a_higher_cap_is_for_who_waits_where_nobody_suffers(seen: Measured, answer: Answer, *, needed: bool) -> None:
    told = may_raise(seen)

    assert (told.answer, told.is_needed) == (answer, needed), told.words


def test_the_words_say_what_was_measured_and_what_the_bar_is() -> None:
    assert may_raise(Measured(100, 61_000, 12, None, 0)).words == (
        "it may be raised, for firings wait: slot wait p95 61.0 s (bar 60.0 s), keeper lag p99 12 ms (bar 50 ms)"
    )
