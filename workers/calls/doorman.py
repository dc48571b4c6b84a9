"""The way of calls to a network: a name is resolved once, each answer looked at, the checked one called."""

import asyncio
import ipaddress
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import httpx

from shared.rules.addresses import Address, is_open

LARGEST_ANSWER = 1024 * 1024
CONNECT_S = 10.0

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]


class NotOpen(Exception):
    """The address is none that a target may call; the message names the remedy."""


class NoSuchHost(Exception):
    """Nobody knows that name."""


class TooLarge(Exception):
    """The answer is larger than is read."""


async def resolved(host: str, port: int) -> list[str]:
    """What the system says that a name stands for."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise httpx.ConnectError(f"{host} cannot be resolved at the moment: {error}") from error
        raise NoSuchHost(f"There is no host {host}: {error}") from error
    return [str(place[0]) for *_, place in found]


class Doorman(httpx.AsyncBaseTransport):
    """Every request goes through here, also those that follow a redirect.

    The request's own host is what is resolved, so that no two parsers can disagree; TLS still asks for its name.
    """

    def __init__(self, networks: Sequence[str], resolve: Resolve = resolved, largest: int = LARGEST_ANSWER) -> None:
        self._networks, self._resolve, self._largest = networks, resolve, largest
        self._inner = httpx.AsyncHTTPTransport(retries=0)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        host, port = request.url.host, request.url.port or (443 if request.url.scheme == "https" else 80)
        places = self._checked(host, await self._resolve(host, port))
        request.extensions = {**request.extensions, "sni_hostname": host}
        for last, place in enumerate(places, 1 - len(places)):
            there = httpx.Request(
                request.method,
                request.url.copy_with(host=place),
                headers=request.headers,  # Host is the name that was asked for
                stream=request.stream,
                extensions=request.extensions,
            )
            try:
                answer = await self._inner.handle_async_request(there)
            except (httpx.ConnectError, httpx.ConnectTimeout):
                if last == 0:
                    raise
            else:
                assert isinstance(answer.stream, httpx.AsyncByteStream)
                answer.stream = _Bounded(answer.stream, self._largest)
                return answer
        raise NoSuchHost(f"There is no host {host}.")

    def _checked(self, host: str, answers: Sequence[str]) -> list[str]:
        """All answers, or none: one that is not open among them is a trick, or a mistake to be told."""
        found = list(dict.fromkeys(answers))
        for it in found:
            if not is_open(_number(it), self._networks):
                raise NotOpen(
                    f"{host} is {it}, which is not on the public internet: if targets may call it, its network must"
                    " be in SLOTBEAT_ALLOWED_NETWORKS of the workers."
                )
        return found

    async def aclose(self) -> None:
        await self._inner.aclose()


def client(networks: Sequence[str], headers: dict[str, str], **more: Any) -> httpx.AsyncClient:
    """A client behind the doorman: no proxies of the environment, no redirects, no wait without an end."""
    headers = {"User-Agent": "slotbeat", "Accept-Encoding": "identity", **headers}
    timeout = httpx.Timeout(None, connect=CONNECT_S)
    return httpx.AsyncClient(
        transport=Doorman(networks, **more), headers=headers, timeout=timeout, trust_env=False, follow_redirects=False
    )


class _Bounded(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, largest: int) -> None:
        self._inner, self._left, self._largest = inner, largest, largest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._left -= len(chunk)
            if self._left < 0:
                raise TooLarge(f"The answer is larger than {self._largest} bytes: answer less, or leave it elsewhere.")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


def _number(text: str) -> Address:
    return ipaddress.ip_address(text)
