"""The way of calls to a network: a name is resolved once, each answer looked at, the checked one called."""

import asyncio
import ipaddress
import socket
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import httpx

from shared.rules.addresses import Address, is_open

LARGEST_ANSWER = 1024 * 1024
CONNECT_S = 10.0
_PACKED = ("gzip", "x-gzip", "deflate")

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
                packing = answer.headers.pop("content-encoding", "identity").strip().lower()
                answer.stream = _Bounded(answer.stream, self._largest, packing)
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
    """An answer up to its bound, which holds for what comes out of it: a thousandth of that can be sent packed."""

    def __init__(self, inner: httpx.AsyncByteStream, largest: int, packing: str) -> None:
        self._inner, self._left, self._largest = inner, largest, largest
        self._packing = packing
        self._unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32) if packing in _PACKED else None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self._unpacker is None and self._packing not in ("", "identity"):
            raise httpx.RemoteProtocolError(f"It answers packed as {self._packing}, which it was asked not to do.")
        async for chunk in self._inner:
            said = self._unpacked(chunk)
            self._left -= len(said)
            if self._left < 0:
                raise TooLarge(f"The answer is larger than {self._largest} bytes: answer less, or leave it elsewhere.")
            yield said

    def _unpacked(self, chunk: bytes) -> bytes:
        if self._unpacker is None:
            return chunk
        try:
            return self._unpacker.decompress(chunk, self._left + 1)
        except zlib.error as error:
            raise httpx.RemoteProtocolError(f"Its answer cannot be unpacked: {error}") from error

    async def aclose(self) -> None:
        await self._inner.aclose()


def _number(text: str) -> Address:
    return ipaddress.ip_address(text)
