"""Lines and text of any stream, in bounded memory."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.adapters.events import Usage
from workers.adapters.generic import event_of as generic
from workers.targets.hiding import Hider
from workers.targets.output import LONGEST_LINE, LONGEST_OBJECT, Lines, Tail


def lines_of(*chunks: bytes, objects_only: bool = False) -> list[tuple[bytes, bool]]:
    found: list[tuple[bytes, bool]] = []
    lines = Lines(lambda line, cut: found.append((line, cut)))
    lines.objects_only = objects_only
    for chunk in chunks:
        lines.feed(chunk)
    lines.end()
    return found


@given(st.lists(st.binary(max_size=20)), st.booleans())
def test_where_a_stream_is_cut_makes_no_difference(chunks: list[bytes], objects_only: bool) -> None:
    whole = b"".join(chunks)
    expected = [line.removesuffix(b"\r") for line in whole.split(b"\n")]
    if not expected[-1] and not whole.endswith(b"\r"):
        expected.pop()

    found = [line for line, _ in lines_of(*chunks, objects_only=objects_only)]

    assert [line.rstrip(b"\r") for line in found] == [
        line.rstrip(b"\r") for line in expected if not objects_only or line.startswith(b"{")
    ]


@pytest.mark.parametrize("size", [1, 1000, 65_536, 10_000_000])
def test_a_line_without_end_is_cut_and_the_next_one_is_whole(size: int) -> None:
    stream = b"x" * 3_000_000 + b"\nnext\n"

    found = lines_of(*(stream[at : at + size] for at in range(0, len(stream), size)) if size > 1 else (stream,))

    assert found == [(b"x" * LONGEST_LINE, True), (b"next", False)]


def test_of_a_secret_that_the_cut_of_a_long_line_goes_through_nothing_stays() -> None:
    """Names are shorter than what they hide: the cut was counted from where the line had ended."""
    found: list[bytes] = []
    secret = "0123456789abcdef" * 20

    Lines(lambda line, _: found.append(line), Hider({"K": secret})).feed((secret.encode() * 300)[: LONGEST_LINE + 1])

    assert b"0123" not in found[0]
    assert found[0].startswith(b"[K][K]")


def test_an_object_may_be_longer_than_a_line_of_log() -> None:
    long_object = b'{"type": "turn", "text": "' + b"x" * (LONGEST_OBJECT - 100) + b'"}'
    too_long = b'{"' + b"x" * LONGEST_OBJECT

    assert lines_of(long_object + b"\n") == [(long_object, False)]
    assert [cut for _, cut in lines_of(too_long + b"\n")] == [True]


@given(st.lists(st.binary(max_size=30)))
def test_the_tail_is_the_end_of_what_was_said(chunks: list[bytes]) -> None:
    tail = Tail(limit=50)
    for chunk in chunks:
        tail.add(chunk)

    whole = b"".join(chunks)
    text = tail.text()

    assert len(text.encode()) <= 50
    assert tail.dropped <= len(whole)
    assert whole.decode(errors="replace").replace("\0", "\ufffd").endswith(text)


def test_the_tail_never_begins_inside_a_character() -> None:
    tail = Tail(limit=10)
    tail.add("🐝".encode() * 5)

    assert tail.text() == "🐝🐝"
    assert tail.dropped == 12


@pytest.mark.parametrize(
    "usage",
    ["9", [], *({"input_tokens": count} for count in ("9", -1, 1.5, True, None, 10**30))],
)
def test_a_usage_that_makes_no_sense_counts_nothing(usage: object) -> None:
    event = generic(json.dumps({"type": "turn", "usage": usage}).encode())

    assert event is not None
    assert event.usage == Usage()
    assert event.turns == 1


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" {}",
        b"{",
        b"[]",
        b'"turn"',
        b"{}{}",
        b"{'type': 'turn'}",
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_no_object_is_no_event(line: bytes) -> None:
    assert generic(line) is None


@pytest.mark.parametrize("line", [b'{"type": ["turn"]}', b'{"type": {"turn": 1}}', b'{"type": null}', b"{}"])
def test_an_object_of_no_known_type_is_a_message(line: bytes) -> None:
    event = generic(line)

    assert event is not None
    assert (event.kind, event.turns) == ("message", 0)
