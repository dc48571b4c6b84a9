"""What any client of HTTP may try: HEAD, a method that an address does not take, no Accept, a + in a query."""

from typing import Any

import pytest
from anyio import run as run_async
from anyio.lowlevel import checkpoint
from starlette.types import Message, Receive, Scope, Send

from console.api.heads import Heads
from tests.console.conftest import Api
from tests.console.test_api_firings import complete, run


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/api/schedules", "/api/docs", "/"])
def test_head_answers_as_get_does_without_the_body(api: Api, path: str) -> None:
    head, get = api.client.head(path), api.client.get(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["Content-Type"] == get.headers["Content-Type"]


def test_head_of_what_is_not_there_is_no_method_refused(api: Api) -> None:
    assert api.client.head("/api/nowhere").status_code == 404
    assert api.client.head("/api/pause/nowhere").status_code == 404
    assert api.client.head("/api/schedules/preview").status_code == 422


def test_head_of_a_stream_ends_at_once(api: Api) -> None:
    first, _ = api.fill(api.workspace())
    run(api, first)

    answer = api.client.head(f"/api/firings/{first}/events", timeout=5)

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Content-Type"].startswith("text/event-stream")


def test_nothing_goes_on_behind_the_head_of_a_stream() -> None:
    async def endless(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        while True:
            await send({"type": "http.response.body", "body": b"more", "more_body": True})
            await checkpoint()

    async def unasked() -> Message:
        raise AssertionError

    heard: list[Message] = []

    async def hear(message: Message) -> None:
        heard.append(message)
        assert len(heard) < 10, "it goes on"

    run_async(Heads(endless), {"type": "http", "method": "HEAD"}, unasked, hear)

    assert [it["type"] for it in heard] == ["http.response.start", "http.response.body"]
    assert heard[1] == {"type": "http.response.body", "body": b""}


@pytest.mark.parametrize(
    ("method", "path", "taken"),
    [
        ("PATCH", "/api/workspaces", {"HEAD", "GET", "POST"}),
        ("GET", "/api/limits/fleet", {"PUT", "DELETE"}),
        ("DELETE", "/api/settings/max_concurrent", {"HEAD", "GET", "PUT"}),
        ("OPTIONS", "/healthz", {"HEAD", "GET"}),
    ],
)
def test_a_method_that_is_refused_is_told_which_ones_are_taken(
    api: Api, method: str, path: str, taken: set[str]
) -> None:
    answer = api.ask(method, path)

    assert (answer.status_code, answer.json()["error"]) == (405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == taken


@pytest.mark.parametrize(
    ("asks", "kind"),
    [
        ({}, "text/event-stream"),
        ({"headers": {"Accept": "text/event-stream, application/json;q=0.5"}}, "text/event-stream"),
        ({"headers": {"Accept": "application/json"}}, "application/json"),
        ({"params": {"limit": 5}}, "application/json"),
    ],
)
def test_what_a_firing_said_is_a_stream_unless_a_list_is_asked_for(api: Api, asks: dict[str, Any], kind: str) -> None:
    first, _ = api.fill(api.workspace())
    complete(api, first, run(api, first))

    answer = api.client.get(f"/api/firings/{first}/events", **asks)

    assert answer.headers["Content-Type"].partition(";")[0] == kind
