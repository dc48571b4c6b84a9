"""The API of a server that runs elsewhere, over HTTP."""

import json
import ssl
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import httpx

from console.cli.failures import Failure, of_answer
from console.cli.once import ONCE


class Remote:
    """A transport over sockets; events come as they happen."""

    def __init__(self, address: str, headers: Mapping[str, str], timeout_s: float, *, proxied: bool) -> None:
        self._address = address
        self._headers = dict(headers)
        trusted = _trusted() if address.startswith("https:") else False
        self._client = httpx.Client(timeout=timeout_s, trust_env=proxied, verify=trusted)

    def send(self, request: httpx.Request) -> httpx.Response:
        """The answer, or a Failure where nobody answers."""
        try:
            try:
                return self._client.send(request)
            except httpx.TransportError:
                if ONCE not in request.headers:
                    raise
                return self._client.send(request)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error

    def follow(self, path: str) -> Iterator[dict[str, Any]]:
        """Server-sent events, taken up again where a connection broke."""
        last = ""
        for _ in range(5):
            try:
                for seen in self._stream(path, last):
                    last = seen.get("id", last)
                    if seen["event"] == "end":
                        return
                    yield seen["data"]
            except httpx.TransportError:
                continue
        raise Failure(f"The events of {self._address} broke off again and again. Look at its log.")

    def close(self) -> None:
        """Closes the connections."""
        self._client.close()

    def _stream(self, path: str, last: str) -> Iterator[dict[str, Any]]:
        headers = {**self._headers, "Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        with self._client.stream("GET", self._address + path, headers=headers) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise of_answer(answer.status_code, json.loads(answer.read() or b"{}"))
            fields: dict[str, Any] = {}
            for line in answer.iter_lines():
                name, _, value = line.partition(": ")
                if not line and "event" in fields:
                    yield {**fields, "data": json.loads(fields["data"])}
                    fields = {}
                elif name:
                    fields[name] = value

    def _unreachable(self, error: httpx.TransportError) -> Failure:
        why = "did not answer in time" if isinstance(error, httpx.TimeoutException) else "cannot be reached"
        if "SSL" in str(error):
            known = "CERTIFICATE_VERIFY_FAILED" in str(error)
            remedy = "Name its CA's file in SSL_CERT_FILE." if known else "Check SLOTBEAT_URL: http or https?"
            return Failure(f"{self._address} cannot be reached by TLS: {error}. {remedy}")
        return Failure(f"{self._address} {why}. Is it running? Start it with `slotbeat up`, or set SLOTBEAT_URL.")


def _trusted() -> ssl.SSLContext:
    """Whom SSL_CERT_FILE or SSL_CERT_DIR names, else the web's authorities; and whom this host trusts."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context
