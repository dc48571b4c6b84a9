"""MAN-5 and MAN-6 over HTTP and on the command line: collisions told on save and on demand."""

from typing import Any

from tests.console.conftest import Api, form
from tests.console.test_cli import Cli


def measured(api: Api, schedule: str, turns: int) -> None:
    api.rows("update schedules set avg_turns_per_firing = %s where id = %s returning id", turns, schedule)


def test_a_collision_is_told_on_save_and_on_demand_in_its_exact_shape(api: Api) -> None:
    here, elsewhere = api.workspace("here"), api.workspace("elsewhere")
    known = {name: api.schedule(here, name, cron="2 3 * * *") for name in ("a", "b", "paused", "unmeasured")}
    far = api.schedule(elsewhere, "far", cron="0 3 * * *")
    for it, turns in ((known["a"], 1000), (known["b"], 2000), (known["paused"], 9000), (far, 9000)):
        measured(api, it["id"], turns)
    api.ask("POST", f"/api/schedules/{known['paused']['id']}/pause")

    made = api.ask("POST", "/api/schedules", json=form(here, name="new", cron="0 3 * * *")).json()

    due: Any = made["schedule"]["next_run_at"]
    expected = {
        "type": "cron_collision",
        "overlapping_schedules": [
            {"id": known["b"]["id"], "name": "b", "avg_turns_per_firing": 2000},
            {"id": known["a"]["id"], "name": "a", "avg_turns_per_firing": 1000},
        ],
        "buckets": [due],
        "estimated_concurrent_turns": 3000,
    }
    assert made["warnings"] == [expected]
    assert [it["cron"] for it in made["offsets"]] == ["5 3 * * *", "10 3 * * *", "15 3 * * *"]
    place = f"/api/schedules/{made['schedule']['id']}"
    told = api.get(f"{place}/collisions")
    assert (told["warnings"], told["offsets"]) == ([expected], made["offsets"])
    assert api.ask("PATCH", place, json={"cron": made["offsets"][0]["cron"]}).json()["warnings"] == []
    assert api.ask("PUT", place, json=form(here, name="new", cron="4 3 * * *")).json()["warnings"][0] == expected
    assert api.ask("GET", "/api/schedules/01890000-0000-7000-8000-000000000000/collisions").status_code == 404


def test_a_new_schedule_hears_what_others_of_its_adapter_take(api: Api, tmp_path: Any) -> None:
    here = api.workspace("here")
    assert api.ask("POST", "/api/schedules", json=form(here, name="first")).json()["calibration"] is None
    for name, turns in (("a", 10), ("b", 30), ("c", 5000), ("takes none", 0)):
        measured(api, api.schedule(here, name, cron="0 5 * * *")["id"], turns)

    made = api.ask("POST", "/api/schedules", json=form(here, name="new", cron="0 9 * * *", max_turns=50)).json()
    cli = Cli({"SLOTBEAT_URL": str(api.client.base_url)}, str(tmp_path))
    told = cli("schedule", "add", "late", "-w", "here", "--cron", "0 5 * * *", "--max-turns", "50", "--", "true")

    assert made["calibration"] == {"adapter": "generic", "median_turns": 30, "schedules": 3}
    assert made["warnings"] == made["offsets"] == []
    assert "warning: about 5040 turns at once from" in told.stderr
    assert "together with c, b, a" in told.stderr
    assert "free instead: --cron '5 5 * * *' (0 turns) or" in told.stderr
    assert "a firing of adapter generic takes 30 turns (the median of 3 other schedules)" in told.stderr


def test_a_plain_command_hears_nothing_of_the_turns_of_agents(api: Api) -> None:
    here = api.workspace("here")
    measured(api, api.schedule(here, "quiet")["id"], 0)
    first = api.ask("POST", "/api/schedules", json=form(here, name="agent", max_turns=9)).json()
    measured(api, first["schedule"]["id"], 30)

    plain = api.ask("POST", "/api/schedules", json=form(here, name="plain")).json()
    agent = api.ask("POST", "/api/schedules", json=form(here, name="another", max_turns=9)).json()

    assert first["calibration"] is None
    assert plain["calibration"] is None
    assert agent["calibration"] == {"adapter": "generic", "median_turns": 30, "schedules": 1}
