"""Before a payload: whether its workspace is fit (RUN-6)."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared import health
from shared.celery_app import MAINTENANCE
from shared.rules.fitness import Verdict
from tests.process.conftest import Fleet
from tests.receiver import Receiver
from tests.waiting import until
from workers.adapters.events import Event
from workers.outcome import Outcome
from workers.preflight import preflight
from workers.station import Station


def look(fleet: Fleet, station: Station, **over: Any) -> tuple[Outcome | None, list[Event]]:
    """A preflight of a firing in a workspace like this."""
    events: list[Event] = []
    told = preflight(station, fleet.claimed(fleet.workspace(**over)), events.extend)
    return told, events


def of_workspace(fleet: Fleet) -> tuple[str, int]:
    return fleet.rows("select status, consecutive_failures from workspaces")[0]


def test_a_dead_workspace_ends_the_attempt_at_once_and_its_restart_is_asked_for(
    fleet: Fleet, station: Station, receiver: Receiver
) -> None:
    receiver.answer = 503
    url = f"{receiver.address}/health?key=secret"

    told, events = look(fleet, station, health_url=url, restart_command=["true"])

    assert told is not None
    assert told.reason == "workspace_unavailable"
    assert told.error == (
        f"Workspace here is not fit to run anything: GET {receiver.address}/health: it answered 503."
        " A restart was asked for."
    )
    [said] = events
    assert said.kind == "error"
    assert said.data["error"] == "workspace_unavailable"
    assert (said.data["http_status"], said.data["restart"]) == (503, "asked")
    assert fleet.rows("select pending, begun from restarts") == [(True, 0)]
    assert fleet.admission.gate.redis.llen(MAINTENANCE) == 1
    assert of_workspace(fleet) == ("failed", 1)


def test_a_dead_workspace_without_a_hook_is_refused_and_nobody_is_asked(fleet: Fleet, station: Station) -> None:
    told, events = look(fleet, station, health_url="http://127.0.0.1:9/")

    assert told is not None
    assert "nobody listens there" in (told.error or "")
    assert events[0].data["restart"] == "none"
    assert fleet.rows("select * from restarts") == []


@pytest.mark.parametrize("status", [200, 302, 429])
def test_who_answers_well_or_is_busy_runs(fleet: Fleet, station: Station, receiver: Receiver, status: int) -> None:
    receiver.answer, receiver.headers = status, {"Location": "http://127.0.0.1:9/"}

    assert look(fleet, station, health_url=receiver.address) == (None, [])

    assert len(receiver.calls) == 1  # a redirect is not followed
    assert of_workspace(fleet) == ("online", 0)


def test_who_is_refused_once_and_answers_then_runs(
    fleet: Fleet, station: Station, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart under way: nobody listens at first."""
    with socket.socket() as early:
        early.bind(("127.0.0.1", 0))
        port = early.getsockname()[1]

        async def listens(pause_s: float) -> None:
            early.listen()

        monkeypatch.setattr(health.asyncio, "sleep", listens)
        # It takes connections now and never answers: that is slow, not dead.
        station.settings = replace(station.settings, preflight_s=0.2)
        assert look(fleet, station, health_url=f"http://127.0.0.1:{port}/") == (None, [])


def test_who_says_nothing_counts_as_alive_within_a_bounded_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as slow:
        url = f"http://127.0.0.1:{slow.getsockname()[1]}/"

        found = health.run(health.examine("online", url, 0.1))

    assert (found.verdict, found.http_status) == (Verdict.TRANSIENT, None)
    assert found.detail == "no answer within 0.1 s"


def test_a_failed_workspace_is_asked_and_what_is_fit_again_is_online_again(
    fleet: Fleet, station: Station, receiver: Receiver
) -> None:
    assert look(fleet, station, health_url=receiver.address, status="failed") == (None, [])

    assert of_workspace(fleet) == ("online", 0)


def test_a_failed_workspace_that_nobody_can_ask_is_dead(fleet: Fleet, station: Station) -> None:
    told, _ = look(fleet, station, status="failed")

    assert told is not None
    assert told.reason == "workspace_unavailable"
    assert "has no health_url" in (told.error or "")


def test_what_people_said_of_a_workspace_meanwhile_stays(fleet: Fleet, station: Station, receiver: Receiver) -> None:
    receiver.answer = 500
    workspace = fleet.workspace(health_url=receiver.address)
    attempt = fleet.claimed(workspace)
    fleet.database.connection().execute("update workspaces set status = 'paused'")

    assert preflight(station, attempt, lambda _: None) is not None

    assert of_workspace(fleet) == ("paused", 0)


def test_a_firing_is_tried_again_after_the_restart_that_its_dead_workspace_got(
    fleet: Fleet, receiver: Receiver, tmp_path: Path
) -> None:
    """RUN-6, RUN-7 and WSP-1, with a real worker and a real hook."""
    alive = tmp_path / "alive"
    receiver.answer = lambda _: 200 if alive.exists() else 503
    fleet.environment["SLOTBEAT_LEASE_SECONDS"] = "10"  # half of what is left of it is what a preflight may take
    workspace = fleet.workspace(health_url=receiver.address, restart_command=["touch", str(alive)])
    fleet.worker()
    fleet.schedule(workspace, "it", ["true"], max_attempts=20, retry_backoff_s=1)
    fleet.beat()

    assert fleet.ended(timeout_s=50) == [("it", "completed", None)]

    until(lambda: fleet.rows("select status from activity_logs where type = 'workspace_restarted'") == [("ok",)])
    assert fleet.rows("select status, consecutive_failures from workspaces") == [("online", 0)]
    first, *_, last = fleet.rows("select outcome, failure_reason from attempts order by number")
    assert (first, last) == (("requeued", "workspace_unavailable"), ("completed", None))
    [(said,)] = fleet.rows("select data ->> 'error' from firing_events where kind = 'error' limit 1")
    assert said == "workspace_unavailable"
