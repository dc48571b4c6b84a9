"""A real browser for a test, and a real stack that it looks at: Chromium, driven by Playwright."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from httpx import Client, Limits
from playwright.sync_api import Browser, Page, expect, sync_playwright
from psycopg import connect

from tests import leftovers
from tests.console.conftest import api as api
from tests.console.conftest import wide as wide
from tests.proc import descendants
from tests.running import Started, with_our_python
from tests.waiting import until

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
READY_S = 60.0
SHOWN_WITHIN_MS = 20_000
_numbers = count(1)


@dataclass
class Stack:
    """What `slotbeat up` started, and hands to bring about what a person would look at."""

    url: str
    api: Client
    database_url: str

    def workspace(self, name: str = "lab") -> str:
        made = self.api.post("/api/workspaces", json={"name": f"{name} {next(_numbers)}"})
        return made.raise_for_status().json()["id"]

    def schedule(self, workspace: str, name: str, *argv: str, **over: Any) -> str:
        target = {"kind": "command", "argv": list(argv or ("true",))}
        form = {"workspace_id": workspace, "name": name, "cron": "0 3 31 12 *", "target": target, **over}
        return self.api.post("/api/schedules", json=form).raise_for_status().json()["schedule"]["id"]

    def ran(self, schedule: str) -> str:
        """A firing of it that has ended."""
        asked = self.api.post(f"/api/schedules/{schedule}/execute", params={"queue": "true"}, json={})
        firing = asked.raise_for_status().json()["firing_id"]
        until(lambda: self.api.get(f"/api/firings/{firing}").json()["finished_at"])
        return firing

    def full(self, workspace: str) -> list[str]:
        """Firings that hold all slots of the fleet until they are cancelled."""
        target = {"kind": "command", "argv": ["sleep", "60"]}
        body = {"workspace_id": workspace, "target": target, "title": "sleeper"}
        asked = [self.api.post("/api/firings", params={"queue": "true"}, json=body) for _ in range(2)]
        ids = [it.raise_for_status().json()["firing_id"] for it in asked]
        until(lambda: all(self.api.get(f"/api/firings/{it}").json()["status"] == "running" for it in ids))
        return ids

    def end(self, firings: list[str]) -> None:
        for it in firings:
            self.api.post(f"/api/firings/{it}/cancel")
        until(lambda: all(self.api.get(f"/api/firings/{it}").json()["finished_at"] for it in firings))

    def sql(self, query: Any, *values: Any) -> list[Any]:
        with connect(self.database_url, autocommit=True) as connection:
            told = connection.execute(query, values)
            return told.fetchall() if told.description else []


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole of it on this machine, without the demo fleet; beat, a worker, the API."""
    folder = tmp_path_factory.mktemp("stack")
    with (folder / "log").open("wb") as log:
        argv = with_our_python(["python", "-m", "console.cli", "up", "--dir", folder, "--no-demo", "--workers", "1"])
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    leftovers.staying.add(process.pid)
    started = Started(process, folder / "log")
    try:
        told = until(lambda: _ready(folder, started), READY_S)
        with Client(base_url=told["api_url"], timeout=20, limits=Limits(max_keepalive_connections=0)) as api:
            yield Stack(told["api_url"], api, told["database_url"])
        started.send(signal.SIGINT)
        assert started.wait(30) == 0
    finally:
        if started.running:
            started.end_tree()
        leftovers.staying.discard(process.pid)


def _ready(folder: Path, started: Started) -> dict[str, Any]:
    assert started.running, started.text
    try:
        told = json.loads((folder / "state.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return told if told["ready"] else {}


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium as the system has it."""
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.fail("These tests need Chromium: apt-get install chromium")
    expect.set_options(timeout=SHOWN_WITHIN_MS)
    before = {it.pid for it in descendants(os.getpid())}
    with sync_playwright() as playwright:
        # What the driver and the browser start stays until the end of the session.
        made = playwright.chromium.launch(executable_path=found, args=[*FLAGS])
        own = {it.pid for it in descendants(os.getpid())} - before
        leftovers.staying.update(own)
        yield made
        made.close()
    leftovers.staying.difference_update(own)


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A new window of a person who has been nowhere yet; what a page says against itself fails the test."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    made = context.new_page()
    wrong: list[str] = []
    made.on("pageerror", lambda error: wrong.append(str(error)))
    made.on("console", lambda told: wrong.append(told.text) if "Content Security Policy" in told.text else None)
    yield made
    context.close()
    assert wrong == []
