"""What a health address's answers mean (RUN-6)."""

import pytest

from shared.rules.fitness import Answer, Verdict, is_final, judge, without_address

REFUSED, NO_HOST = Answer(trouble="refused"), Answer(trouble="unknown_host")
TIMEOUT, BROKEN = Answer(trouble="timeout"), Answer(trouble="broken")


@pytest.mark.parametrize(
    ("answers", "verdict"),
    [
        *[([Answer(status)], Verdict.FIT) for status in (200, 204, 299, 301, 399)],
        *[([Answer(status)], Verdict.DEAD) for status in (400, 401, 404, 410, 500, 502, 503, 599)],
        *[([Answer(status)], Verdict.TRANSIENT) for status in (408, 425, 429)],
        ([TIMEOUT], Verdict.TRANSIENT),
        ([BROKEN], Verdict.TRANSIENT),
        ([REFUSED, REFUSED], Verdict.DEAD),
        ([NO_HOST, NO_HOST], Verdict.DEAD),
        ([NO_HOST, REFUSED], Verdict.DEAD),
        ([REFUSED], Verdict.TRANSIENT),
        ([REFUSED, TIMEOUT], Verdict.TRANSIENT),
        ([REFUSED, BROKEN], Verdict.TRANSIENT),
        ([REFUSED, Answer(200)], Verdict.FIT),
        ([REFUSED, Answer(503)], Verdict.DEAD),
    ],
)
def test_only_who_says_no_or_is_not_there_twice_is_dead(answers: list[Answer], verdict: Verdict) -> None:
    assert judge(answers) is verdict


def test_only_who_was_not_there_is_asked_again() -> None:
    assert [it for it in (REFUSED, NO_HOST, TIMEOUT, BROKEN, Answer(200), Answer(503)) if not is_final(it)] == [
        REFUSED,
        NO_HOST,
    ]


def test_without_an_address_the_status_decides() -> None:
    statuses = ("online", "degraded", "failed")

    assert [without_address(it) for it in statuses] == [Verdict.UNKNOWN, Verdict.UNKNOWN, Verdict.DEAD]
