"""OBS-3 over HTTP and on the command line, from real rows."""

from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from console.deeds.why import of_firing
from tests.console.conftest import Api
from tests.console.test_api_firings import complete, run
from tests.console.test_api_outages import tripped
from tests.console.test_cli import Cli


def test_a_firing_that_waited_says_behind_whom_and_so_does_its_schedule(api: Api, tmp_path: Any) -> None:
    here = api.workspace()
    first, second = api.fill(here)
    tokens = {it: run(api, it) for it in (first, second)}
    schedule = api.schedule(here, "late")["id"]
    waiting = api.ask("POST", f"/api/schedules/{schedule}/execute?queue=true").json()["firing_id"]
    api.rows("update attempts set claimed_at = now() - interval '60 s' returning id")
    api.rows("update firings set queued_at = now() - interval '41 s' where id = %s returning id", waiting)
    assert api.get(f"/api/firings/{waiting}/why")["code"] == "waits_in_line"
    complete(api, first, tokens[first])
    api.app.state.admission.fill()
    api.app.state.admission.gate.redis.flushdb()
    complete(api, waiting, run(api, waiting))

    told = api.get(f"/api/firings/{waiting}/why")

    assert [it["code"] for it in told["steps"]] == [
        "asked_for",
        "waited_for_slot",
        "attempt_began",
        "attempt_completed",
        "completed",
    ]
    wait = told["steps"][1]
    assert (wait["facts"]["limit"], wait["facts"]["behind"]) == ("fleet", ["ad hoc"])
    assert 41 <= wait["facts"]["waited_s"] < 100
    assert told["code"] == "completed_late"
    [[nominal]] = api.rows("select nominal_at from firings where id = %s", waiting)
    at = quote(nominal.isoformat())
    of_schedule = api.get(f"/api/schedules/{schedule}/why?at={at}")
    assert (of_schedule["firing_id"], of_schedule["words"]) == (waiting, told["words"])
    cli = Cli({"SLOTBEAT_URL": str(api.client.base_url)}, str(tmp_path))
    assert "in line, the fleet was full: behind ad hoc" in cli("why", waiting).stdout
    assert cli.json("why", "late", "--at", nominal.isoformat())["firing_id"] == waiting


def test_a_schedule_at_a_moment_says_skips_pauses_and_that_it_was_not_there(api: Api, tmp_path: Any) -> None:
    schedule = api.schedule(api.workspace(), "nightly", cron="0 3 * * *")["id"]
    day = "2026-03-27T03:00:00+00:00"
    assert api.get(f"/api/schedules/{schedule}/why?at={quote(day)}")["code"] == "not_there_yet"
    api.rows("update schedules set created_at = '2026-01-01' where id = %s returning id", schedule)
    api.rows(
        """
        insert into skips (id, schedule_id, first_at, last_at, count, reason)
        values (gen_random_uuid(), %s, %s, %s, 1, 'overlap') returning id
        """,
        schedule,
        day,
        day,
    )
    last = api.get(f"/api/schedules/{schedule}/why")
    assert (last["at"], last["code"]) == ("2026-03-27T03:00:00Z", "skipped_overlap")
    api.ask("POST", f"/api/schedules/{schedule}/pause", json={"note": "too loud"})
    api.rows("update activity_logs set at = '2026-04-01' where type = 'schedule_paused' returning id")

    def code(at: str) -> str:
        return api.get(f"/api/schedules/{schedule}/why?at={quote(at)}")["code"]

    assert code(day) == "skipped_overlap"
    assert code("2026-03-27T04:00:00+00:00") == "not_due"
    assert code("2026-03-28T03:00:00+00:00") == "unrecorded"
    assert code("2026-05-01T00:00:00+00:00") == "paused"
    assert code("2999-01-01T00:00:00+00:00") == "paused"
    assert api.get(f"/api/schedules/{schedule}/why")["code"] == "paused"
    cli = Cli({"SLOTBEAT_URL": str(api.client.base_url)}, str(tmp_path))
    assert "too loud" in cli("why", "nightly", "--at", "2026-05-01T00:00:00Z").stdout
    cli("why", "nightly", "--at", "yesterday", exits=2)
    cli("why", "01890000-0000-7000-8000-000000000000", exits=3)
    assert api.ask("GET", f"/api/schedules/{schedule}/why?at=2026-05-01").status_code == 422
    assert api.ask("GET", "/api/firings/01890000-0000-7000-8000-000000000000/why").status_code == 404


