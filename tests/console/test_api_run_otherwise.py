"""A run now with other arguments of its target, for this one firing (MAN-1)."""

import pytest

from tests.console.conftest import Api


def test_a_run_now_takes_other_arguments_of_its_target_and_the_schedule_keeps_its_own(api: Api) -> None:
    """MAN-1."""
    target = {"kind": "command", "argv": ["report", "--days", "1"], "env": {"TONE": "dry"}, "cwd": "/srv"}
    schedule = api.schedule(api.workspace(), target=target)
    path = f"/api/schedules/{schedule['id']}/execute"
    bodies: list[dict[str, object]] = [
        {"argv": ["report", "--days", "7"]},
        {"env": {"TONE": "warm"}, "cwd": None},
        {"kind": "http", "url": "https://example.org/report"},
    ]

    told = [api.ask("POST", path, json={"target": it}, params={"queue": "true"}) for it in bodies]

    assert [it.status_code for it in told] == [202] * 3
    more, warm, called = (api.get(f"/api/firings/{it.json()['firing_id']}/detail")["target"] for it in told)
    kept = {**schedule["target"]}
    assert more == {**kept, "argv": ["report", "--days", "7"]}
    assert warm == {it: value for it, value in {**kept, "env": {"TONE": "warm"}}.items() if it != "cwd"}
    assert (called["kind"], called["url"], "argv" in called) == ("http", "https://example.org/report", False)
    assert api.get(f"/api/schedules/{schedule['id']}")["target"] == kept
    logged = "select request_body -> 'changed' from activity_logs where type = 'manual_run'"
    assert api.rows(logged) == [(["target"],)] * 3


@pytest.mark.parametrize(
    ("target", "field"),
    [
        ({"argv": []}, "target.argv"),
        ({"arguments": ["x"]}, "target.arguments"),
        ({"kind": "http"}, "target.url"),
        ({"kind": None}, "target"),
        (["report"], "target"),
    ],
)
def test_a_run_now_of_what_cannot_run_is_refused_and_leaves_nothing_behind(
    api: Api, target: object, field: str
) -> None:
    schedule = api.schedule(api.workspace())

    told = api.ask("POST", f"/api/schedules/{schedule['id']}/execute", json={"target": target})

    assert (told.status_code, told.json()["error"]) == (422, "invalid")
    assert [it["field"] for it in told.json()["errors"]] == [field]
    assert api.rows("select count(*) from firings") == [(0,)]
