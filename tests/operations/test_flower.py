"""What Flower shows of a fleet that runs, page by page: names and ids, and nothing of what is run."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import pytest

from console.local.parts import flower
from console.local.ports import LOOPBACK, free_port
from console.local.state import State
from tests.process.conftest import ROOT, Fleet
from tests.waiting import until

PASSWORD = "only-for-this-test"
# Each is somewhere in what runs, and may be nowhere in what Flower says.
PROMPT, WORD, PLAIN, VALUE, SAID = "the-secret-plan", "a-word-of-it", "a-plain-value", "a-secret-value", "what-it-said"
WAITS = f'echo {SAID}; until test -e "$0"; do sleep 0.05; done'
OPEN = {"/healthcheck", "/metrics"}


class Seen:
    """Flower, as somebody sees it who may or may not know its password."""

    def __init__(self, port: int) -> None:
        self.client = httpx.Client(base_url=f"http://{LOOPBACK}:{port}", auth=("slotbeat", PASSWORD), timeout=30)

    def answers(self) -> bool:
        try:
            return self.client.get("/healthcheck").text == "OK"
        except httpx.TransportError:
            return False

    def tasks(self) -> dict[str, Any]:
        return self.client.get("/api/tasks").raise_for_status().json()

    def states(self) -> dict[str, str]:
        return {it["name"]: it["state"] for it in self.tasks().values()}

    def hears(self, node: str) -> bool:
        """Whether it hears what a worker tells: of what was told before, it knows nothing."""
        return node in self.client.get("/workers", params={"json": "1"}).text

    def workers(self) -> dict[str, Any]:
        return self.client.get("/api/workers", params={"refresh": "1"}).raise_for_status().json()

    def everything(self) -> dict[str, str]:
        """Whatever it serves of workers, tasks and the broker, by address."""
        order = {"order[0][column]": 0, "order[0][dir]": "asc", "columns[0][data]": "name"}
        rows = httpx.QueryParams({"draw": 1, "start": 0, "length": 100, **order})
        wanted = ["/", "/workers?json=1", "/tasks", f"/tasks/datatable?{rows}", "/broker", *OPEN]
        wanted += ["/api/workers", "/api/tasks", "/api/queues/length", "/api/task/types"]
        wanted += [f"/worker/{quote(it)}" for it in self.workers()]
        wanted += [f"/{what}/{it}" for it in self.tasks() for what in ("task", "api/task/info")]
        told = {at: self.client.get(at) for at in wanted}
        assert {it.status_code for it in told.values()} == {200}, told
        return {at: it.text for at, it in told.items()}

    def let_in(self, addresses: list[str], auth: tuple[str, str] | None) -> set[str]:
        """Which of these addresses answer to somebody else."""
        with httpx.Client(base_url=self.client.base_url) as client:
            return {it for it in addresses if client.get(it, auth=auth).status_code != httpx.codes.UNAUTHORIZED}


@pytest.fixture
def seen(fleet: Fleet) -> Iterator[Seen]:
    """Flower by the very words that `slotbeat up` starts it with."""
    state = State(0, 0, free_port(), PASSWORD, "", "")
    part = flower(state)
    fleet.begin(*part.argv, env={**fleet.environment, **part.environment}, cwd=ROOT)
    made = Seen(state.flower_port)
    until(made.answers)
    yield made
    made.client.close()


def told_of_what_is_run(shown: dict[str, str], fleet: Fleet) -> list[tuple[str, str]]:
    """What nobody should see, and where it stands."""
    servers = {urlsplit(fleet.environment[it]).password or "" for it in ("REDIS_URL", "DATABASE_URL")}
    hidden = {PROMPT, WORD, PLAIN, VALUE, SAID, PASSWORD, "AGENT_KEY", *servers}
    return [(it, at) for at, text in shown.items() for it in hidden if it in text]


@pytest.mark.timeout(180)
def test_flower_shows_names_to_who_knows_its_password_and_nothing_of_what_is_run(
    fleet: Fleet, seen: Seen, tmp_path: Path
) -> None:
    """OBS-5: of a firing that came by message, and of one that was handed over without."""
    let_go, names = tmp_path / "let go", {"nightly digest", "weekly report"}
    fleet.environment.update(SLOTBEAT_LEASE_SECONDS="6", AGENT_KEY=VALUE, SLOTBEAT_ALLOWED_SECRETS="AGENT_*")
    fleet.admission.set_cap("fleet", 1, "test")
    argv = ["sh", "-c", WAITS, str(let_go), WORD]
    env = {"PLAIN": PLAIN, "KEY": {"$env": "AGENT_KEY"}}
    for name in names:
        target = {"kind": "command", "argv": argv, "env": env}
        fleet.schedule(fleet.workspace(f"of {name}"), name, [], prompt=PROMPT, target=target)
    fleet.worker("seen", concurrency=2)
    until(lambda: seen.hears("seen@test"))
    fleet.beat()

    until(lambda: "STARTED" in {seen.states().get(it) for it in names})
    shown = seen.everything()
    let_go.touch()
    fleet.ended(2)
    until(lambda: {seen.states().get(it) for it in names} == {"SUCCESS"})
    shown |= {f"{at} afterwards": text for at, text in seen.everything().items()}

    assert all(str(it) in shown["/api/tasks afterwards"] for (it,) in fleet.rows("select id from firings"))
    assert {it for it in names if it in shown["/metrics afterwards"]} == names
    assert told_of_what_is_run(shown, fleet) == []

    assert "slotbeat.execute" not in seen.states(), "a name that says nothing"
    addresses = [it for it in shown if not it.endswith(" afterwards")]
    assert seen.let_in(addresses, None) == OPEN
    assert seen.let_in(addresses, ("slotbeat", "another")) == OPEN
    # It looks and does not act: a worker that it stopped would be missed.
    for deed in ("worker/shutdown/seen@test", "worker/pool/shrink/seen@test", "task/send-task/slotbeat.reap"):
        assert seen.client.post(f"/api/{deed}", json={"args": []}).status_code == httpx.codes.FORBIDDEN, deed
