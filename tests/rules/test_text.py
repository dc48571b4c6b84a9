"""Text from outside is storable and showable, whatever it holds (SCH-4, SEC-3)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.rules.text import MAX_DEPTH, clean, clean_json, one_line

ANY_TEXT = st.text(st.characters(codec=None), max_size=50)  # surrogates too
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT | st.binary(max_size=20)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT | st.integers(), inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("plain ünï 🙂", "plain ünï 🙂"),
        (b"plain \xc3\xbc", "plain ü"),
        (b"a\x80b", "a\ufffdb"),
        (b"a\xffb", "a\ufffdb"),
        (b"cut \xf0\x9f\x99", "cut \ufffd"),
        (b"\xed\xa0\x80", "\ufffd" * 3),
        ("lone \ud800 and \udcff", "lone \ufffd and \ufffd"),
        ("nul \x00", "nul \ufffd"),
        (b"nul \x00", "nul \ufffd"),
        ("tab\tand\nline stay", "tab\tand\nline stay"),
    ],
)
def test_what_cannot_be_stored_becomes_the_replacement_character(given_text, kept):
    assert clean(given_text) == kept


@given(ANY_TEXT)
def test_clean_text_is_utf_8_without_nul_and_stays_as_it_is(text):
    cleaned = clean(text)

    assert b"\x00" not in cleaned.encode()
    assert clean(cleaned) == cleaned
    assert len(cleaned) == len(text)


@given(ANYTHING)
def test_any_value_becomes_json_that_postgres_takes(value):
    cleaned = clean_json(value)

    text = json.dumps(cleaned, allow_nan=False, ensure_ascii=False)
    assert b"\\u0000" not in text.encode()
    assert clean_json(json.loads(text)) == cleaned


def test_what_was_sound_is_left_as_it_was():
    value = {"a": [1, 2.5, True, None, "text"], "b": {"c": []}}

    assert clean_json(value) == value


def test_keys_are_cleaned_at_every_depth():
    assert clean_json({"a\x00": [{"\ud800": "x\x00"}], 5: b"\xff"}) == {
        "a\ufffd": [{"\ufffd": "x\ufffd"}],
        "5": "\ufffd",
    }


@pytest.mark.parametrize(
    ("number", "kept"),
    [
        (float("nan"), "NaN"),
        (float("inf"), "Infinity"),
        (float("-inf"), "-Infinity"),
        (1e308, 1e308),
        (True, True),
        (10**20000, "an integer of 66439 bits"),
    ],
    ids=["nan", "infinity", "minus", "large", "true", "too long to print"],
)
def test_a_number_that_json_does_not_have_is_named(number, kept):
    assert clean_json(number) == kept


def test_a_value_may_be_as_deep_as_the_limit_and_not_deeper():
    value = "bottom"
    for _ in range(100_000):
        value = [value]

    cleaned = clean_json(value)
    for _ in range(MAX_DEPTH):
        assert isinstance(cleaned, list)
        cleaned = cleaned[0]

    assert cleaned == "…"
    assert clean_json([["x"]], depth=2) == [["x"]]
    assert clean_json([["x"]], depth=1) == ["…"]


def test_what_json_does_not_know_becomes_its_text():
    assert clean_json((1, {2}, b"three")) == [1, "{2}", "three"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ünï 👩‍🚀", "plain ünï 👩‍🚀"),
        ("two\nlines\r\n", r"two\nlines\r\n"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b31m", r"\x9b31m"),
        ("bell\x07 del\x7f", r"bell\x07 del\x7f"),
        ("safe\u202egnp.exe", r"safe\u202egnp.exe"),
        ("\u2066isolated\u2069", r"\u2066isolated\u2069"),
        ("line\u2028separator", r"line\u2028separator"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("lone \ud800", r"lone \ud800"),
        (b"raw \xff\x1b", "raw \ufffd\\x1b"),
    ],
)
def test_what_moves_a_terminal_shows_as_an_escape(text, shown):
    assert one_line(text) == shown


@given(ANY_TEXT)
def test_one_line_is_one_line_that_can_be_written(text):
    shown = one_line(text)

    shown.encode()
    assert len(shown.splitlines()) <= 1
    assert not any(ord(character) < 32 or 0x7F <= ord(character) < 0xA0 for character in shown)


def test_a_long_text_is_cut_and_says_so():
    assert one_line("abcdef", 4) == "abc…"
    assert one_line("abcd", 4) == "abcd"
