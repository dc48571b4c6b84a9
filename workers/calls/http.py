"""The runner's part of the kind `http`: one request that carries the prompt; its answer is the result."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus

import httpx

from shared.rules.reasons import Reason
from workers.calls import doorman
from workers.calls.runner import Done, Failure, Order, Voice, until_aborted

_MOST_REDIRECTS = 5
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
    except (doorman.NotOpen, doorman.NoSuchHost) as error:
        raise Failure(Reason.BAD_TARGET, str(error)) from error
    except doorman.TooLarge as error:
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
    text = (await answer.aread()).decode(answer.encoding or "utf-8", errors="replace")
    return _done(text) if kind.endswith("json") else Done(text)


async def _follow(answer: httpx.Response, voice: Voice) -> Done:
    """A stream of events, each counted as it comes, so that it is ended when it goes too far."""
    async for line in _lines(answer):
        voice.say(line)
    return Done()


async def _lines(answer: httpx.Response) -> AsyncIterator[str]:
    async for line in answer.aiter_lines():
        data = line.removeprefix("data:").strip()
        if data.startswith("{"):
            yield data


def _done(text: str) -> Done:
    """An answer that is an object may tell what it used, and which part of it is the result."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return Done(text)
    if not isinstance(said, dict):
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
    text = (await answer.aread()).decode("utf-8", errors="replace")[:2000]
    known = {it.value: it.phrase for it in HTTPStatus}.get(status, "")
    after = answer.headers.get("retry-after")
    later = f" (to be tried again after {after})" if after else ""
    return Failure(reason_of_status(status), f"HTTP {status} {known}{later}: {text}".strip())
