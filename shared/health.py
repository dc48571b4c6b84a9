"""Asks a workspace's health address whether it is fit, within a bounded time."""

import asyncio
import errno
import re
import socket
import ssl
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from shared.clock import monotonic
from shared.rules.fitness import Answer, Verdict, is_final, judge, without_address

_AGAIN_AFTER_S = 0.2
_REFUSED = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})
_STATUS = re.compile(rb"HTTP/1\.[01] ([1-5][0-9][0-9])[ \r\n]")
_Told = TypeVar("_Told")


@dataclass(frozen=True)
class Health:
    """What was found, in one word and in a sentence; `asked` is the address without what may be a secret."""

    verdict: Verdict
    detail: str
    asked: str | None = None
    http_status: int | None = None
    duration_ms: int | None = None


async def examine(status: str, health_url: str | None, within_s: float) -> Health:
    """Asks by GET, and once more where nobody was there; whatever happens, in `within_s` all in all."""
    if health_url is None:
        verdict = without_address(status)
        return Health(verdict, f"its status is {status}, and it has no health_url that could be asked")
    began, answers = monotonic(), list[Answer]()
    try:
        async with asyncio.timeout(within_s):
            while not answers or (len(answers) == 1 and not is_final(answers[0])):
                if answers:
                    await asyncio.sleep(_AGAIN_AFTER_S)
                answers.append(await _ask(health_url))
    except TimeoutError:
        answers.append(Answer(trouble="timeout"))
    took_ms = round((monotonic() - began) * 1000)
    last = answers[-1]
    return Health(judge(answers), _words(last, within_s), shown(health_url), last.status, took_ms)


async def _ask(url: str) -> Answer:
    """One GET, of which nothing is read but the status, so that the address tells no secret of its network.

    By hand: an HTTP client takes longer to import than a preflight may take, and would follow redirects and
    proxies, where what is to be asked is the address that somebody wrote down.
    """
    parts = urlsplit(url)
    try:
        where = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
        reader, writer = await _connect(*where, ssl.create_default_context() if parts.scheme == "https" else None)
    except socket.gaierror:
        return Answer(trouble="unknown_host")
    except (OSError, ValueError) as error:
        return Answer(trouble="refused" if getattr(error, "errno", None) in _REFUSED else "broken")
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: slotbeat\r\nConnection: close\r\n\r\n".encode()
        )
        found = _STATUS.match(await reader.readline())
        return Answer(trouble="broken") if found is None else Answer(status=int(found[1]))
    except (OSError, ValueError):
        return Answer(trouble="broken")
    finally:
        writer.transport.abort()


async def _connect(
    host: str, port: int, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """To the first of its addresses that takes it; the last one's error where none does."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for at, (_, _, _, _, address) in enumerate(found, 1):
        try:
            name = host if context is not None else None
            return await asyncio.open_connection(str(address[0]), port, ssl=context, server_hostname=name)
        except OSError:
            if at == len(found):
                raise
    raise OSError(errno.EHOSTUNREACH, "no address")


_WORDS = {
    "refused": "nobody listens there",
    "unknown_host": "there is no such host",
    "broken": "the connection broke before an answer",
}


def _words(last: Answer, within_s: float) -> str:
    if last.status is not None:
        return f"it answered {last.status}"
    return _WORDS.get(last.trouble or "", f"no answer within {within_s:g} s")


def shown(url: str) -> str:
    """An address as it may be shown: without the query, in which tokens are."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def run(question: Coroutine[Any, Any, _Told]) -> _Told:
    """Its answer, in a thread without a loop; does not wait for a name server that nobody waits for any more."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(question)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
