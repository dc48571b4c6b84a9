"""A request that names itself by a key and comes again: done once, answered as the first time (MAN-3)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from httpx import Response

from tests.console.conftest import SLEEPS, Api, api_at, form
from tests.console.test_api_tokens import bearer, token


def keyed(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key}


def counts(api: Api) -> Any:
    return api.rows("select (select count(*) from firings), (select count(*) from schedules)")[0]


def test_a_repeated_request_is_answered_with_what_the_first_one_made(api: Api) -> None:
    place = api.workspace()
    schedule = api.schedule(place)
    run = f"/api/schedules/{schedule['id']}/execute"
    asked: list[tuple[str, Any, str]] = [
        (run, None, "firing_id"),
        (f"{run}?queue=1", {"prompt": "special"}, "firing_id"),
        ("/api/firings?force=1", {"workspace_id": place, "target": SLEEPS}, "firing_id"),
        ("/api/schedules", form(place, name="other"), "schedule"),
    ]

    for at, (path, body, what) in enumerate(asked):
        first = api.ask("POST", path, json=body, headers=keyed(f"key-{at}"))
        again = api.ask("POST", path, json=body, headers=keyed(f"key-{at}"))
        assert first.status_code < 300, first.text
        assert (again.status_code, again.json()[what]) == (first.status_code, first.json()[what]), path
        assert "Idempotency-Replayed" not in first.headers
        assert again.headers["Idempotency-Replayed"] == "true"
    assert counts(api) == (3, 2)
    assert api.get("/api/slots")["gate"]["reserved"] == 3


def test_a_rerun_is_repeated_under_its_key_too(api: Api) -> None:
    schedule = api.schedule(api.workspace())
    ended = api.ask("POST", f"/api/schedules/{schedule['id']}/execute").json()["firing_id"]
    api.ask("POST", f"/api/firings/{ended}/cancel")

    made = [api.ask("POST", f"/api/firings/{ended}/rerun", headers=keyed("x")).json()["firing_id"] for _ in range(3)]

    assert len(set(made)) == 1
    assert counts(api) == (2, 1)


def test_a_key_is_for_one_request(api: Api) -> None:
    place = api.workspace()
    one, other = api.schedule(place), api.schedule(place, "other")
    run = "/api/schedules/{}/execute"
    assert api.ask("POST", run.format(one["id"]), headers=keyed("x")).status_code == 200

    others: list[tuple[str, Any]] = [
        (run.format(one["id"]), {"prompt": "another"}),
        (run.format(one["id"]) + "?queue=1", None),
        (run.format(other["id"]), None),
        ("/api/schedules", form(place, name="third")),
    ]
    for path, body in others:
        told = api.ask("POST", path, json=body, headers=keyed("x"))
        assert (told.status_code, told.json()["errors"][0]["code"]) == (422, "idempotency_key_reused"), path
    for key in ("", "a b", "x" * 201):
        assert api.ask("POST", run.format(other["id"]), headers=keyed(key)).status_code == 422, key
    assert counts(api) == (1, 2)


def test_what_was_refused_may_be_tried_again_under_its_key(api: Api) -> None:
    place = api.workspace()
    schedule = api.schedule(place)
    waiting = api.fill(place)
    run = f"/api/schedules/{schedule['id']}/execute"

    assert api.ask("POST", run, headers=keyed("x")).status_code == 429
    api.ask("POST", f"/api/firings/{waiting[0]}/cancel")
    first, again = (api.ask("POST", run, headers=keyed("x")) for _ in range(2))

    assert (first.status_code, again.json()) == (200, first.json())


def test_keys_of_two_callers_are_two_keys_and_are_forgotten_after_a_day(api: Api) -> None:
    run = f"/api/schedules/{api.schedule(api.workspace())['id']}/execute?queue=1"
    alice, bob = (bearer(token(api, it, "operate")) for it in ("alice", "bob"))

    made = [api.ask("POST", run, headers={**keyed("x"), **it}).json()["firing_id"] for it in (alice, bob, alice)]
    api.rows("update idempotency_keys set at = now() - interval '25 hours' returning 1")
    later = api.ask("POST", run, headers={**keyed("x"), **alice}).json()["firing_id"]

    assert len({*made, later}) == 3
    assert made[0] == made[2]
    assert api.rows("select count(*) from idempotency_keys") == [(1,)]


def test_a_key_may_be_used_again_after_a_day_however_many_others_wait_to_be_forgotten(api: Api) -> None:
    run = f"/api/schedules/{api.schedule(api.workspace())['id']}/execute?queue=1"
    made = api.ask("POST", run, headers=keyed("x")).json()["firing_id"]
    api.rows(
        "with older as (insert into idempotency_keys (caller, key, request_hash, made, at)"
        "   select 'here', n::text, '', gen_random_uuid(), now() - interval '30 hours'"
        "     from generate_series(1, 1500) n)"
        " update idempotency_keys set at = now() - interval '25 hours' returning 1"
    )

    later = api.ask("POST", run, headers=keyed("x"))

    assert (later.status_code, later.json()["firing_id"] == made) == (202, False)


def test_of_many_at_once_over_two_processes_one_is_done(api: Api, database_url: str, redis_url: str) -> None:
    run = f"/api/schedules/{api.schedule(api.workspace())['id']}/execute"
    with api_at(database_url, redis_url) as second, ThreadPoolExecutor(12) as pool:

        def ask(at: int) -> Response:
            return (api, second)[at % 2].ask("POST", run, headers=keyed("the-same"))

        answers = list(pool.map(ask, range(24)))

    assert {it.status_code for it in answers} == {200}
    assert len({it.json()["firing_id"] for it in answers}) == 1
    assert sum("Idempotency-Replayed" not in it.headers for it in answers) == 1
    assert counts(api) == (1, 1)
    assert api.get("/api/slots")["gate"]["reserved"] == 1
    assert api.rows("select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]
