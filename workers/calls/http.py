"""The runner's part of the kind `http`: one request that carries the prompt; its answer is the result."""

import asyncio
import json
import math
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any

import httpx

from shared.clock import now
from shared.rules.reasons import Reason
from shared.rules.text import clean_json
from workers.calls import doorman
from workers.calls.runner import Done, Failure, Order, Voice, until_aborted

_MOST_REDIRECTS = 5
_MOST_WORDS, _WORDS_S = 2000, 5.0
_STREAMS = ("application/x-ndjson", "application/jsonl", "text/event-stream")
_REASONS = {
    401: Reason.AUTH_FAILED,
    402: Reason.BUDGET_EXCEEDED,
    403: Reason.AUTH_FAILED,
    407: Reason.AUTH_FAILED,
    408: Reason.TIMEOUT,
    409: Reason.TARGET_ERROR,
    423: Reason.TARGET_ERROR,
    425: Reason.TARGET_ERROR,
    429: Reason.RATE_LIMITED,
    504: Reason.TIMEOUT,
    529: Reason.RATE_LIMITED,
}


def headers_of(variables: Mapping[str, str]) -> dict[str, str]:
    """What every callee is told: the variables as headers, and the firing as the key of a retry."""
    told = {name.replace("_", "-").title(): value for name, value in variables.items() if value}
    # A name may be in any script; a header may not.
    plain = {name: value.encode("ascii", "backslashreplace").decode() for name, value in told.items()}
    return {**plain, "Idempotency-Key": variables["SLOTBEAT_FIRING_ID"]}


def reason_of_status(status: int) -> Reason:
    """What an answer other than 2xx means: a request that is wrong does not heal, a server may."""
    return _REASONS.get(status) or (Reason.TARGET_ERROR if status >= 500 else Reason.BAD_TARGET)


def call(order: Order, voice: Voice) -> Done:
    """Calls it."""
    return until_aborted(_call(order, voice))


async def _call(order: Order, voice: Voice) -> Done:
    limit_s = order.target.get("timeout_s")
    try:
        async with asyncio.timeout(limit_s), doorman.client(order.networks, {}) as client:
            return await _ask(client, order, voice)
    except TimeoutError:
        raise Failure(Reason.TIMEOUT, f"It did not answer within {limit_s} s.") from None
    except (doorman.NotOpen, doorman.NoSuchHost, doorman.TooLarge) as error:
        raise Failure(Reason.BAD_TARGET, str(error)) from error
    except httpx.TimeoutException as error:
        raise Failure(Reason.TIMEOUT, f"{type(error).__name__}: {error}") from error
    except (httpx.TransportError, httpx.InvalidURL) as error:
        raise Failure(Reason.TARGET_ERROR, f"{type(error).__name__}: {error}") from error


async def _ask(client: httpx.AsyncClient, order: Order, voice: Voice) -> Done:
    request = _request(client, order)
    for _ in range(_MOST_REDIRECTS + 1):
        answer = await client.send(request, stream=True)
        try:
            if answer.next_request is None:
                return await _read(answer, voice)
            request = _onward(answer, answer.next_request)
        finally:
            await answer.aclose()
    raise Failure(Reason.BAD_TARGET, f"It redirects more than {_MOST_REDIRECTS} times: give its final address.")


def _request(client: httpx.AsyncClient, order: Order) -> httpx.Request:
    target = order.target
    method = target.get("method") or "POST"
    headers = {**(target.get("headers") or {}), **headers_of(order.variables)}
    body = target.get("body")
    if body is None and method != "GET":
        body = {"prompt": order.prompt}
    elif isinstance(body, dict) and target.get("prompt_field"):
        body = {**body, target["prompt_field"]: order.prompt}
    return client.build_request(method, target["url"], headers=headers, json=body)


