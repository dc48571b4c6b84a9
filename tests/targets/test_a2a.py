"""The kind `a2a`, against a real agent built with the protocol's own package (RUN-3)."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest

from shared.rules.allowed import Allowed
from shared.store.remote import Left
from tests.targets.agent import Seen, agent
from tests.targets.conftest import HERE, VARIABLES, Ear, order, terms
from tests.waiting import until
from workers.adapters.events import Event
from workers.calls import a2a
from workers.calls.runner import Done, Failure
from workers.guards import Guards
from workers.outcome import Outcome
from workers.remote import cancel_left
from workers.targets import execute


@pytest.fixture(scope="module")
def asked() -> Iterator[Seen]:
    with agent() as seen:
        yield seen


def call(url: str, prompt: str, **more: Any) -> tuple[Done | Failure, Ear]:
    ear = Ear()
    try:
        return asyncio.run(a2a._contained(order("a2a", {"url": url}, prompt, **more), ear)), ear  # pyright: ignore[reportArgumentType]
    except Failure as error:
        return error, ear


def test_an_agent_that_answers_at_once_is_done_at_once(asked: Seen) -> None:
    told, ear = call(asked.url, "message hello")

    assert told == Done("at once: hello")
    assert [it["type"] for it in ear.said] == ["turn"]
    assert ear.refs == []
    message = asked.messages[-1]
    assert message["messageId"] == VARIABLES["SLOTBEAT_FIRING_ID"], "a retry is known by it"
    assert message["metadata"]["SLOTBEAT_TOKEN"] == "7"
    assert message["metadata"]["SLOTBEAT_SCHEDULE"] == "nächtlich"
    assert asked.headers[-1]["idempotency-key"] == VARIABLES["SLOTBEAT_FIRING_ID"]
    assert not any("user" in name and name != "user-agent" for name in asked.headers[-1]), "no caller id"


def test_a_long_task_is_asked_after_until_it_ends(asked: Seen) -> None:
    told, ear = call(asked.url, "long 2")

    assert told == Done("the report")
    assert len(ear.refs) == 1
    assert {it["text"] for it in ear.said} == {"I begin", "step 0", "step 1", "done"}
    assert len(ear.said) == 4, "each message of the agent's is one turn"


@pytest.mark.parametrize(
    ("prompt", "reason", "words", "is_cancelled"),
    [
        ("fail 429 Too Many Requests", None, "429 Too Many Requests", False),
        ("reject", "bad_target", "not my work", False),
        ("ask", "bad_target", "which one?", True),
        ("auth", "auth_failed", "who are you?", True),
    ],
)
def test_an_agent_that_does_not_do_it_is_a_failure_with_its_reason(
    prompt: str, reason: str | None, words: str, is_cancelled: bool, asked: Seen
) -> None:
    told, ear = call(asked.url, prompt)

    assert isinstance(told, Failure)
    assert (told.reason, words in str(told)) == (reason, True)
    assert (ear.refs[0] in asked.cancelled) is is_cancelled, "what waits for somebody is not left waiting"


@pytest.mark.parametrize(("status", "reason"), [(401, "auth_failed"), (429, "rate_limited"), (500, "target_error")])
def test_an_agent_behind_a_door_that_is_closed(status: int, reason: str, asked: Seen) -> None:
    asked.refuse[:] = [status]

    told, _ = call(asked.url, "message hello")

    assert isinstance(told, Failure)
    assert told.reason == reason


def test_a_poll_that_fails_once_or_twice_is_made_again(asked: Seen) -> None:
    asked.refuse[:] = []

    class Breaks(Ear):
        def ref(self, ref: str) -> None:
            super().ref(ref)
            asked.refuse[:] = [503, 502]

    ear = Breaks()
    told = asyncio.run(a2a._contained(order("a2a", {"url": asked.url}, "long 1"), ear))  # pyright: ignore[reportArgumentType]

    assert told == Done("the report")
    assert asked.refuse == []


def test_a_task_that_can_be_asked_after_no_more_is_cancelled(asked: Seen) -> None:
    """The next attempt begins another one: the two would run side by side."""

    class Breaks(Ear):
        def ref(self, ref: str) -> None:
            super().ref(ref)
            asked.refuse[:] = [403]

    ear = Breaks()
    with pytest.raises(Failure):
        asyncio.run(a2a._contained(order("a2a", {"url": asked.url}, "long 30"), ear))  # pyright: ignore[reportArgumentType]

    assert ear.refs[0] in asked.cancelled


def test_what_is_no_agent_is_a_bad_target(asked: Seen) -> None:
    told, _ = call(f"{asked.url}/nothing/here", "message hello")

    assert isinstance(told, Failure)
    assert told.reason == "bad_target"


def test_an_agent_on_a_network_that_is_not_open_is_not_called(asked: Seen) -> None:
    before = len(asked.headers)

    told, _ = call(asked.url, "message hello", networks=[])

    assert isinstance(told, Failure)
    assert (told.reason, len(asked.headers)) == ("bad_target", before)


def test_a_card_does_not_carry_our_headers_to_another_host() -> None:
    with agent(elsewhere="http://127.0.0.2:1/rpc") as seen:
        told, _ = call(seen.url, "message hello")

    assert isinstance(told, Failure)
    assert (told.reason, "another host" in str(told)) == ("bad_target", True)


def test_a_task_that_a_lost_worker_left_behind_is_cancelled_by_its_reference(guards: Guards, asked: Seen) -> None:
    class Vanished(Exception):
        pass

    class Lost(Ear):
        def ref(self, ref: str) -> None:
            super().ref(ref)
            raise Vanished

    ear = Lost()
    with pytest.raises(Vanished):
        asyncio.run(a2a._contained(order("a2a", {"url": asked.url}, "hang"), ear))  # pyright: ignore[reportArgumentType]

    left = Left(7, UUID(VARIABLES["SLOTBEAT_FIRING_ID"]), 1, ear.refs[0], {"kind": "a2a", "url": asked.url})
    told = cancel_left(left, guards, VARIABLES["SLOTBEAT_INSTALLATION"], Allowed(networks=HERE))

    assert (told.reason, told.error) == (None, None)
    assert ear.refs[0] in asked.cancelled


def test_an_abort_cancels_the_task_at_the_agents_and_a_turn_too_many_is_an_abort(guards: Guards, asked: Seen) -> None:
    """RUN-5: the whole way, under a guard."""
    events: list[Event] = []
    ended: list[Outcome] = []
    within = terms(max_turns=1)

    def go() -> None:
        target = {"kind": "a2a", "url": asked.url}
        ended.append(execute(target, "long 30", within, guards, events.extend))

    running = threading.Thread(target=go)
    running.start()
    running.join(45)

    # A turn may have come between the one too many and the end.
    assert ended[0].reason == "turn_limit_exceeded"
    assert (ended[0].turns or 0) >= 2
    assert ended[0].remote_ref
    until(lambda: ended[0].remote_ref in asked.cancelled)
