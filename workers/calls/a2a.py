"""The runner's part of the kind `a2a`: an agent asked through the official package of its protocol."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx
from a2a.client import A2ACardResolver, Client, ClientConfig, ClientFactory
from a2a.client.errors import A2AClientTimeoutError
from a2a.types import CancelTaskRequest, GetTaskRequest, Message, Part, Role, SendMessageRequest, Task, TaskState
from a2a.utils.errors import A2AError, InvalidParamsError, MethodNotFoundError, UnsupportedOperationError

from shared.rules.reasons import Reason
from workers.calls import doorman
from workers.calls.http import headers_of, reason_of_status
from workers.calls.runner import Done, Failure, Order, Voice, until_aborted

_POLL_S, _SLOWEST_POLL_S = 0.25, 5.0
# For what is asked of an agent that should end something, while the guard waits.
_CANCEL_S = 5.0
_TRIES = 5
_WAITING = (TaskState.TASK_STATE_INPUT_REQUIRED, TaskState.TASK_STATE_AUTH_REQUIRED)
_ENDS = {
    TaskState.TASK_STATE_FAILED: (None, "The agent failed"),
    TaskState.TASK_STATE_REJECTED: (Reason.BAD_TARGET, "The agent rejects this"),
    TaskState.TASK_STATE_CANCELED: (Reason.ABORTED, "Somebody cancelled it at the agent's"),
    TaskState.TASK_STATE_AUTH_REQUIRED: (Reason.AUTH_FAILED, "The agent asks for authentication"),
    TaskState.TASK_STATE_INPUT_REQUIRED: (Reason.BAD_TARGET, "The agent asks, and nobody is here to answer"),
}


def call(order: Order, voice: Voice) -> Done:
    """Calls it."""
    return until_aborted(_contained(order, voice))


async def _contained(order: Order, voice: Voice) -> Done:
    try:
        async with doorman.client(order.networks, _headers(order)) as http:
            client = await _client(http, order)
            if order.cancel is not None:
                await _cancel(client, order.cancel)
                return Done()
            return await _Talk(client, voice).have(order)
    except (doorman.NotOpen, doorman.NoSuchHost, doorman.TooLarge) as error:
        raise Failure(Reason.BAD_TARGET, str(error)) from error
    except (A2AError, httpx.HTTPError) as error:
        raise Failure(_reason(error), f"{type(error).__name__}: {error}") from error


def _headers(order: Order) -> dict[str, str]:
    return {**(order.target.get("headers") or {}), **headers_of(order.variables)}


async def _client(http: httpx.AsyncClient, order: Order) -> Client:
    base = order.target["url"]
    card = await A2ACardResolver(http, base).get_agent_card(relative_card_path=order.target.get("card_path"))
    for interface in card.supported_interfaces:
        if urlsplit(interface.url).hostname != urlsplit(base).hostname:
            # A card is what its owner writes: it must not carry our headers somewhere else.
            told = f"The agent's card points to another host, {interface.url}: give that one as the target's url."
            raise Failure(Reason.BAD_TARGET, told)
    try:
        return ClientFactory(ClientConfig(streaming=False, polling=True, httpx_client=http)).create(card)
    except ValueError as error:
        raise Failure(
            Reason.BAD_TARGET, f"The agent offers no JSON-RPC, which is what is spoken here: {error}"
        ) from error


@dataclass
class _Talk:
    """One message to an agent, and what comes of it."""

    client: Client
    voice: Voice
    heard: set[str] = field(default_factory=set[str])

    async def have(self, order: Order) -> Done:
        # The firing is the message: an agent that has seen it knows a retry by that.
        message = Message(message_id=order.variables["SLOTBEAT_FIRING_ID"], role=Role.ROLE_USER)
        message.parts.append(Part(text=order.prompt))
        message.metadata.update({name: value for name, value in order.variables.items() if value})
        async for told in self.client.send_message(SendMessageRequest(message=message)):
            if told.HasField("message"):
                self._hear(told.message)
                return Done(_text(told.message.parts))
            if told.HasField("task"):
                return await self._until_ended(told.task)
        raise Failure(Reason.TARGET_ERROR, "The agent answered neither with a message nor with a task.")

    async def _until_ended(self, task: Task) -> Done:
        self.voice.ref(task.id)
        pause_s = _POLL_S
        try:
            while (done := self._look(task)) is None:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 1.5, _SLOWEST_POLL_S)
                task = await self._again(task.id)
        except (asyncio.CancelledError, Exception) as error:
            # A task that waits for an answer, or can be asked after no more, would run beside the next attempt's.
            if not isinstance(error, Failure) or task.status.state in _WAITING:
                with suppress(Exception):
                    await asyncio.wait_for(_cancel(self.client, task.id), _CANCEL_S)
            raise
        return done

    async def _again(self, task: str) -> Task:
        """The task as it is by now; what a network loses once or twice is asked for again."""
        for last in range(1 - _TRIES, 1):
            try:
                return await self.client.get_task(GetTaskRequest(id=task))
            except (A2AError, httpx.HTTPError) as error:
                if last == 0 or _reason(error) != Reason.TARGET_ERROR:
                    raise
                await asyncio.sleep(_POLL_S * 4)
        raise AssertionError

    def _look(self, task: Task) -> Done | None:
        """What it has come to; None while it goes on."""
        said = [*task.history, *([task.status.message] if task.status.HasField("message") else [])]
        for message in said:
            if message.role != Role.ROLE_USER:
                self._hear(message)
        words = _text(task.status.message.parts)
        if task.status.state == TaskState.TASK_STATE_COMPLETED:
            parts = [part for artifact in task.artifacts for part in artifact.parts]
            return Done(_text(parts) or words)
        if task.status.state in _ENDS:
            reason, told = _ENDS[task.status.state]
            raise Failure(reason, f"{told}: {words or 'it said nothing more.'}")
        return None

    def _hear(self, message: Message) -> None:
        """Each message of the agent's is a turn, counted when it is first seen."""
        if message.message_id not in self.heard:
            self.heard.add(message.message_id)
            self.voice.say({"type": "turn", "text": _text(message.parts)})


async def _cancel(client: Client, task: str) -> None:
    await client.cancel_task(CancelTaskRequest(id=task))


def _text(parts: Iterable[Part]) -> str:
    return "\n".join(part.text for part in parts if part.HasField("text"))


def _reason(error: Exception) -> str | None:
    """What the chain of causes says; None where only the words are left."""
    seen: BaseException | None = error
    while seen is not None:
        status = seen.response.status_code if isinstance(seen, httpx.HTTPStatusError) else None
        status = status or getattr(seen, "status_code", None)
        if isinstance(status, int):
            return reason_of_status(status)
        if isinstance(seen, A2AClientTimeoutError | httpx.TimeoutException):
            return Reason.TIMEOUT
        if isinstance(seen, MethodNotFoundError | InvalidParamsError | UnsupportedOperationError):
            return Reason.BAD_TARGET
        if isinstance(seen, httpx.TransportError):
            return Reason.TARGET_ERROR
        seen = seen.__cause__ or seen.__context__
    return None
