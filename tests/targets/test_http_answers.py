"""The kind `http`: answers that are large, packed, broken or slow, and what is still known of them."""

import gzip
import json
from typing import Any

import httpx
import pytest

from shared.rules.allowed import Allowed
from tests.targets.conftest import HERE, Answer, Called, run, terms
from tests.targets.test_http import call, failed
from workers.calls import doorman, http
from workers.calls.runner import Done
from workers.guards import Guards

STREAM = {"Content-Type": "application/x-ndjson"}


def gives(called: Called, *answer: Any) -> None:
    told: Answer = answer  # pyright: ignore[reportAssignmentType]
    called.answer = lambda _: told


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({}, b"no such luck" + b"x" * doorman.LARGEST_ANSWER),
        ({"Content-Length": "9000"}, b"no such luck"),
        ({"Content-Encoding": "gzip"}, b"no such luck"),
    ],
)
def test_the_status_of_a_failure_stands_whatever_its_words_are(
    headers: dict[str, str], body: bytes, called: Called
) -> None:
    """A page too large made `bad_target`, which is never tried again, of a server that was busy."""
    gives(called, 503, headers, body)

    reason, error = failed({"url": called.url})

    assert reason == "target_error"
    assert "HTTP 503" in error
    assert ("no such luck" in error) is ("Content-Encoding" not in headers)


def test_a_packed_answer_is_unpacked_up_to_the_same_bound(called: Called) -> None:
    gives(called, 200, {"Content-Encoding": "gzip"}, gzip.compress(b"said"))
    assert call({"url": called.url})[0] == Done("said")

    gives(called, 200, {"Content-Encoding": "gzip"}, gzip.compress(b"x" * 50_000_000))
    assert failed({"url": called.url})[0] == "bad_target"


@pytest.mark.parametrize("packing", ["gzip", "gzip, gzip", "br"])
def test_what_cannot_be_unpacked_is_the_servers_error(packing: str, called: Called) -> None:
    gives(called, 200, {"Content-Encoding": packing}, b"not packed at all")

    assert failed({"url": called.url})[0] == "target_error"


def test_an_encoding_that_is_none_of_text_is_read_all_the_same(called: Called) -> None:
    gives(called, 200, {"Content-Type": "text/plain; charset=rot13"}, b"said")

    assert call({"url": called.url})[0] == Done("said")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_of_a_stream_ends_where_json_says_so(end: str, called: Called) -> None:
    """U+2028 ends a line for Python, and stands in strings that models write: turns went uncounted."""
    events = [{"type": "turn", "text": "a\u2028b\x85c"}, {"type": "turn", "usage": {"output_tokens": 2}}]
    gives(called, 200, STREAM, end.join(json.dumps(it, ensure_ascii=False) for it in events).encode())

    assert call({"url": called.url})[1].said == events


def test_a_secret_that_json_escapes_is_hidden_in_a_stream_too(
    guards: Guards, called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_KEY", 'hunter2-"long"-enough')
    gives(called, 200, STREAM, json.dumps({"type": "log", "text": 'it is hunter2-"long"-enough'}).encode())
    target = {"kind": "http", "url": called.url, "headers": {"Authorization": {"$env": "AGENT_KEY"}}}

    _, events = run(guards, target, terms(allowed=Allowed(networks=HERE, secrets=("AGENT_*",))))

    assert "it is [AGENT_KEY]" in repr(events)
    assert "hunter2" not in repr(events)


def test_a_long_result_in_any_script_is_kept_with_what_it_used(guards: Guards, called: Called) -> None:
    """As ASCII it was longer than a line may be: result and usage were lost."""
    said = {"result": "報告" * 150_000, "turns": 2, "usage": {"output_tokens": 9}}
    body = json.dumps(said, ensure_ascii=False).encode()
    gives(called, 200, {"Content-Type": "application/json"}, body)

    outcome, _ = run(guards, {"kind": "http", "url": called.url})

    assert (outcome.reason, outcome.turns, outcome.output_tokens) == (None, 2, 9)
    assert outcome.result == "報告" * (64 * 1024 // 2)


@pytest.mark.parametrize(
    ("told", "pause_s"),
    [
        ({"Retry-After": "120"}, 120),
        ({"Retry-After": "Fri, 20 Nov 2026 10:01:30 GMT", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 90),
        ({"Retry-After": "Fri, 20 Nov 2026 09:00:00 GMT", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 0),
        ({"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, 0),
        ({"Retry-After": "-5"}, 0),
        ({"Retry-After": "1e99"}, 0),
        ({"Retry-After": "Fri, 20 Nov 2026 10:01:30 -0000"}, 0),
        ({"Retry-After": "٣"}, 0),
        ({}, 0),
    ],
)
def test_the_pause_that_a_callee_asks_for_is_heard(told: dict[str, str], pause_s: int) -> None:
    headers = httpx.Headers(list(told.items()), encoding="utf-8")

    assert http.seconds_of(headers.get("retry-after", ""), headers.get("date")) == pause_s


def test_that_pause_reaches_the_outcome(guards: Guards, called: Called) -> None:
    gives(called, 429, {"Retry-After": "120"}, b"slow down")

    outcome, events = run(guards, {"kind": "http", "url": called.url})

    assert (outcome.reason, outcome.retry_after_s) == ("rate_limited", 120)
    assert events[-1].data["retry_after_s"] == 120
