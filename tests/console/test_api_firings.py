"""Firings through the API: run now under the caps, forced, queued, repeated, cancelled, listened to."""

import json
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from shared.rules.endings import Becomes, Report
from shared.store import attempts, firing_events, settlement
from shared.store.connection import Database
from tests.console.conftest import SLEEPS, Api
from tests.store.rows import end_attempt


def test_a_run_now_gets_a_slot_at_once_and_takes_what_is_different_for_it(api: Api) -> None:
    schedule = api.schedule(api.workspace(), prompt="usual", max_turns=5)

    told = api.ask("POST", f"/api/schedules/{schedule['id']}/execute", json={"prompt": "special", "max_turns": 7})

    assert (told.status_code, told.json()["forced"]) == (200, False)
    detail = api.get(f"/api/firings/{told.json()['firing_id']}/detail")
    assert (detail["prompt"], detail["target"], detail["attempts"]) == ("special", schedule["target"], [])
    firing = detail["firing"]
    assert (firing["status"], firing["source"], firing["max_turns"]) == ("queued", "manual", 7)
    assert api.get("/api/slots")["gate"]["reserved"] == 1
    assert api.get(f"/api/schedules/{schedule['id']}")["prompt"] == "usual"


def test_a_run_now_at_the_cap_is_refused_with_an_estimate_and_leaves_nothing_behind(api: Api) -> None:
    workspace = api.workspace()
    schedule = api.schedule(workspace)
    for firing in api.fill(workspace):
        run(api, firing, for_s=40)
    before = api.rows("select (select count(*) from firings), (select count(*) from activity_logs)")

    told = api.ask("POST", f"/api/schedules/{schedule['id']}/execute")

    assert told.status_code == 429
    assert told.headers["Content-Type"] == "application/problem+json"
    assert (told.json()["error"], told.json()["limit"]) == ("capacity_full", "fleet")
    assert 30 <= told.json()["slot_eta_s"] <= 40
    assert told.json()["slot_eta_measured"] is False
    assert "nobody can say when" in told.json()["detail"]
    assert told.headers["Retry-After"] == str(told.json()["slot_eta_s"])
    assert api.rows("select (select count(*) from firings), (select count(*) from activity_logs)") == before
    gate = api.get("/api/slots")["gate"]
    assert (gate["reserved"], gate["waiting"], gate["limits"][0]["used"]) == (0, 0, 2)


def test_an_estimate_rests_on_what_runs_took_before_and_a_lease_that_is_long_is_asked_about_soon(api: Api) -> None:
    """Leases are added up for want of better, and nobody is sent away for forty minutes on the strength of that."""
    workspace = api.workspace()
    schedule = api.schedule(workspace)
    for _ in range(2):
        made = api.ask("POST", f"/api/schedules/{schedule['id']}/execute")
        run(api, made.json()["firing_id"], for_s=1200)
    unknown = api.ask("POST", f"/api/schedules/{schedule['id']}/execute")
    api.rows("update schedules set avg_duration_ms = 90000 returning id")
    known = api.ask("POST", f"/api/schedules/{schedule['id']}/execute")

    assert (unknown.json()["slot_eta_measured"], unknown.headers["Retry-After"]) == (False, "60")
    assert 1190 <= unknown.json()["slot_eta_s"] <= 1200
    assert known.json()["slot_eta_measured"] is True
    assert 80 <= known.json()["slot_eta_s"] <= 90
    assert known.headers["Retry-After"] == str(known.json()["slot_eta_s"])
    assert "is expected in about 1 min" in known.json()["detail"]


def test_force_goes_past_the_cap_and_is_audited_with_who_and_which(api: Api) -> None:
    """SLT-12, MAN-2."""
    workspace = api.workspace()
    schedule = api.schedule(workspace)
    api.fill(workspace)

    told = api.ask(
        "POST",
        f"/api/schedules/{schedule['id']}/execute",
        params={"force": "true"},
        headers={"Slotbeat-Actor": "ada"},
    )

    assert (told.status_code, told.json()["forced"]) == (200, True)
    firing = told.json()["firing_id"]
    audited = "select actor, firing_id::text, schedule_id::text from activity_logs where type = 'manual_force_bypass'"
    assert api.rows(audited) == [("ada", firing, schedule["id"])]
    assert api.get(f"/api/firings/{firing}")["forced"] is True


def test_a_run_now_that_may_wait_is_accepted_and_stands_in_line(api: Api) -> None:
    workspace = api.workspace()
    schedule = api.schedule(workspace)
    api.fill(workspace)

    told = api.ask("POST", f"/api/schedules/{schedule['id']}/execute", params={"queue": "true"})

    assert told.status_code == 202
    slots = api.get("/api/slots")
    assert slots["gate"]["waiting"] == 1
    assert told.json()["firing_id"] in [it["id"] for it in slots["items"][0]["line"]]


