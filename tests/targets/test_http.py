"""The kind `http`: real requests to a real server, and the ways in which it refuses to be sent elsewhere (RUN-2)."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from shared.rules.allowed import Allowed
from tests.targets.conftest import HERE, VARIABLES, Asked, Called, Ear, order, run, terms
from workers.calls import doorman, http
from workers.calls.runner import Done, Failure
from workers.guards import Guards


def call(target: dict[str, Any], **more: Any) -> tuple[Done | Failure, Ear]:
    ear = Ear()
    try:
        return asyncio.run(http._call(order("http", target, **more), ear)), ear  # pyright: ignore[reportArgumentType]
    except Failure as error:
        return error, ear


def failed(target: dict[str, Any], **more: Any) -> tuple[str | None, str]:
    told, _ = call(target, **more)
    assert isinstance(told, Failure)
    return told.reason, str(told)


def test_a_call_carries_prompt_headers_and_who_it_is(called: Called) -> None:
    """RUN-2, and what interfaces.md promises a payload to see."""
    called.answer = lambda _: (201, {"Content-Type": "text/plain"}, "fertig ✓".encode())

    told, _ = call({"url": f"{called.url}/run?a=b", "headers": {"X-Mine": "yes", "Slotbeat-Token": "999"}})

    assert told == Done("fertig ✓")
    [asked] = called.asked
    assert (asked.method, asked.path, json.loads(asked.body)) == ("POST", "/run?a=b", {"prompt": "do it"})
    assert asked.headers["x-mine"] == "yes"
    assert asked.headers["host"] == called.url.removeprefix("http://")
    assert asked.headers["idempotency-key"] == VARIABLES["SLOTBEAT_FIRING_ID"]
    for name in ("installation", "firing-id", "attempt", "token", "workspace", "nominal-at"):
        assert asked.headers[f"slotbeat-{name}"] == VARIABLES[f"SLOTBEAT_{name.upper().replace('-', '_')}"]
    assert asked.headers["slotbeat-schedule"].isascii()


def test_body_method_and_place_of_the_prompt_are_the_targets(called: Called) -> None:
    call({"url": called.url, "method": "PUT", "body": {"a": [1]}, "prompt_field": "input"})
    call({"url": called.url, "method": "GET"})

    assert [(it.method, it.body and json.loads(it.body)) for it in called.asked] == [
        ("PUT", {"a": [1], "input": "do it"}),
        ("GET", b""),
    ]


def test_an_answer_may_tell_what_it_used(called: Called) -> None:
    body = {"result": {"ok": True}, "turns": 3, "usage": {"input_tokens": 5, "cost_micros": 7}}
    called.answer = lambda _: (200, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(body).encode())

    told, _ = call({"url": called.url})

    assert told == Done('{"ok": true}', 3, body["usage"])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("kind", ["application/x-ndjson", "text/event-stream"])
def test_an_answer_that_is_a_stream_is_heard_event_by_event(kind: str, called: Called) -> None:
    lead = "data: " if kind.startswith("text") else ""
    events = [{"type": "turn"}, {"type": "turn", "usage": {"output_tokens": 2}}, {"type": "result", "result": "x"}]
    body = ": hello\n" + "".join(f"{lead}{json.dumps(it)}\n\n" for it in events)
    called.answer = lambda _: (200, {"Content-Type": kind}, body.encode())

    told, ear = call({"url": called.url})

    assert told == Done()
    assert ear.said == events


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "bad_target"), (401, "auth_failed"), (402, "budget_exceeded"), (403, "auth_failed"), (404, "bad_target"),
     (408, "timeout"), (409, "target_error"), (422, "bad_target"), (429, "rate_limited"), (500, "target_error"),
     (503, "target_error"), (504, "timeout"), (529, "rate_limited"), (599, "target_error"), (304, "bad_target")],
)  # fmt: skip
def test_what_is_not_2xx_has_a_reason(status: int, reason: str, called: Called) -> None:
    called.answer = lambda _: (status, {"Retry-After": "20"}, b"" if status == 304 else b"no such luck")

    found, error = failed({"url": called.url})

    assert found == reason
    assert str(status) in error
    assert status == 304 or "no such luck" in error


def test_an_answer_is_read_up_to_a_megabyte(called: Called) -> None:
    called.answer = lambda _: (200, {}, b"x" * (doorman.LARGEST_ANSWER + 1))

    reason, error = failed({"url": called.url})

    assert (reason, "larger than" in error) == ("bad_target", True)


def test_the_deadline_is_for_all_of_it(called: Called) -> None:
    called.hold.clear()

    assert failed({"url": called.url, "timeout_s": 0.2})[0] == "timeout"


def test_a_server_that_is_not_there_may_be_back_later() -> None:
    assert failed({"url": "http://127.0.0.1:1/"})[0] == "target_error"


# Where it may not go ------------------------------------------------------------------------------------


def test_a_redirect_is_followed_on_its_own_host_as_what_it_was(called: Called) -> None:
    def answer(asked: Asked) -> tuple[int, dict[str, str], bytes]:
        return (200, {}, b"there") if asked.path == "/b" else (307, {"Location": "/b"}, b"")

    called.answer = answer

    told, _ = call({"url": f"{called.url}/a"})

    assert told == Done("there")
    assert [(it.method, it.path, it.body) for it in called.asked] == [
        ("POST", "/a", b'{"prompt":"do it"}'),
        ("POST", "/b", b'{"prompt":"do it"}'),
    ]


@pytest.mark.parametrize(
    ("status", "where"),
    [(307, "http://localhost:{port}/b"), (308, "http://127.0.0.1:1/"), (302, "http://169.254.169.254/latest"),
     (301, "/b"), (302, "/b"), (303, "/b"), (307, "//evil.example/"), (307, "/a"), (307, "gopher://127.0.0.1/")],
)  # fmt: skip
def test_a_redirect_elsewhere_or_without_its_body_or_in_a_circle_is_refused(
    status: int, where: str, called: Called
) -> None:
    port = called.url.rpartition(":")[2]
    called.answer = lambda it: (
        (200, {}, b"") if it.path == "/b" else (status, {"Location": where.format(port=port)}, b"")
    )

    reason, error = failed({"url": f"{called.url}/a"})

    assert reason in ("bad_target", "target_error")
    assert "address" in error or "scheme" in error.lower()
    assert {it.path for it in called.asked} == {"/a"}


def test_what_is_not_open_is_not_called(called: Called) -> None:
    reason, error = failed({"url": called.url}, networks=[])

    assert (reason, "SLOTBEAT_ALLOWED_NETWORKS" in error) == ("bad_target", True)
    assert called.asked == []


def ask(host: str, port: str, answers: list[list[str]], networks: Sequence[str]) -> tuple[httpx.Response, int]:
    """One request of a name that stands for what the test says, one answer a lookup."""
    looked = 0

    async def resolve(_host: str, _port: int) -> list[str]:
        nonlocal looked
        looked += 1
        return answers[looked - 1]

    async def one() -> httpx.Response:
        async with doorman.client(networks, {}, resolve=resolve) as client:
            return await client.get(f"http://{host}:{port}/")

    return asyncio.run(one()), looked


def test_a_name_is_resolved_once_and_the_checked_address_is_called(called: Called) -> None:
    """Rebinding: the second answer, which would be another, is never asked for."""
    port = called.url.rpartition(":")[2]

    answer, looked = ask("agent.example", port, [["127.0.0.1"], ["10.0.0.1"]], HERE)

    assert (answer.status_code, looked) == (200, 1)
    assert called.asked[0].headers["host"] == f"agent.example:{port}"


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1", "10.0.0.1"], ["10.0.0.1", "127.0.0.1"],
     ["93.184.216.34", "169.254.169.254"], ["::ffff:10.0.0.1"], ["64:ff9b::7f00:1"],
     ["2002:7f00:1::"], ["fe80::1%1"]],
)  # fmt: skip
def test_one_answer_that_is_not_open_closes_all(answers: list[str], called: Called) -> None:
    port = called.url.rpartition(":")[2]

    with pytest.raises(doorman.NotOpen, match="SLOTBEAT_ALLOWED_NETWORKS"):
        ask("agent.example", port, [answers], HERE)

    assert called.asked == []


def test_the_proxies_of_the_worker_are_not_those_of_its_targets(
    called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    assert call({"url": called.url})[0] == Done("done")


# Under a guard ------------------------------------------------------------------------------------------


def test_a_stream_that_takes_a_turn_too_many_is_ended(guards: Guards, called: Called) -> None:
    """RUN-5, for a target that is called: as it is exceeded, not when the answer ends."""
    line = b'{"type": "turn"}\n'
    headers = {"Content-Type": "application/x-ndjson", "Content-Length": str(len(line) * 1000)}
    called.answer = lambda _: (200, headers, line * 4)  # and then nothing more comes, for it is kept waiting

    outcome, events = run(guards, {"kind": "http", "url": called.url}, terms(max_turns=3))

    assert (outcome.reason, outcome.turns) == ("turn_limit_exceeded", 4)
    assert [it.kind for it in events].count("turn") == 4


def test_a_secret_goes_out_but_not_into_the_record(
    guards: Guards, called: Called, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AGENT_KEY", 'hunter2-"long"-enough')
    called.answer = lambda it: (401, {}, f"bad key: {it.headers['authorization']}".encode())
    target = {"kind": "http", "url": called.url, "headers": {"Authorization": {"$env": "AGENT_KEY"}}}

    outcome, events = run(guards, target, terms(allowed=Allowed(networks=HERE, secrets=("AGENT_*",))))

    assert outcome.reason == "auth_failed"
    assert called.asked[0].headers["authorization"] == 'hunter2-"long"-enough'
    assert "bad key: [AGENT_KEY]" in (outcome.error or "")
    assert "hunter2" not in repr((outcome, events))
