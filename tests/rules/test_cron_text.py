"""Which cron expressions are accepted, as what, and how the others are refused."""

import re

import pytest

from shared.rules.cron import ALIASES, parse_cron
from shared.rules.cron_fields import BadCron
from shared.rules.cron_pattern import pattern_of
from shared.rules.text import one_line

ACCEPTED = [
    ("* * * * *", "* * * * *"),
    ("0 0 29 2 *", "0 0 29 2 *"),
    ("0 0 31 2 1", "0 0 31 2 1"),
    ("0 0 1-31/2 * 1", "0 0 1-31/2 * 1"),
    ("0 0 * * 0-7", "0 0 * * 0-7"),
    ("* * * * 7", "* * * * 0"),
    ("0 0 * * 7#2", "0 0 * * 0#2"),
    ("0 0 * * l7", "0 0 * * L0"),
    ("0 0 l * *", "0 0 L * *"),
    ("0 0 15,L * *", "0 0 15,L * *"),
    ("0 0 * * L5", "0 0 * * L5"),
    ("0 0 15w * *", "0 0 15W * *"),
    ("0 0 * * 5#3", "0 0 * * 5#3"),
    ("0 0 * * SAT#1,sun#2", "0 0 * * sat#1,sun#2"),
    ("0 9 * JAN-mar Mon-FRI", "0 9 * jan-mar mon-fri"),
    ("0 9 * nov-feb sat-mon", "0 9 * nov-feb sat-mon"),
    ("0 0 ? * ?", "0 0 * * *"),
    ("10/5 3 * * *", "10/5 3 * * *"),
    ("0\t0 \n * *  *\r\n", "0 0 * * *"),
    ("  05 4 * * *\n", "05 4 * * *"),
    ("@daily", "@daily"),
    (" @Midnight ", "@midnight"),
    ("@HOURLY", "@hourly"),
]

FIVE, RANGE, STEP, SYNTAX = "cron_five_fields", "cron_range", "cron_step", "cron_syntax"
NEVER, UNSUPPORTED, CHARACTERS = "cron_never_fires", "cron_unsupported", "cron_characters"

