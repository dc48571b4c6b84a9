"""`slotbeat up` with the real parts: the main job on real input, and what survives a hard death."""

import json
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running import Start, Started
from tests.waiting import until

READY_S = 40.0


def state(folder: Path) -> dict[str, Any]:
    try:
        return json.loads((folder / "state.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}


def up(start: Start, folder: Path) -> Started:
    begun = start("python", "-m", "console.cli", "up", "--dir", folder)
    until(lambda: (told := state(folder)).get("pid") == begun.pid and told["ready"], READY_S)
    return begun


def ended(folder: Path) -> dict[str, str]:
    """Titles of ended firings, with the reason of those that failed."""
    told = httpx.get(f"{state(folder)['api_url']}/api/firings", params={"limit": 200}).raise_for_status().json()
    return {it["title"]: it["failure_reason"] or it["status"] for it in told["items"] if it["finished_at"]}


@pytest.mark.timeout(150)
def test_the_demo_fleet_runs_and_survives_the_death_of_its_supervisor(start: Start, tmp_path: Path) -> None:
    """From nothing to firings that complete, exceed their budget and fail, never more than the cap at once."""
    folder = tmp_path / "a folder" / ".slotbeat"
    first = up(start, folder)
    wanted = {
        "read the sources": "completed",
        "read too much": "turn_limit_exceeded",
        "back up": "exit_nonzero",
        "count lines": "completed",
    }
    until(lambda: wanted.items() <= ended(folder).items(), 60)
    usage = httpx.get(f"{state(folder)['api_url']}/api/slots").json()["items"][0]
    assert usage["limit"]["held"] <= usage["limit"]["cap"] == 2

    first.kill()
    until(lambda: not first.tree(), 15)
    again = up(start, folder)

    assert wanted.keys() <= ended(folder).keys()
    again.send(signal.SIGINT)
    assert again.wait(15) == 0
    assert "Traceback" not in first.text + again.text
