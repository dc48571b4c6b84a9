"""Preview, backfill and the fleet's pause through the API and the command line."""

import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared import clock
from tests.console.conftest import SLEEPS, Api
from tests.console.test_cli import Cli

HOUR = timedelta(hours=1)


@pytest.fixture
def cli(api: Api, tmp_path: Any) -> Cli:
    return Cli({"SLOTBEAT_URL": str(api.client.base_url)}, str(tmp_path))


def preview(api: Api, **form: Any) -> Any:
    return api.ask("POST", "/api/schedules/preview", json=form)


def test_a_preview_says_when_in_words_and_moments_and_saves_nothing(api: Api, cli: Cli) -> None:
    told = preview(api, cron="30 2 * * *", timezone="europe/berlin", start_at="2027-03-26T12:00:00Z").json()

    assert told["words"] == "at 02:30 (Europe/Berlin)"
    assert [it["nominal_at"] for it in told["occurrences"]] == [
        "2027-03-27T01:30:00Z",
        "2027-03-28T01:00:00Z",  # 03:00 in Berlin: its clocks skip 02:30 that day
        "2027-03-29T00:30:00Z",
        "2027-03-30T00:30:00Z",
        "2027-03-31T00:30:00Z",
    ]
    assert {it["type"] for it in told["warnings"]} == {"cron_gap", "cron_twice"}
    shown = cli("schedule", "preview", "30 2 * * *", "--timezone", "Europe/Berlin")
    assert shown.stdout.startswith("at 02:30 (Europe/Berlin)\n")
    assert "clocks are put forward" in shown.stderr
    assert api.rows("select count(*) from schedules") == [(0,)]


def test_a_preview_honours_what_bounds_a_schedule(api: Api) -> None:
    far = {"start_at": "2999-01-01T00:00:00Z"}
    counts = {
        "bounds": preview(api, cron="0 0 * * *", **far, end_at="2999-01-03T00:00:00Z"),
        "runs": preview(api, cron="0 0 * * *", remaining_runs=2),
        "once": preview(api, kind="once", run_at="2999-01-01T00:00:00Z"),
        "lasts": preview(api, cron="* * * * *", max_run_seconds=1800, target=SLEEPS, name="x"),
    }

    told = {name: [len(it.json()["occurrences"]), len(it.json()["warnings"])] for name, it in counts.items()}
    assert told == {"bounds": [3, 0], "runs": [2, 0], "once": [1, 0], "lasts": [5, 1]}
    warning = counts["lasts"].json()["warnings"][0]
    assert warning["type"] == "cron_saturated"
    assert "every 1 min, and a firing may last 30 min" in warning["message"]


@pytest.mark.parametrize(
    ("form", "field", "code"),
    [
        ({"cron": "0 0 30 2 *"}, "cron", "cron_never_fires"),
        ({}, "cron", "cron_missing"),
        ({"cron": "0 0 * * *", "timezone": "GMT+2"}, "timezone", "timezone_offset"),
        ({"cron": "0 0 * * *", "end_at": "2001-01-01T00:00:00Z"}, "end_at", "no_occurrence"),
        (
            {"kind": "once", "run_at": "2900-01-01T00:00:00Z", "start_at": "2900-01-02T00:00:00Z"},
            "run_at",
            "run_at_before_start",
        ),
        ({"cron": "0 0 * * *", "start_at": "2001-01-01T00:00:00Z"}, "start_at", "start_at_past"),
        ({"crom": "0 0 * * *"}, "crom", "unknown_field"),
    ],
)
def test_a_preview_refuses_what_a_save_would_refuse(api: Api, form: dict[str, Any], field: str, code: str) -> None:
    told = preview(api, **form)

    assert told.status_code == 422
    assert [(it["field"], it["code"]) for it in told.json()["errors"]] == [(field, code)]


def test_a_backfill_over_the_api_and_the_command_line(api: Api, cli: Cli) -> None:
    schedule = api.schedule(api.workspace(), cron="0 * * * *")
    now = clock.now().replace(minute=0, second=0, microsecond=0)
    span = {"start": (now - 3 * HOUR).isoformat(), "end": (now - HOUR).isoformat()}
    path = f"/api/schedules/{schedule['id']}/backfill"

    dry = api.ask("POST", path, json={**span, "dry_run": True}).json()
    done = api.ask("POST", path, json=span)
    again = json.loads(
        cli("schedule", "backfill", "nightly", "--start", span["start"], "--end", span["end"], "--json").stdout
    )

    moments = [now - it * HOUR for it in (3, 2, 1)]
    assert [datetime.fromisoformat(it["nominal_at"]) for it in dry["occurrences"]] == moments
    assert [it["firing_id"] for it in dry["occurrences"]] == [None] * 3
    assert done.status_code == 200
    ids = [it["firing_id"] for it in done.json()["occurrences"]]
    assert sorted(it["id"] for it in api.get("/api/firings")["items"]) == sorted(ids)
    assert {it["source"] for it in api.get("/api/firings")["items"]} == {"backfill"}
    assert (again["occurrences"], again["fired_already"]) == ([], 3)
    assert (
        "3 had fired" in cli("schedule", "backfill", "nightly", "--start", span["start"], "--end", span["end"]).stdout
    )


def test_a_backfill_that_cannot_be_is_refused(api: Api, cli: Cli) -> None:
    schedule = api.schedule(api.workspace())
    gone = "/api/schedules/01890000-0000-7000-8000-000000000000/backfill"
    span = {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}

    assert api.ask("POST", gone, json=span).status_code == 404
    for form, field in (({**span, "end": "2999-01-01T00:00:00Z"}, "end"), ({"start": span["start"]}, "end")):
        told = api.ask("POST", f"/api/schedules/{schedule['id']}/backfill", json=form)
        assert (told.status_code, told.json()["errors"][0]["field"]) == (422, field)
    naive = cli("schedule", "backfill", "nightly", "--start", "2026-01-01", "--end", span["end"], exits=2)
    assert "offset" in naive.stderr


def test_the_fleet_is_paused_and_resumed_by_api_and_command_line(api: Api, cli: Cli) -> None:
    workspace = api.workspace()
    schedule = api.schedule(workspace)

    paused = api.ask("POST", "/api/pause", json={"note": "moving"}, headers={"Slotbeat-Actor": "ada"}).json()
    run = [api.ask("POST", f"/api/schedules/{schedule['id']}/execute?force={it}") for it in ("false", "true")]
    queued = api.ask("POST", f"/api/schedules/{schedule['id']}/execute?queue=true")
    set_meanwhile = cli("limit", "set", "fleet", "3").stdout

    assert (paused["paused"], paused["paused_by"], paused["note"], paused["cap"]) == (True, "ada", "moving", 2)
    assert [(it.status_code, it.json()["error"]) for it in run] == [(409, "draining")] * 2
    assert "paused by ada (moving)" in run[0].json()["detail"]
    assert queued.status_code == 202
    assert "cap 0 while the fleet is paused, then 3" in set_meanwhile
    assert api.get("/api/settings/max_concurrent")["value"] == 3
    assert "The fleet is paused by ada (moving)" in cli("slots").stderr
    assert "is paused by ada" in cli("pause", "-m", "again").stdout
    assert cli("resume").stdout == "the fleet is not paused\n"
    assert api.get("/api/pause") == {"paused": False, "paused_by": None, "paused_at": None, "note": None, "cap": None}
    assert api.get("/api/limits")["items"][0]["cap"] == 3
