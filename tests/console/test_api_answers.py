"""What answers hold, by the names that others hold on to."""

from tests.console.conftest import Api
from tests.console.test_api_firings import complete, run


def test_each_limit_tells_its_usage_cap_holders_and_line(api: Api) -> None:
    workspace = api.workspace()
    first, second = api.fill(workspace)
    run(api, first)
    api.ask("PUT", f"/api/limits/workspace:{workspace}", json={"cap": 1})

    slots = api.get("/api/slots")

    assert slots["next_cursor"] is None
    told = {it["key"]: it for it in slots["items"]}
    assert set(told) == {"fleet", f"workspace:{workspace}"}
    for it in told.values():
        assert (it["usage"], [holder["firing_id"] for holder in it["holders"]]) == (1, [first])
        assert [waiter["id"] for waiter in it["line"]] == [second]
    assert (told["fleet"]["cap"], told[f"workspace:{workspace}"]["cap"]) == (2, 1)


def test_a_firing_tells_what_it_was_given_and_how_often_it_was_tried(api: Api) -> None:
    schedule = api.schedule(api.workspace(), prompt="as it was")
    path = f"/api/schedules/{schedule['id']}"
    first = api.ask("POST", f"{path}/execute").json()["firing_id"]
    api.ask("PATCH", path, json={"prompt": "as it is"})
    complete(api, first, run(api, first))

    firing = api.get(f"/api/firings/{first}")

    assert (firing["prompt"], firing["schedule_revision"], firing["target"]) == ("as it was", 1, schedule["target"])
    assert [(it["number"], it["outcome"]) for it in firing["attempts"]] == [(1, "completed")]
    assert "prompt" not in api.get("/api/firings")["items"][0]


def test_a_setting_is_written_as_it_is_told(api: Api) -> None:
    path = "/api/settings/dead_ticks"

    written = api.ask("PUT", path, json={"key": "dead_ticks", "value": 5})
    other = api.ask("PUT", path, json={"key": "max_turns", "value": 7})

    assert (written.status_code, api.get(path)["value"]) == (200, 5)
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "key")