def test_a_moment_to_come_is_answered_by_the_forecast(api: Api) -> None:
    here = api.workspace()
    [[now]] = api.rows("select now()")
    due: datetime = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    first = api.schedule(here, "first", cron=f"0 {due.hour} * * *", priority=0)["id"]
    second = api.schedule(here, "second", cron=f"0 {due.hour} * * *")["id"]
    api.ask("PUT", "/api/limits/fleet", json={"cap": 1})
    api.rows("update schedules set avg_duration_ms = 600000 where id = %s returning id", first)

    told = api.get(f"/api/schedules/{second}/why?at={quote(due.isoformat())}")
    far = api.get(f"/api/schedules/{second}/why?at=2998-01-01T00:00:00Z")

    assert told["code"] == "expected"
    assert "after 10 min behind first" in told["words"]
    assert far["code"] == "to_come"


def test_a_firing_without_budget_names_it_and_one_workspace_hears_no_figures_of_the_fleet(api: Api) -> None:
    here = api.workspace()
    schedule = api.schedule(here, "late", budget_turns=3)["id"]
    api.ask("PUT", "/api/budgets/fleet", json={"turns": 9})
    api.rows("insert into spend (token, workspace_id, is_reserved, turns) values (1, %s, false, 9) returning 1", here)
    waiting = api.ask("POST", f"/api/schedules/{schedule}/execute?queue=true").json()["firing_id"]

    told = api.get(f"/api/firings/{waiting}/why")
    only = of_firing(api.app.state.database, UUID(waiting), UUID(here)).why
    api.rows("update firings set forced = true where id = %s returning 1", waiting)

    assert told["code"] == "waits_for_budget"
    assert "the budget of the fleet leaves nothing (9 of 9 turns)" in told["words"]
    assert "the budget of the fleet leaves nothing." in only.words
    assert api.get(f"/api/firings/{waiting}/why")["code"] == "waits_in_line"


def test_what_waits_at_a_cap_of_nothing_says_who_stopped_it_and_how_to_go_on(api: Api) -> None:
    here = api.workspace()
    schedule = api.schedule(here, "late")["id"]
    waiting = api.ask("POST", f"/api/schedules/{schedule}/execute?queue=true").json()["firing_id"]

    api.ask("PUT", f"/api/limits/workspace:{here}", json={"cap": 0})
    drained = api.get(f"/api/firings/{waiting}/why")
    api.ask("POST", "/api/pause", json={"note": "upgrade"}, headers={"Slotbeat-Actor": "ann"})
    paused = api.get(f"/api/firings/{waiting}/why")

    assert (drained["code"], paused["code"]) == ("waits_for_drain", "waits_for_drain")
    assert "the cap of workspace here is 0, which stops all admission: `slotbeat limit set" in drained["words"]
    assert "the fleet is paused by ann (upgrade): `slotbeat resume` lets all go on" in paused["words"]


def test_an_occurrence_that_is_to_be_skipped_says_that_somebody_asked(api: Api) -> None:
    schedule = api.schedule(api.workspace(), "nightly", cron="0 3 * * *")["id"]
    at = api.ask("POST", f"/api/schedules/{schedule}/skip-next").json()["skip_next_at"]

    told = api.get(f"/api/schedules/{schedule}/why?at={quote(at)}")
    ahead = api.get("/api/forecast?hours=30")

    assert (told["code"], "a person asked for it" in told["words"]) == ("expected_skip", True)
    assert [it["skips"] for it in ahead["schedules"]] == [{"manual": 1}]


def test_an_outage_explains_the_waits_of_what_it_holds_and_of_nothing_else(api: Api) -> None:
    """A firing with a lane waits for outages of its lane, whatever is out in its workspace; a lane's name is any."""
    here = api.workspace()
    tripped(api, f"rate_limited@workspace:{here}")
    waits: dict[str | None, str] = {}
    for lane in ("claude", "a@b", None):
        schedule = api.schedule(here, f"of {lane}", lane=lane)["id"]
        [[waits[lane]]] = api.rows(
            """
            insert into firings (id, schedule_id, workspace_id, source, nominal_at, title, target, lane,
                                 max_run_seconds)
            select gen_random_uuid(), id, workspace_id, 'scheduled', now(), name, target, lane, 60
              from schedules where id = %s returning id::text
            """,
            schedule,
        )

    def codes() -> dict[str | None, str]:
        return {lane: api.get(f"/api/firings/{firing}/why")["code"] for lane, firing in waits.items()}

    assert codes() == {"claude": "waits_in_line", "a@b": "waits_in_line", None: "waits_for_class"}
    tripped(api, "rate_limited@lane:a@b")
    assert codes() == {"claude": "waits_in_line", "a@b": "waits_for_class", None: "waits_for_class"}
    api.rows("update failure_classes set probe_id = %s where place = 'lane:a@b' returning 1", waits["a@b"])
    assert codes()["a@b"] == "waits_in_line"


