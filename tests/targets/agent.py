"""A real A2A agent, built with the protocol's own package: what it does is what it is asked to."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from a2a.helpers import new_task_from_user_message, new_text_message
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandlerV2
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import AgentCapabilities, AgentCard, AgentInterface, Part
from google.protobuf.json_format import MessageToDict
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.requests import Request
from starlette.responses import Response

from console.local.ports import free_port


@dataclass
class Seen:
    """What the agent was asked, and what it was told to end."""

    url: str
    messages: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    cancelled: list[str] = field(default_factory=list[str])
    # Requests to be answered with this status before the agent even sees them.
    refuse: list[int] = field(default_factory=list[int])


class Executor(AgentExecutor):
    """The first word of what it is asked says what it does."""

    def __init__(self, seen: Seen) -> None:
        self._seen = seen

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.message is not None
        self._seen.messages.append(MessageToDict(context.message))
        word, _, more = context.get_user_input().partition(" ")
        if word == "message":
            await event_queue.enqueue_event(new_text_message(f"at once: {more}"))
            return
        task = new_task_from_user_message(context.message)
        await event_queue.enqueue_event(task)
        updater = TaskUpdater(event_queue, task.id, task.context_id)
        await updater.start_work(new_text_message("I begin"))
        await self._work(word, more, updater)

    async def _work(self, word: str, more: str, updater: TaskUpdater) -> None:
        def words(text: str) -> Any:
            return updater.new_agent_message([Part(text=text)])

        match word:
            case "long":
                for number in range(int(more)):
                    await asyncio.sleep(0.3)
                    await updater.start_work(words(f"step {number}"))
                await updater.add_artifact([Part(text="the report")])
                await updater.complete(words("done"))
            case "fail":
                await updater.failed(words(more))
            case "reject":
                await updater.reject(words("not my work"))
            case "ask":
                await updater.requires_input(words("which one?"))
            case "auth":
                await updater.requires_auth(words("who are you?"))
            case _:
                await asyncio.sleep(60)

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.task_id is not None
        assert context.context_id is not None
        self._seen.cancelled.append(context.task_id)
        await TaskUpdater(event_queue, context.task_id, context.context_id).cancel()


@contextmanager
def agent(elsewhere: str | None = None) -> Iterator[Seen]:
    """The agent, serving in a thread; `elsewhere` is where its card points instead."""
    port = free_port()
    seen = Seen(f"http://127.0.0.1:{port}")
    interface = AgentInterface(url=elsewhere or f"{seen.url}/rpc", protocol_binding="JSONRPC", protocol_version="1.0")
    card = AgentCard(
        name="test agent",
        description="does what it is asked to",
        version="1",
        supported_interfaces=[interface],
        capabilities=AgentCapabilities(streaming=False),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
    )
    handler = DefaultRequestHandlerV2(Executor(seen), InMemoryTaskStore(), card)

    async def look(request: Request, go_on: Any) -> Response:
        seen.headers.append(dict(request.headers))
        if seen.refuse:
            return Response("no", status_code=seen.refuse.pop(0))
        return await go_on(request)

    app = Starlette(
        routes=[*create_agent_card_routes(card), *create_jsonrpc_routes(handler, "/rpc")],
        middleware=[Middleware(BaseHTTPMiddleware, dispatch=look)],
    )
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", timeout_graceful_shutdown=1))
    serving = threading.Thread(target=server.run)
    serving.start()
    try:
        while not server.started and serving.is_alive():
            serving.join(0.01)
        yield seen
    finally:
        server.should_exit = True
        serving.join()
