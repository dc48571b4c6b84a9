"""The API in this process, for when no server runs: only databases are needed."""

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import httpx

from console.api.application import close, make_app
from console.cli.failures import Failure, of_answer
from shared import settings as knobs

_LOOK_EVERY_S = 0.3
_ENDED = ("completed", "failed", "cancelled")


class Inside:
    """A transport that calls the application directly."""

    def __init__(self) -> None:
        try:
            self._app = make_app(knobs.addresses(), replace(knobs.read(), require_token=False))
        except knobs.NoAddress as error:
            raise Failure(f"{error}.") from error
        # What goes wrong is told in the answer; the log is for servers.
        logging.getLogger("slotbeat").addHandler(logging.NullHandler())
        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport)
        self._runner = asyncio.Runner()

    def send(self, request: httpx.Request) -> httpx.Response:
        """The answer of the application."""
        return self._runner.run(self._client.send(request))

    def follow(self, path: str) -> Iterator[dict[str, Any]]:
        """Events as they are found in the rows, until the firing has ended."""
        cursor = None
        while True:
            # The status first: what was said before the end is there when the end is seen.
            status = self._get(path.removesuffix("/events"), {})["status"]
            part = self._get(path, {"limit": 200, **({"cursor": cursor} if cursor else {})})
            yield from part["items"]
            if part["items"]:
                cursor = self._behind(part["items"][-1])
            elif status in _ENDED:
                return
            else:
                time.sleep(_LOOK_EVERY_S)

    def close(self) -> None:
        """Gives every connection back."""
        self._runner.run(self._client.aclose())
        close(self._app)
        self._runner.close()

    def _get(self, path: str, query: dict[str, Any]) -> Any:
        answer = self.send(httpx.Request("GET", f"http://localhost{path}", params=query))
        if answer.status_code != HTTPStatus.OK:
            raise of_answer(answer.status_code, answer.json())
        return answer.json()

    def _behind(self, last: dict[str, Any]) -> str:
        from console.api.paging import sealed

        return sealed(f"{last['token']}:{last['seq']}")
