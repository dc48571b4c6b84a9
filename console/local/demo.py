"""The demo fleet: ten schedules in two workspaces that do real work on this machine."""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).resolve().parents[2]
WORKSPACES = ("research", "operations")
CONFLICT = 409


@dataclass(frozen=True)
class Demo:
    """One schedule of the fleet: its payload is a module of console.local.payloads."""

    workspace: str
    name: str
    cron: str
    payload: str
    arguments: tuple[str, ...] = ()
    more: dict[str, Any] = field(default_factory=dict[str, Any])

    def body(self, workspace_id: str) -> dict[str, Any]:
        """The schedule as the API takes it."""
        argv = [sys.executable, "-m", f"console.local.payloads.{self.payload}", *self.arguments]
        target = {"kind": "command", "argv": argv, "cwd": str(ROOT)}
        return {
            "workspace_id": workspace_id,
            "name": self.name,
            "cron": self.cron,
            "target": target,
            "prompt": f"{self.name}, please.",
            **self.more,
        }


def fleet(api_url: str, folder: Path) -> list[Demo]:
    """Some of them at the same minute, so that there is a line to see."""
    libraries = Path(httpx.__file__).parents[1]
    state = str(folder / "state.json")
    source, packages = str(ROOT / "shared"), str(libraries / "celery")
    return [
        Demo("research", "count lines", "*/2 * * * *", "count_lines", (str(ROOT),), {"max_turns": 40}),
        Demo("research", "read the sources", "* * * * *", "agent", (source, "8"), {"max_turns": 12}),
        Demo("research", "read too much", "*/2 * * * *", "agent", (packages, "60"), {"max_turns": 5}),
        Demo("research", "wait for an answer", "*/3 * * * *", "stuck", (), {"max_run_seconds": 20}),
        Demo("research", "weekly digest", "0 7 * * 1", "agent", (source, "4"), {"timezone": "Europe/Berlin"}),
        Demo("operations", "checksum the libraries", "*/3 * * * *", "checksum", (packages,), {"priority": 7}),
        Demo("operations", "report of the day", "*/2 * * * *", "report", (state,)),
        Demo("operations", "is the API there", "* * * * *", "fetch", (f"{api_url}/readyz", state), {"priority": 2}),
        Demo("operations", "back up", "* * * * *", "backup", ("/mnt/slotbeat-demo-backup",)),
        Demo("operations", "nightly checksum", "30 2 * * *", "checksum", (source,), {"timezone": "America/New_York"}),
    ]


# What a newcomer should not have to wait for: it stands in line at once.
FIRST = ("read the sources", "read too much", "wait for an answer", "count lines", "report of the day", "back up")


def load(api_url: str, folder: Path | None = None, headers: dict[str, str] | None = None) -> int:
    """Makes the fleet through the API; what is there already is left alone. How many schedules were made."""
    made = 0
    with httpx.Client(base_url=api_url, timeout=10, headers=headers) as api:
        places = {name: _workspace(api, name) for name in WORKSPACES}
        for it in fleet(api_url, folder or Path(".slotbeat").absolute()):
            answer = api.post("/api/schedules", json=it.body(places[it.workspace]))
            if answer.status_code == CONFLICT:
                continue
            answer.raise_for_status()
            made += 1
            if it.name in FIRST:
                schedule = answer.json()["schedule"]["id"]
                api.post(f"/api/schedules/{schedule}/execute", params={"queue": "true"}, json={}).raise_for_status()
    return made


def _workspace(api: httpx.Client, name: str) -> str:
    for it in api.get("/api/workspaces", params={"limit": 200}).raise_for_status().json()["items"]:
        if it["name"] == name:
            return it["id"]
    answer = api.post("/api/workspaces", json={"name": name}).raise_for_status().json()
    return answer.get("workspace", answer)["id"]
