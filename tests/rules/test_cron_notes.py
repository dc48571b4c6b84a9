"""What is said about expressions that are accepted and may still surprise."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from shared.rules.cron import parse_cron
from shared.rules.cron_notes import notes

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("* * * * *", []),
        ("0 0 1 1 *", []),
        ("0 0 * * 0-7", []),
        ("0 0 31 2 1", ["cron_either_day"]),
        ("0 0 1-31/2 * 1", ["cron_either_day"]),
        ("0 0 15W * 5#3", ["cron_either_day"]),
        ("0 0 29 2 *", ["cron_rare"]),
    ],
)
def test_what_may_surprise_is_said(text, codes):
    assert [note.code for note in notes(parse_cron(text), ZoneInfo("UTC"), NOW)] == codes


def test_a_rare_schedule_says_when():
    (note,) = notes(parse_cron("0 0 29 2 *"), ZoneInfo("UTC"), NOW)

    assert note.words == "Its next occurrence is 2028-02-29, in 15 months."