def _onward(answer: httpx.Response, following: httpx.Request) -> httpx.Request:
    """A redirect is followed on its own host only, and only as what it was: a POST stays one, with its body."""
    was, to = answer.request.url, following.url
    if (to.host, to.scheme, to.port) != (was.host, was.scheme, was.port) and (to.host, to.scheme) != (
        was.host,
        "https",
    ):
        told = f"It redirects to {to.scheme}://{to.host}, and another host is not followed: give its final address."
        raise Failure(Reason.BAD_TARGET, told)
    if following.method != answer.request.method:
        told = f"It redirects a {answer.request.method} so that it would lose its body: give its final address."
        raise Failure(Reason.BAD_TARGET, told)
    return following


async def _read(answer: httpx.Response, voice: Voice) -> Done:
    if not answer.is_success:
        raise await _failure(answer)
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in _STREAMS:
        return await _follow(answer, voice)
    text = _text(await answer.aread(), answer.encoding)
    return _done(text) if kind.endswith("json") else Done(text)


async def _follow(answer: httpx.Response, voice: Voice) -> Done:
    """A stream of events, each counted as it comes, so that it is ended when it goes too far."""
    async for line in _lines(answer):
        data = line.decode(errors="replace").removeprefix("data:").strip()
        if data.startswith("{"):
            said = clean_json(_object(data))
            voice.say(said if isinstance(said, dict) else data)
    return Done()


async def _lines(answer: httpx.Response) -> AsyncIterator[bytes]:
    """By ends of lines alone: what else separates lines for Python may stand inside a string of JSON."""
    rest = bytearray()
    async for chunk in answer.aiter_bytes():
        rest += chunk.replace(b"\r", b"\n")
        if b"\n" in chunk or b"\r" in chunk:
            *lines, rest = rest.split(b"\n")
            for line in lines:
                yield bytes(line)
    yield bytes(rest)


def _text(said: bytes, encoding: str | None) -> str:
    try:
        return said.decode(encoding or "utf-8", errors="replace")
    except LookupError:  # one that Python knows, and not of text
        return said.decode(errors="replace")


def _object(text: str) -> dict[str, Any] | None:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _done(text: str) -> Done:
    """An answer that is an object may tell what it used, and which part of it is the result."""
    said = _object(text)
    if said is None:
        return Done(text)
    result = said.get("result", text)
    turns, usage = said.get("turns"), said.get("usage")
    return Done(
        result if isinstance(result, str) else json.dumps(result, ensure_ascii=False),
        turns if isinstance(turns, int) else 0,
        usage if isinstance(usage, dict) else {},
    )


async def _failure(answer: httpx.Response) -> Failure:
    status = answer.status_code
    text = await _first_words(answer)
    known = {it.value: it.phrase for it in HTTPStatus}.get(status, "")
    after = answer.headers.get("retry-after", "").strip()
    later = f" (to be tried again after {after})" if after else ""
    error = f"HTTP {status} {known}{later}: {text}".strip()
    return Failure(reason_of_status(status), error, seconds_of(after, answer.headers.get("date")))


def seconds_of(after: str, date: str | None) -> int:
    """The pause that a Retry-After asks for, of seconds or until a moment by the clock of who answers; 0 for none."""
    if re.fullmatch(r"[0-9]{1,9}", after):
        return int(after)
    try:
        until = parsedate_to_datetime(after)
        pause = until - (parsedate_to_datetime(date) if date else now())
    except (ValueError, TypeError, OverflowError):
        return 0
    return max(0, math.ceil(pause.total_seconds()))


async def _first_words(answer: httpx.Response) -> str:
    """A few are enough; an end that breaks, drips or never comes does not take away what the status has told."""
    said = bytearray()
    with suppress(httpx.HTTPError, doorman.TooLarge, TimeoutError):
        async with asyncio.timeout(_WORDS_S):
            async for chunk in answer.aiter_bytes():
                said += chunk
                if len(said) > _MOST_WORDS:
                    break
    return said.decode("utf-8", errors="replace")[:_MOST_WORDS]