def test_what_a_schedule_did_last_is_its_newest_run_also_by_hand_within_a_minute(api: Api) -> None:
    schedule = api.schedule(api.workspace())["id"]
    api.rows(
        """
        insert into firings (id, schedule_id, workspace_id, source, nominal_at, title, target, max_run_seconds)
        select gen_random_uuid(), id, workspace_id, 'scheduled', now(), name, target, 60 from schedules returning 1
        """
    )
    asked = f"/api/schedules/{schedule}/execute?queue=true"

    first = api.ask("POST", asked).json()["firing_id"]
    after_first = api.get(f"/api/schedules/{schedule}/why")["firing_id"]
    second = api.ask("POST", asked).json()["firing_id"]
    after_second = api.get(f"/api/schedules/{schedule}/why")["firing_id"]

    assert (after_first, after_second) == (first, second)
    api.rows(
        """
        insert into firings (id, schedule_id, workspace_id, source, nominal_at, title, target, max_run_seconds)
        select gen_random_uuid(), id, workspace_id, 'backfill', '2026-02-01', name, target, 60 from schedules
        returning 1
        """
    )
    api.rows(
        """
        insert into skips (id, schedule_id, first_at, last_at, count, reason)
        select gen_random_uuid(), id, '2026-03-01', '2026-03-01', 1, 'overlap' from schedules returning 1
        """
    )
    assert api.get(f"/api/schedules/{schedule}/why")["at"].startswith("2026-02-01")


def test_a_run_by_hand_does_not_hide_that_its_minutes_occurrence_was_skipped(api: Api) -> None:
    schedule = api.schedule(api.workspace())["id"]
    api.rows("update schedules set created_at = '2026-01-01' returning 1")
    made = api.ask("POST", f"/api/schedules/{schedule}/execute").json()["firing_id"]
    [[minute, before]] = api.rows("select nominal_at, nominal_at - interval '1 day' from firings")
    at = quote(minute.replace(second=0, microsecond=0).isoformat())

    def skip(since: datetime, until: datetime) -> None:
        api.rows("delete from skips returning 1")
        api.rows(
            """
            insert into skips (id, schedule_id, first_at, last_at, count, reason)
            select gen_random_uuid(), id, %s, %s, 2, 'overlap' from schedules returning 1
            """,
            since,
            until,
        )

    skip(before, minute + timedelta(days=1))
    assert api.get(f"/api/schedules/{schedule}/why?at={at}")["firing_id"] == made
    for since, until in ((before, minute), (minute, minute + timedelta(days=1))):
        skip(since, until)
        assert api.get(f"/api/schedules/{schedule}/why?at={at}")["code"] == "skipped_overlap"
        assert api.get(f"/api/schedules/{schedule}/why")["code"] == "skipped_overlap"


def test_a_pause_that_is_older_than_the_log_is_told_all_the_same(api: Api) -> None:
    schedule = api.schedule(api.workspace(), "nightly")["id"]
    path = f"/api/schedules/{schedule}/why"
    api.ask("POST", f"/api/schedules/{schedule}/pause", json={"note": "too loud"})
    api.rows("update schedules set created_at = '2026-01-01' returning 1")
    past = f"{path}?at=2026-05-01T03:00:00Z"

    assert api.get(past)["code"] == "unrecorded"  # it was paused later than that
    api.rows("delete from activity_logs returning 1")

    assert [api.get(it)["code"] for it in (path, past)] == ["paused", "paused"]
    assert "too loud (since when, the log does not say any more)" in api.get(path)["words"]


def test_what_will_not_fire_says_why_not(api: Api) -> None:
    [[now]] = api.rows("select now()")
    due: datetime = now.replace(minute=0, second=0, microsecond=0) + timedelta(hours=2)
    native = api.schedule(api.workspace("own", native_scheduler=True), cron=f"0 {due.hour} * * *")["id"]
    plain = api.schedule(api.workspace(), cron=f"0 {due.hour} * * *")["id"]
    api.ask("POST", "/api/pause", json={"note": "upgrade"})

    told = {it: api.get(f"/api/schedules/{it}/why?at={quote(due.isoformat())}") for it in (native, plain)}
    skips = {it["schedule_id"]: it["skips"] for it in api.get("/api/forecast?hours=3")["schedules"]}
    api.ask("POST", "/api/resume")

    assert {it["code"] for it in told.values()} == {"expected_skip"}
    assert "its workspace schedules itself" in told[native]["words"]
    assert "the whole fleet is paused" in told[plain]["words"]
    assert skips == {native: {"native": 1}, plain: {"paused": 1}}
    assert api.get(f"/api/schedules/{plain}/why?at={quote(due.isoformat())}")["code"] == "expected"
