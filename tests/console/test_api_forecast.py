"""The forecast over HTTP and on the command line, from real rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.console.conftest import Api, form
from tests.console.test_api_firings import run
from tests.console.test_cli import Cli


def measured(api: Api, schedule: str, seconds: int) -> None:
    api.rows("update schedules set avg_duration_ms = %s where id = %s returning id", seconds * 1000, schedule)


def hour(api: Api) -> int:
    """One that is some hours away, so that what is planned for it is still to come."""
    [[now]] = api.rows("select now()")
    return (now.astimezone(UTC) + timedelta(hours=3)).hour


def test_the_forecast_says_what_starts_who_waits_and_where_it_is_full(api: Api, tmp_path: Any) -> None:
    here, at = api.workspace(), hour(api)
    first = api.schedule(here, "first", cron=f"0 {at} * * *", priority=0)["id"]
    second = api.schedule(here, "second", cron=f"0 {at} * * *")["id"]
    api.ask("PUT", "/api/limits/fleet", json={"cap": 1})
    measured(api, first, 600)
    measured(api, second, 60)

    told = api.get("/api/forecast?hours=24")

    starts = [(it["name"], it["wait_s"], it["behind"]) for it in told["starts"]]
    assert starts == [("first", 0, []), ("second", 600, ["first"])]
    due = datetime.fromisoformat(told["starts"][0]["nominal_at"])
    assert datetime.fromisoformat(told["starts"][1]["starts_at"]) - due == timedelta(seconds=600)
    assert [(it["firings"], it["longest_wait_s"]) for it in told["crowded"]] == [(1, 600)]
    assert [(it["limit"], it["cap"], it["full_s"]) for it in told["limits"]] == [("fleet", 1, 660)]
    assert told["truncated"] is False
    cli = Cli({"SLOTBEAT_URL": str(api.client.base_url)}, str(tmp_path))
    text = cli("forecast", "--hours", "24").stdout
    assert "10 min 0 s" in text
    assert "2 firings until" in text
    assert cli.json("forecast")["firings"] == 2
    assert api.ask("GET", "/api/forecast?hours=169").status_code == 422
    assert api.ask("GET", "/api/forecast?hours=0").status_code == 422
    assert api.get("/api/forecast?hours=168")["firings"] == 14


def test_what_runs_and_waits_now_is_where_it_begins(api: Api) -> None:
    here = api.workspace()
    running, _ = api.fill(here)
    run(api, running)
    schedule = api.schedule(here, "late", cron=f"0 {hour(api)} * * *")
    queued = api.ask("POST", f"/api/schedules/{schedule['id']}/execute?queue=true")
    assert queued.status_code == 202
    paused = api.schedule(here, "held")
    api.ask("POST", f"/api/schedules/{paused['id']}/pause")
    api.ask("PUT", "/api/limits/fleet", json={"cap": 1})

    told = api.get("/api/forecast?hours=1")

    assert [it["name"] for it in told["starts"]] == ["ad hoc", "late"]
    assert [it["waits_for"] for it in told["starts"]] == ["fleet", "fleet"]
    assert all(it["behind"] == ["ad hoc"] for it in told["starts"])
    assert told["schedules"] == [] or {it["name"] for it in told["schedules"]} == {"late"}


def test_an_edit_and_a_new_schedule_are_seen_before_they_are_saved(api: Api, tmp_path: Any) -> None:
    here, at = api.workspace(), hour(api)
    busy = api.schedule(here, "busy", cron=f"0 {at} * * *", priority=0)["id"]
    moved = api.schedule(here, "moved", cron=f"30 {at} * * *")["id"]
    api.ask("PUT", "/api/limits/fleet", json={"cap": 1})
    measured(api, busy, 600)
    measured(api, moved, 60)

    edit = api.ask("POST", f"/api/forecast/preview/{moved}?hours=24", json={"cron": f"0 {at} * * *"}).json()
    body = {**form(here, name="new", cron=f"0 {at} * * *", priority=0), "expected_run_s": 300}
    new = api.ask("POST", "/api/forecast/preview", json=body).json()

    assert (edit["before"]["longest_wait_s"], edit["after"]["longest_wait_s"]) == (0, 600)
    assert (edit["after"]["behind"], edit["delayed"]) == (["busy"], [])
    assert [it["longest_wait_s"] for it in edit["offsets"]] == [0, 0, 0]
    assert new["before"] is None
    assert (new["after"]["firings"], new["after"]["longest_wait_s"]) == (1, 600)
    cli = Cli({"SLOTBEAT_URL": str(api.client.base_url)}, str(tmp_path))
    text = cli("forecast", "-s", "moved", "--cron", f"0 {at} * * *").stdout
    assert "moved now: 1 firings, waits no time on average" in text
    assert "moved then: 1 firings, waits 10 min 0 s" in text
    assert text.count("better: --cron") == 3
    assert cli.json("forecast", "-s", "moved")["after"]["longest_wait_s"] == 0
    cli("forecast", "--cron", "0 3 * * *", exits=2)
    assert api.get(f"/api/schedules/{moved}")["revision"] == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"cron": "0 0 30 2 *"}, "cron_never_fires"),
        ({"cron": "1 2 3"}, "cron_five_fields"),
        ({"x": 1}, "unknown_field"),
    ],
)
def test_a_preview_refuses_what_saving_refuses(api: Api, body: dict[str, Any], code: str) -> None:
    known = api.schedule(api.workspace())["id"]

    told = api.ask("POST", f"/api/forecast/preview/{known}", json=body)

    assert (told.status_code, told.json()["errors"][0]["code"]) == (422, code)
    unknown = "01890000-0000-7000-8000-000000000000"
    assert api.ask("POST", f"/api/forecast/preview/{unknown}", json={}).status_code == 404
    for path, body in (("", form(unknown)), (f"/{known}", {"workspace_id": unknown})):
        there = api.ask("POST", f"/api/forecast/preview{path}", json=body)
        assert (there.status_code, there.json()["errors"][0]["code"]) == (422, "workspace_unknown")
