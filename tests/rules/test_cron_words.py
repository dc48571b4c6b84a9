"""Cron expressions in words."""

import random

import pytest

from shared.rules.cron import ALIASES, parse_cron
from shared.rules.cron_words import describe
from tests.rules.test_cron_clock import _expression


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("* * * * *", "every minute"),
        ("*/1 * * * *", "every minute"),
        ("*/15 * * * *", "every 15 minutes"),
        ("30 * * * *", "at minute 30 of every hour"),
        ("0,20 * * * *", "at minutes 0 and 20 of every hour"),
        ("5/10 * * * *", "at minutes each 10th of 5 and later of every hour"),
        ("@hourly", "at minute 0 of every hour"),
        ("@daily", "at 00:00"),
        ("30 9 * * mon-fri", "at 09:30 on Monday to Friday"),
        ("0 9,17 * * *", "at 09:00 and 17:00"),
        ("0 */2 * * *", "at minute 0 every 2 hours"),
        ("*/10 9-17 * * 1-5", "at every 10 minutes of hours 9 to 17 on Monday to Friday"),
        ("* 3 * * *", "every minute of hour 3"),
        ("0 0 1 * *", "at 00:00 on day 1 of the month"),
        ("0 0 L * *", "at 00:00 on the last day of the month"),
        ("0 0 15W * *", "at 00:00 on the weekday nearest day 15"),
        ("0 0 * * 5#3", "at 00:00 on the third Friday of the month"),
        ("0 0 * * L5", "at 00:00 on the last Friday of the month"),
        ("0 0 1 * 7", "at 00:00 on day 1 of the month or on Sunday"),
        ("@yearly", "at 00:00 on day 1 of the month in January"),
        ("0 3 * 6,jul sat#1,sun#2", "at 03:00 on the first Saturday of the month and the second Sunday of the month"
         " in June and July"),
    ],
)  # fmt: skip
def test_an_expression_is_told_in_words(text, words):
    assert describe(parse_cron(text)) == words


def test_every_expression_has_words_of_its_own_kind():
    choose = random.Random(7)
    texts = [_expression(choose) for _ in range(500)] + list(ALIASES)

    for text in texts:
        words = describe(parse_cron(text))
        assert words.startswith(("at ", "every "))
        assert "  " not in words