def test_a_cap_of_zero_stops_forced_ones_too_and_lets_nothing_but_the_line_grow(api: Api) -> None:
    workspace = api.workspace()
    path = f"/api/schedules/{api.schedule(workspace)['id']}/execute"
    assert api.ask("PUT", "/api/limits/fleet", json={"cap": 0}).json()["cap"] == 0

    plain, forced = api.ask("POST", path), api.ask("POST", path, params={"force": "true"})
    queued = api.ask("POST", path, params={"queue": "true"})

    assert [(it.status_code, it.json()["error"]) for it in (plain, forced)] == [(409, "draining")] * 2
    assert queued.status_code == 202
    assert api.rows("select count(*) from firings") == [(1,)]
    api.ask("PUT", "/api/limits/fleet", json={"cap": 1})
    assert api.get("/api/slots")["gate"]["reserved"] == 0  # no worker is there to take it
    assert api.get("/api/slots")["gate"]["waiting"] == 1


def test_a_paused_schedule_is_not_run_now(api: Api) -> None:
    schedule = api.schedule(api.workspace())
    api.ask("POST", f"/api/schedules/{schedule['id']}/pause", json={"note": "broken"})

    told = api.ask("POST", f"/api/schedules/{schedule['id']}/execute", params={"force": "true"})

    assert (told.status_code, told.json()["error"]) == (409, "schedule_paused")
    assert "broken" in told.json()["detail"]
    assert api.rows("select count(*) from firings") == [(0,)]


@pytest.mark.parametrize("status", ["offline", "paused", "hibernated"])
def test_in_a_workspace_that_is_not_fit_a_firing_can_only_wait(api: Api, status: str) -> None:
    schedule = api.schedule(api.workspace(status=status))

    plain = api.ask("POST", f"/api/schedules/{schedule['id']}/execute")
    queued = api.ask("POST", f"/api/schedules/{schedule['id']}/execute", params={"queue": "true"})

    assert (plain.status_code, plain.json()["error"], plain.json()["state"]) == (409, "workspace_not_ready", status)
    assert queued.status_code == 202


def test_the_cap_of_a_workspace_or_lane_is_in_the_way_too(api: Api) -> None:
    workspace = api.workspace(cap=1)
    laned = api.schedule(api.workspace("other"), lane="model")
    api.ask("PUT", "/api/limits/lane:model", json={"cap": 0})
    body = {"workspace_id": workspace, "target": SLEEPS}

    first, second = api.ask("POST", "/api/firings", json=body), api.ask("POST", "/api/firings", json=body)
    drained = api.ask("POST", f"/api/schedules/{laned['id']}/execute")

    assert (first.status_code, second.status_code) == (200, 429)
    assert second.json()["limit"] == f"workspace:{workspace}"
    assert (drained.status_code, drained.json()["limit"]) == (409, "lane:model")


def test_a_waiting_firing_is_cancelled_at_once_and_a_second_time_is_the_same(api: Api) -> None:
    workspace = api.workspace()
    first, _ = api.fill(workspace)

    told = [api.ask("POST", f"/api/firings/{first}/cancel") for _ in range(2)]

    assert [(it.status_code, it.json()["answer"]) for it in told] == [(200, "cancelled")] * 2
    assert api.rows("select count(*) from activity_logs where type = 'firing_cancelled'") == [(1,)]
    assert api.get("/api/slots")["gate"]["reserved"] == 1


def test_a_schedules_next_firing_is_in_line_as_soon_as_the_one_before_it_is_cancelled(api: Api) -> None:
    """That one took its place in line when another of the schedule ended; it need not wait for the reconciler."""
    workspace, admission = api.workspace(), api.app.state.admission
    api.fill(workspace)
    path = f"/api/schedules/{api.schedule(workspace, overlap='queue_all')['id']}/execute"
    first, second = (UUID(api.ask("POST", path, params={"queue": "true"}).json()["firing_id"]) for _ in range(2))
    admission.withdraw([second])

    assert api.ask("POST", f"/api/firings/{first}/cancel").json()["answer"] == "cancelled"

    assert [it.state for it in admission.gate.states([first, second])] == ["", "waiting"]


def test_a_running_firing_is_asked_to_end_and_an_ended_one_is_not(api: Api) -> None:
    first, second = api.fill(api.workspace())
    run(api, first)
    complete(api, second, run(api, second))

    running, ended = api.ask("POST", f"/api/firings/{first}/cancel"), api.ask("POST", f"/api/firings/{second}/cancel")

    assert (running.status_code, running.json()["answer"]) == (202, "aborting")
    assert api.get(f"/api/firings/{first}/detail")["attempts"][0]["abort_reason"] == "cancelled"
    assert (ended.status_code, ended.json()["error"], ended.json()["state"]) == (409, "firing_ended", "completed")


