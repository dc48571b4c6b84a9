"""A stream of events is over with the token that opened it, though its firing goes on; and with nothing else."""

from psycopg import Connection

from console.deeds import api_tokens
from shared.store.connection import Database
from tests.console.conftest import SLEEPS, Api
from tests.console.test_api_tokens import bearer, token
from tests.databases import away


def test_who_follows_a_firing_hears_no_more_of_it_when_the_token_is_revoked(wide: Api) -> None:
    admin = bearer(token(wide, "ops", "admin"))
    reader = bearer(token(wide, "reader", "read"))
    place = wide.ask("POST", "/api/workspaces", json={"name": "here"}, headers=admin).json()["id"]
    body = {"workspace_id": place, "target": SLEEPS}
    firing = wide.ask("POST", "/api/firings?queue=true", json=body, headers=admin).json()["firing_id"]
    path = f"/api/firings/{firing}/events"
    with wide.client.stream("GET", path, headers={**reader, "Accept": "text/event-stream"}, timeout=10) as told:
        lines = told.iter_lines()
        assert next(lines) == ": still here"
        database = Database(wide.database_url)
        revoked = wide.rows("select id from api_tokens where name = 'reader'")[0][0]
        api_tokens.revoke(database, revoked, "test")
        database.close()

        assert not any(it.startswith("event:") for it in lines)

    assert wide.ask("GET", path, headers=admin, params={"limit": 1}).status_code == 200


def test_who_follows_a_firing_with_a_token_waits_for_a_postgres_that_is_away(wide: Api, maker: Connection) -> None:
    admin = bearer(token(wide, "ops", "admin"))
    place = wide.ask("POST", "/api/workspaces", json={"name": "here"}, headers=admin).json()["id"]
    body = {"workspace_id": place, "target": SLEEPS}
    firing = wide.ask("POST", "/api/firings?queue=true", json=body, headers=admin).json()["firing_id"]
    path = f"/api/firings/{firing}"
    with wide.client.stream("GET", f"{path}/events", headers={**admin, "Accept": "text/event-stream"}) as told:
        lines = told.iter_lines()
        assert next(lines) == ": still here"
        with away(maker, wide.database_url):
            assert ": Postgres does not answer" in lines
        wide.ask("POST", f"{path}/cancel", headers=admin)

        assert "event: end" in lines