REFUSED = [
    ("0 0 31 2 *", NEVER, "day-of-month"),
    ("0 0 30 2 *", NEVER, "day-of-month"),
    ("0 0 31 4,6,9,11 *", NEVER, "month"),
    ("* * * * * *", FIVE, "6 fields"),
    ("*/5 * * * * *", FIVE, "6 fields"),
    ("0 0 * * * 0 2099", FIVE, "7 fields"),
    ("0 12 * * 1-5 2099", FIVE, "6 fields"),
    ("* * * * * */0", FIVE, "6 fields"),
    ("* * * * *; rm -rf /", FIVE, "fields"),
    ("' OR 1=1; --", FIVE, "fields"),
    ("*", FIVE, "1 field,"),
    ("* * * *", FIVE, "4 fields"),
    ("null", FIVE, "1 field,"),
    ("R R * * *", SYNTAX, "minute"),
    ("0 R * * *", SYNTAX, "hour"),
    ("H H * * *", SYNTAX, "minute"),
    ("H(0-29)/10 * * * *", SYNTAX, "minute"),
    ("*/100000 * * * *", STEP, "minute"),
    ("*/" + "9" * 60 + " * * * *", SYNTAX, "minute"),
    ("*/60 * * * *", STEP, "1 to 59"),
    ("0 */24 * * *", STEP, "1 to 23"),
    ("0 0 * * */7", STEP, "1 to 6"),
    ("*/0 * * * *", STEP, "minute"),
    ("0 0 5L * *", SYNTAX, "L (the last day)"),
    ("0 0 LW * *", SYNTAX, "15W"),
    ("0 0 L-3 * *", SYNTAX, "day-of-month"),
    ("0 0 1W,15W * *", SYNTAX, "15W"),
    ("0 0 32W * *", RANGE, "day-of-month"),
    ("0 0 * * 5L", SYNTAX, "L5"),
    ("0 0 * * 5#6", SYNTAX, "fri#2"),
    ("0 0 * * 8#1", RANGE, "day-of-week"),
    ("0 0 * * 1,5#2", UNSUPPORTED, "day-of-week"),
    ("0 0 * * 1,L5", UNSUPPORTED, "day-of-week"),
    ("60 * * * *", RANGE, "0 to 59"),
    ("* 24 * * *", RANGE, "0 to 23"),
    ("* * 0 * *", RANGE, "1 to 31"),
    ("* * 32 * *", RANGE, "day-of-month"),
    ("* * * 13 *", RANGE, "month"),
    ("* * * 0 *", RANGE, "1 to 12 or jan to dec"),
    ("* * * * 8", RANGE, "day-of-week"),
    ("1-70 * * * *", RANGE, "minute"),
    ("0 22-2 * * *", RANGE, "22-23,0-2"),
    ("5-5 * * * *", RANGE, "write one value"),
    ("0 0 * * 7-0", RANGE, "write one value"),
    ("0 0 * * sat-mon/2", UNSUPPORTED, "list its values"),
    ("-1 * * * *", SYNTAX, "minute"),
    ("0,,5 * * * *", SYNTAX, "minute"),
    ("0 ,* * * *", SYNTAX, "hour"),
    ("0, * * * *", SYNTAX, "minute"),
    ("*,5 * * * *", SYNTAX, "stands alone"),
    ("1.5 * * * *", SYNTAX, "minute"),
    ("1e1 * * * *", SYNTAX, "minute"),
    ("+5 * * * *", SYNTAX, "minute"),
    ("0x5 * * * *", SYNTAX, "minute"),
    ("5_0 * * * *", SYNTAX, "minute"),
    ("% * * * *", SYNTAX, "minute"),
    ("0 0 * * MONDAY", SYNTAX, "day-of-week"),
    ("0 0 * mon *", SYNTAX, "month"),
    ("0 0 jan * *", SYNTAX, "day-of-month"),
    ("? * * * *", SYNTAX, "minute"),
    ("<script> * * * *", SYNTAX, "minute"),
    ("5" * 21 + " * * * *", SYNTAX, "minute"),
    ("٣ * * * *", CHARACTERS, "five fields"),
    ("５ * * * *", CHARACTERS, "five fields"),
    ("0\u00a00\u00a0*\u00a0*\u00a0*", CHARACTERS, "five fields"),
    ("0 0 * * *\x00", CHARACTERS, r"\x00"),
    ("0 0 * * \ud800", CHARACTERS, r"\ud800"),
    ("0 0 * * *\x1b[31m", CHARACTERS, r"\x1b[31m"),
    ("TZ=Europe/Paris 0 0 * * *", "cron_timezone", "field timezone"),
    ("CRON_TZ=UTC 0 0 * * *", "cron_timezone", "field timezone"),
    ("@reboot", "cron_alias", "@hourly"),
    ("@every 5m", "cron_alias", "@daily"),
    ("", "cron_empty", "five fields"),
    ("   \n", "cron_empty", "five fields"),
    ("0-59/1," * 5000 + "0 * * * *", "cron_too_long", "256"),
    (None, "cron_empty", "must be a text"),
    (5, "cron_empty", "must be a text"),
    (["*"], "cron_empty", "must be a text"),
    (b"* * * * *", "cron_empty", "must be a text"),
]


@pytest.mark.parametrize(("written", "kept"), ACCEPTED)
def test_an_accepted_expression_is_kept_in_one_spelling(written, kept):
    cron = parse_cron(written)

    assert cron.text == kept
    assert parse_cron(kept) == cron


@pytest.mark.parametrize(("written", "code", "says"), REFUSED, ids=lambda value: repr(value)[:30])
def test_a_refusal_names_the_field_a_code_and_an_example_that_works(written, code, says):
    with pytest.raises(BadCron) as refusal:
        parse_cron(written)

    assert (refusal.value.field, refusal.value.code) == ("cron", code)
    assert says in refusal.value.message
    assert refusal.value.message == str(refusal.value)
    assert len(refusal.value.message) < 400
    assert one_line(refusal.value.message) == refusal.value.message
    assert re.search("example|write", refusal.value.message, re.IGNORECASE)


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_names_the_same_minutes_as_its_five_fields(alias):
    assert parse_cron(alias.upper()).pattern == parse_cron(ALIASES[alias]).pattern


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("* * * * 7", "* * * * sun"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("0 0 * * fri-mon", "0 0 * * 0,1,5,6"),
        ("0 0 * nov-feb *", "0 0 * 1,2,11,12 *"),
        ("*/15 */6 * * *", "0,15,30,45 0,6,12,18 * * *"),
        ("50/4 1 * * *", "50,54,58 1 * * *"),
        ("59/15 1 * * *", "59 1 * * *"),
    ],
)
def test_two_spellings_of_one_pattern_are_one_pattern(one, other):
    assert parse_cron(one).pattern == parse_cron(other).pattern


def test_what_only_croniter_refuses_is_refused_in_our_words():
    with pytest.raises(BadCron, match="example"):
        pattern_of("0 0 * * 1,5#2")


def test_equal_texts_are_equal_and_hash_alike():
    assert {parse_cron("0 0 * * *"), parse_cron(" 0  0 * * * "), parse_cron("0 1 * * *")} == {
        parse_cron("0 0 * * *"),
        parse_cron("0 1 * * *"),
    }