def test_a_rerun_has_what_the_first_one_was_given_and_needs_its_end(api: Api) -> None:
    schedule = api.schedule(api.workspace(), prompt="then")
    first = api.ask("POST", f"/api/schedules/{schedule['id']}/execute").json()["firing_id"]
    api.ask("PATCH", f"/api/schedules/{schedule['id']}", json={"prompt": "now"})

    early = api.ask("POST", f"/api/firings/{first}/rerun")
    complete(api, first, run(api, first))
    told = api.ask("POST", f"/api/firings/{first}/rerun")

    assert (early.status_code, early.json()["error"]) == (409, "firing_not_ended")
    assert told.status_code == 200
    again = api.get(f"/api/firings/{told.json()['firing_id']}/detail")
    assert (again["prompt"], again["firing"]["source"]) == ("then", "rerun")


def test_firings_are_listed_by_filter_and_read_to_the_end(api: Api) -> None:
    workspace = api.workspace()
    schedule = api.schedule(workspace)
    body = {"workspace_id": workspace, "target": SLEEPS}
    path = {"queue": "true"}
    made = [api.ask("POST", "/api/firings", json=body, params=path).json()["firing_id"] for _ in range(4)]
    own = api.ask("POST", f"/api/schedules/{schedule['id']}/execute", params=path).json()["firing_id"]
    api.ask("POST", f"/api/firings/{made[0]}/cancel")

    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        part = api.get("/api/firings", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        found += [it["id"] for it in part["items"]]
        cursor = part["next_cursor"]

    assert found == [own, *reversed(made)]
    listed = {
        name: [it["id"] for it in api.get("/api/firings", params={name: value})["items"]]
        for name, value in {"schedule": schedule["id"], "status": "cancelled", "reason": "cancelled"}.items()
    }
    assert listed == {"schedule": [own], "status": [made[0]], "reason": [made[0]]}
    later = api.get("/api/firings", params={"since": "2999-01-01T00:00:00Z"})["items"]
    assert later == []


def test_what_a_firing_said_is_listed_in_order(api: Api) -> None:
    first, _ = api.fill(api.workspace())
    token = run(api, first)
    say(api, first, token, 5)

    part = api.get(f"/api/firings/{first}/events", params={"limit": 3})
    rest = api.get(f"/api/firings/{first}/events", params={"limit": 3, "cursor": part["next_cursor"]})

    assert [it["seq"] for it in part["items"] + rest["items"]] == [1, 2, 3, 4, 5]
    assert rest["next_cursor"] is None


def test_a_stream_goes_on_behind_the_last_event_and_ends_with_the_firing(api: Api) -> None:
    first, _ = api.fill(api.workspace())
    token = run(api, first)
    say(api, first, token, 3)
    headers = {"Accept": "text/event-stream", "Last-Event-ID": f"{token}:2"}

    with api.client.stream("GET", f"/api/firings/{first}/events", headers=headers) as answer:
        lines = answer.iter_lines()
        heard = [next(lines) for _ in range(3)]
        complete(api, first, token)
        heard += list(lines)

    assert answer.headers["Content-Type"].startswith("text/event-stream")
    assert heard[:2] == [f"id: {token}:3", "event: log"]
    assert json.loads(heard[2].removeprefix("data: "))["data"] == {"text": "line 3"}
    assert [it for it in heard[3:] if it and not it.startswith(":")] == [
        "event: end",
        'data: {"status": "completed"}',
    ]


def run(api: Api, firing: str, for_s: int = 60) -> int:
    """A worker's claim of it; its token."""
    admission = api.app.state.admission
    request = uuid4()
    admission.ask(lambda gate: gate.renew("w1", 4, 60_000, []))
    assert admission.ask(lambda gate: gate.claim(UUID(firing), request, "w1", 60_000)) == "LEASED"
    by = attempts.Claimer({"id": "w1"}, None, admission.gate.epoch, timedelta(seconds=60))
    claimed = attempts.claim(admission.database.connection(), UUID(firing), request, by)
    assert isinstance(claimed, attempts.Attempt), claimed
    api.rows(
        "update attempts set run_expires_at = now() + make_interval(secs => %s) where token = %s returning id",
        for_s,
        claimed.token,
    )
    return claimed.token


def complete(api: Api, firing: str, token: int) -> None:
    database: Database = api.app.state.database
    with database.transaction() as connection:
        ending = settlement.lock_endings(connection, [token]).get(token)
        assert ending is not None
        completed = Becomes("completed", "completed")
        assert end_attempt(connection, ending, completed, Report(None, exit_code=0))


def say(api: Api, firing: str, token: int, lines: int) -> None:
    said = [(seq, "log", json.dumps({"text": f"line {seq}"})) for seq in range(1, lines + 1)]
    firing_events.add(api.app.state.database.connection(), UUID(firing), token, said)
