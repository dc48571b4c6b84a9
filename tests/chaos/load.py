"""What the fleet has to do meanwhile: schedules that come due every second or two, and people who ask for more."""

import random
import sys
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from psycopg.types.json import Jsonb
from uuid_utils.compat import uuid7

from console.deeds import firings as deeds
from shared.store import workspaces
from tests.chaos.world import World

WITNESS = Path(__file__).with_name("witness.py")
FLEET_CAP = 5
LANE = "model"
# Of each kind of payload: how many schedules, and what is particular about them.
SCHEDULES: dict[str, tuple[int, dict[str, Any]]] = {
    "quick": (6, {}),
    "half": (4, {"overlap": "queue_one"}),
    "long": (2, {"max_attempts": 3}),
    "longer": (2, {"max_attempts": 3}),
    "turns": (3, {"max_turns": 50, "lane": LANE}),
    "over_budget": (2, {"max_turns": 3, "max_run_seconds": 6}),
    "fails": (2, {"overlap": "queue_all"}),
    "flaky": (3, {"max_attempts": 3, "retry_backoff_s": 0}),
    "hangs": (2, {"max_run_seconds": 2}),
    "deaf": (2, {"max_run_seconds": 2}),
    "daemon": (3, {"max_attempts": 2, "overlap": "replace"}),
    "floods": (1, {}),
    "regicide": (1, {"max_attempts": 2}),
}
# These come due by their cron alone, and nobody touches them: every minute of theirs is accounted for.
CLOCKWORK = 3
EVERY_MINUTE = "* * * * *"
NEVER_OF_ITSELF = "0 0 31 12 *"


def target(world: World, kind: str) -> dict[str, Any]:
    argv = [sys.executable, "-I", "-S", str(WITNESS), str(world.witness), kind]
    return {"kind": "command", "argv": argv}


def furnish(world: World) -> None:
    """Three workspaces, two of them with caps, a lane with one, and all schedules."""
    for number in range(3):
        values = {"status": "online", "native_scheduler": False, "health_url": None, "restart_url": None}
        world.workspaces.append(workspaces.add(world.database.connection(), {"name": f"workspace {number}", **values}))
    first, _, third = world.workspaces
    for key, cap in (("fleet", FLEET_CAP), (f"workspace:{first}", 2), (f"workspace:{third}", 3), (f"lane:{LANE}", 2)):
        world.set_cap(key, cap)
    number = 0
    for kind, (count, over) in SCHEDULES.items():
        for _ in range(count):
            number += 1
            workspace = world.workspaces[number % len(world.workspaces)]
            made = add_schedule(world, workspace, f"{kind} {number}", kind, {"cron": NEVER_OF_ITSELF, **over})
            world.schedules[made] = kind
    for number in range(CLOCKWORK):
        over = {"cron": EVERY_MINUTE, "overlap": "allow", "missed": "all"}
        add_schedule(world, world.workspaces[number], f"clockwork {number}", "quick", over)


def add_schedule(world: World, workspace: UUID, name: str, kind: str, over: dict[str, Any]) -> UUID:
    made = uuid7()
    values = {"id": made, "workspace_id": workspace, "name": name, "target": Jsonb(target(world, kind)), **over}
    moment = "date_trunc('minute', now()) + interval '1 minute'"
    if values["cron"] == NEVER_OF_ITSELF:
        moment = "date_trunc('year', now()) + interval '1 year' - interval '1 day'"
    columns, asked = ", ".join(values), ", ".join(f"%({it})s" for it in values)
    world.database.connection().execute(
        f"insert into schedules ({columns}, next_run_at) values ({asked}, {moment})",  # pyright: ignore[reportArgumentType]
        values,
    )
    return made


class Load(threading.Thread):
    """Makes a schedule due, or asks for something by hand, several times a second."""

    PAUSE_S = (0.1, 0.5)

    def __init__(self, world: World, seed: str, payloads: Sequence[str] = ()) -> None:
        """Of all payloads, or of those whose names are given."""
        super().__init__(name="load", daemon=True)
        self._schedules = [it for it, kind in world.schedules.items() if not payloads or kind in payloads]
        self._world = world
        self._dice = random.Random(seed)
        self._ending = threading.Event()
        self.nudged: list[tuple[UUID, datetime]] = []
        self.asked: list[UUID] = []

    def run(self) -> None:
        while not self._ending.wait(self._dice.uniform(*self.PAUSE_S)):
            deed = self._by_hand if self._dice.random() < 0.2 else self._nudge
            self._world.tries(deed)
        self._world.database.close()

    def stop(self) -> None:
        self._ending.set()
        self.join(60)

    def _nudge(self) -> None:
        """Due now, by an edit; one that is due already stays so, for its moment must not be lost."""
        chosen = self._dice.choice(self._schedules)
        found = self._world.rows(
            "update schedules set next_run_at = now(), revision = revision + 1"
            " where id = %s and status = 'active' and next_run_at > now() returning id, next_run_at",
            chosen,
        )
        self.nudged += [(row[0], row[1]) for row in found]

    def _by_hand(self) -> None:
        kind = self._dice.choice(["quick", "quick", "half", "turns", "daemon", "long"])
        self.asked.append(ask(self._world, kind, queue=self._dice.random() < 0.7))


def ask(world: World, kind: str, *, queue: bool = False, forced: bool = False, where: int = 1) -> UUID:
    """An ad-hoc firing, as the API makes it."""
    how = deeds.How(forced=forced, queue=queue, actor="chaos")
    return deeds.ad_hoc(world.admission, wish(world, kind, where), how)


def wish(world: World, kind: str, where: int) -> dict[str, Any]:
    return {
        "workspace_id": world.workspaces[where],
        "title": f"by hand: {kind}",
        "prompt": "",
        "target": target(world, kind),
        "priority": 5,
        "lane": None,
        "max_turns": None,
        "max_run_seconds": 10,
        "max_attempts": 2,
        "retry_backoff_s": 0,
    }
