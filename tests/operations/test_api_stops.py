"""The API ends within the time that the file of containers gives it, also while somebody follows a firing."""

import signal
from contextlib import suppress

import httpx
from psycopg.types.json import Jsonb

from console.local.ports import free_port
from tests.console.conftest import SLEEPS
from tests.operations.test_compose import OURS, seconds
from tests.running import Start, Started
from tests.store.rows import Rows
from tests.waiting import until


def test_whoever_follows_a_firing_does_not_keep_the_api_from_ending(
    rows: Rows, database_url: str, redis_url: str, start: Start
) -> None:
    """Its stream stays open as long as the firing: the API was killed, and with it what others were being answered."""
    firing = rows.one(
        "insert into firings (id, workspace_id, source, nominal_at, title, target, max_run_seconds)"
        " values (gen_random_uuid(), %s, 'manual', now(), 'long', %s, 60) returning id",
        rows.workspace,
        Jsonb(SLEEPS),
    )
    address, api = serving(start, {"DATABASE_URL": database_url, "REDIS_URL": redis_url})
    with httpx.Client(base_url=address, timeout=20) as client:
        until(lambda: answers(client))
        path, wanted = f"/api/firings/{firing}/events", {"Accept": "text/event-stream"}
        with client.stream("GET", path, headers=wanted) as told, suppress(httpx.TransportError):
            lines = told.iter_lines()
            assert next(lines) == ": still here"
            api.send(signal.SIGTERM)

            code = api.wait(seconds(OURS["api"]["stop_grace_period"]))

    assert code in (0, -signal.SIGTERM), api.text
    assert api.says("Finished server process")


def serving(start: Start, env: dict[str, str]) -> tuple[str, Started]:
    """The container's own command, at a port of ours."""
    port = str(free_port())
    told = {"0.0.0.0": "127.0.0.1", "8000": port}
    words = [str(told.get(it, it)) for it in OURS["api"]["command"]]
    return f"http://127.0.0.1:{port}", start("python", "-m", *words, env=env)


def answers(client: httpx.Client) -> bool:
    with suppress(httpx.TransportError):
        return client.get("/healthz").status_code == 200
    return False
