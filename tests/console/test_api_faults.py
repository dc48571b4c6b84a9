"""The API while Redis or Postgres is away: it says so in time, and leaves nothing half done."""

import signal
import time

from psycopg import Connection

from console.local.servers import Servers
from shared.store.connection import connect
from shared.store.migrate import migrate
from tests.console.conftest import Api, api_at, form
from tests.console.test_api_firings import complete, run, say
from tests.databases import away, named
from tests.waiting import until

NOBODY = "redis://127.0.0.1:9/0"


def test_without_redis_a_run_now_is_refused_in_time_and_all_else_works(database_url: str) -> None:
    with api_at(database_url, NOBODY) as api:
        workspace = api.workspace()
        schedule = api.schedule(workspace)
        path = f"/api/schedules/{schedule['id']}"

        began = time.monotonic()
        told = [api.ask("POST", f"{path}/execute", params=query) for query in ({}, {"force": 1}, {"queue": 1})]
        took_s = time.monotonic() - began

        assert [(it.status_code, it.json()["error"]) for it in told] == [(503, "gate_unavailable")] * 3
        assert told[0].headers["Retry-After"] == "5"
        assert took_s < 3 * 3
        assert api.rows("select count(*) from firings") == [(0,)]
        assert api.rows("select count(*) from activity_logs where type like 'manual%%'") == [(0,)]
        for deed, status in (("pause", 200), ("resume", 200)):
            assert api.ask("POST", f"{path}/{deed}").status_code == status
        assert api.ask("PATCH", path, json={"prompt": "new"}).status_code == 200
        assert api.ask("PUT", "/api/limits/fleet", json={"cap": 5}).json()["cap"] == 5
        assert api.ask("PUT", "/api/settings/max_concurrent", json={"value": 6}).json()["value"] == 6
        slots = api.get("/api/slots")
        assert (slots["gate"], slots["items"][0]["limit"]["cap"]) == (None, 6)
        ready = api.ask("GET", "/readyz")
        assert (ready.status_code, ready.json()["database"]) == (503, "ok")
        assert ready.json()["redis"].startswith("away")
        assert api.ask("DELETE", path).status_code == 204


def test_a_redis_that_hangs_is_given_up_within_three_seconds(own_servers: Servers) -> None:
    migrate(own_servers.database_url)
    with api_at(own_servers.database_url, own_servers.redis_url) as api:
        schedule = api.schedule(api.workspace())
        path = f"/api/schedules/{schedule['id']}/execute"
        # What Redis reads when it wakes is a reservation that nobody claims; the reconciler takes it back.
        api.ask("PUT", "/api/limits/fleet", json={"cap": 9})
        assert api.ask("POST", path).status_code == 200
        own_servers.redis.signal(signal.SIGSTOP)

        began = time.monotonic()
        told = api.ask("POST", path)
        took_s = time.monotonic() - began

        own_servers.redis.signal(signal.SIGCONT)
        assert (told.status_code, told.json()["error"]) == (503, "gate_unavailable")
        assert took_s < 3
        assert api.rows("select count(*) from firings") == [(1,)]
        assert until(lambda: api.ask("POST", path).status_code == 200)


def test_a_postgres_without_room_on_its_disk_says_so(database_url: str) -> None:
    """Whoever is told that it does not answer looks at the network."""
    with api_at(database_url, NOBODY) as api, connect(database_url) as sql:
        sql.execute("create function no_room() returns trigger language plpgsql as 'begin raise disk_full; end'")
        sql.execute("create trigger no_room before insert on workspaces execute function no_room()")

        told = api.ask("POST", "/api/workspaces", json={"name": "lab"})

    assert (told.status_code, told.json()["error"]) == (503, "database_unavailable")
    assert "no room left on its disk" in told.json()["detail"]


def test_a_postgres_that_writes_nothing_is_read_and_writes_again_by_itself(database_url: str) -> None:
    """A standby that nobody has promoted yet: it takes connections, and keeps them."""
    name = database_url.rpartition("/")[2]
    with api_at(database_url, NOBODY) as api, connect(database_url) as sql:
        sql.execute(named("alter database {} set default_transaction_read_only = on", name))
        told = [api.ask("POST", "/api/workspaces", json={"name": "lab"}) for _ in range(2)]
        read = api.ask("GET", "/api/workspaces")
        sql.execute(named("alter database {} reset default_transaction_read_only", name))

        assert [(it.status_code, it.json()["error"]) for it in told] == [(503, "database_unavailable")] * 2
        assert "takes no writes" in told[0].json()["detail"]
        assert read.status_code == 200
        assert {api.ask("POST", "/api/workspaces", json={"name": f"lab {it}"}).status_code for it in range(9)} == {201}


def test_who_follows_a_firing_waits_for_a_postgres_that_is_away(
    database_url: str, redis_url: str, maker: Connection
) -> None:
    with api_at(database_url, redis_url) as api:
        first, _ = api.fill(api.workspace())
        token = run(api, first)
        say(api, first, token, 1)
        with api.client.stream(
            "GET", f"/api/firings/{first}/events", headers={"Accept": "text/event-stream"}
        ) as answer:
            lines = answer.iter_lines()
            assert next(lines) == f"id: {token}:1"
            with away(maker, database_url):
                assert ": Postgres does not answer" in lines
            complete(api, first, token)

            assert "event: end" in lines


def test_without_postgres_every_answer_is_a_problem_and_it_comes_back_by_itself(own_servers: Servers) -> None:
    migrate(own_servers.database_url)
    with api_at(own_servers.database_url, own_servers.redis_url) as api:
        workspace = api.workspace()
        own_servers.postgres.kill()

        began = time.monotonic()
        told = [api.ask("GET", "/api/schedules"), api.ask("POST", "/api/schedules", json=form(workspace))]
        took_s = time.monotonic() - began

        assert [(it.status_code, it.json()["error"]) for it in told] == [(503, "database_unavailable")] * 2
        assert took_s < 10
        assert api.ask("GET", "/healthz").status_code == 200
        ready = api.ask("GET", "/readyz")
        assert (ready.status_code, ready.json()["redis"]) == (503, "ok")
        own_servers.postgres.restart()
        assert until(lambda: api.ask("GET", "/readyz").status_code == 200)
        # No thread's old connection costs a request.
        assert {api.ask("GET", "/api/schedules").status_code for _ in range(20)} == {200}


def test_a_database_without_its_tables_is_not_ready_and_says_what_to_do(
    empty_database_url: str, redis_url: str
) -> None:
    with api_at(empty_database_url, redis_url) as api:
        told = api.ask("GET", "/readyz")

        assert told.status_code == 503
        assert "slotbeat migrate" in told.json()["database"]
        listed, page = api.ask("GET", "/api/schedules"), api.ask("GET", "/", headers={"Accept": "text/html"})
        assert (listed.status_code, "slotbeat migrate" in listed.json()["detail"]) == (503, True)
        assert (page.status_code, page.headers["Content-Type"][:9]) == (503, "text/html")
        assert "Postgres is not ready" in page.text
        assert "slotbeat migrate" in page.text
        migrate(empty_database_url)
        assert api.get("/readyz") == {"ready": True, "database": "ok", "redis": "ok"}


def test_a_server_stays_in_service_while_a_newer_release_has_migrated_its_database(api: Api) -> None:
    """An upgrade migrates first; a balancer that asks must not take every server away until they are replaced."""
    api.rows("insert into schema_migrations (name, checksum) values ('9999_later.sql', 'x') returning name")

    assert api.get("/readyz")["ready"] is True
