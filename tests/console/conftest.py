"""The API for a test: the real application behind a real server in this process, and hands to give it work."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn
from httpx import Client, Response
from psycopg import connect

from console.api.application import make_app
from shared import settings as knobs
from tests.waiting import until

SLEEPS = {"kind": "command", "argv": ["sleep", "60"]}


@dataclass
class Api:
    """An HTTP client of the application, and the database behind it."""

    client: Client
    database_url: str
    app: Any

    def ask(self, method: str, path: str, **given: Any) -> Response:
        return self.client.request(method, path, **given)

    def get(self, path: str, **given: Any) -> Any:
        answer = self.ask("GET", path, **given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def rows(self, query: str, *values: Any) -> list[Any]:
        with connect(self.database_url, autocommit=True) as connection:
            return connection.execute(query, values).fetchall()  # pyright: ignore[reportArgumentType]

    def workspace(self, name: str = "here", **over: Any) -> str:
        made = self.ask("POST", "/api/workspaces", json={"name": name, **over})
        assert made.status_code == 201, made.text
        return made.json()["id"]

    def schedule(self, workspace: str, name: str = "nightly", **over: Any) -> dict[str, Any]:
        made = self.ask("POST", "/api/schedules", json=form(workspace, name=name, **over))
        assert made.status_code == 201, made.text
        return made.json()["schedule"]

    def fill(self, workspace: str) -> list[str]:
        """Takes both slots of the fleet; the firings that hold them."""
        asked = [self.ask("POST", "/api/firings", json={"workspace_id": workspace, "target": SLEEPS}) for _ in range(2)]
        assert [it.status_code for it in asked] == [200, 200]
        return [it.json()["firing_id"] for it in asked]


def form(workspace: str, **over: Any) -> dict[str, Any]:
    """A schedule as it is written; `over` in place of what is usual."""
    return {"workspace_id": workspace, "name": "nightly", "cron": "0 3 * * *", "target": SLEEPS, **over}


class Prompt(uvicorn.Server):
    """Ends when it is told to: uvicorn looks ten times a second, then waits for a tenth, after each of our tests."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.told = asyncio.Event()
        self.loop: asyncio.AbstractEventLoop | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        if not self.should_exit:
            await self.told.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Its own way where nobody is connected any more, or will not be in a moment; else uvicorn's."""
        for _ in range(20):
            if not self.server_state.connections and not self.server_state.tasks:
                break
            await asyncio.sleep(0.002)
        else:
            await super().shutdown(sockets)
            return
        for server in self.servers:
            server.close()
            await server.wait_closed()
        await self.lifespan.shutdown()

    def stop(self) -> None:
        """From another thread."""
        self.should_exit = True
        if self.loop is not None:
            with suppress(RuntimeError):  # it has ended by itself
                self.loop.call_soon_threadsafe(self.told.set)


@contextmanager
def serving(app: Any, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """The address at which a server in a thread of ours answers."""
    with socket.create_server((host, port)) as listener:
        server = Prompt(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api under test")
        thread.start()
        until(lambda: server.started or not thread.is_alive())
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.stop()
            thread.join()


@contextmanager
def api_at(database_url: str, redis_url: str, host: str = "127.0.0.1") -> Iterator[Api]:
    """An API of its own at these servers, which may be away; it listens at `host`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", database_url)
        patch.setenv("REDIS_URL", redis_url)
        app = make_app(knobs.addresses(), knobs.Settings())
        with serving(app, host) as address, Client(base_url=address, timeout=20) as client:
            yield Api(client, database_url, app)


@pytest.fixture
def wide(database_url: str, redis_url: str) -> Iterator[Api]:
    """An API that others could reach."""
    with api_at(database_url, redis_url, "0.0.0.0") as made:
        yield made


@pytest.fixture
def api(database_url: str, redis_url: str) -> Iterator[Api]:
    with api_at(database_url, redis_url) as made:
        yield made
