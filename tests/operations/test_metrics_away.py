"""What Prometheus reads while Postgres is away or frozen: enough for the right alert (OBS-2)."""

from contextlib import closing

import pytest

from console.api import metrics
from console.local.servers import Servers
from shared.store import frozen
from tests.chaos.proxy import Proxy
from tests.console.conftest import api_at
from tests.console.test_api_tokens import bearer, token


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"], ids=["for anybody", "for a token"])
def test_a_postgres_that_is_frozen_or_away_is_told_of_and_the_api_is_not_taken_for_dead(
    host: str, servers: Servers, database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No timeout of TCP notices a frozen one; and a token is not known without Postgres."""
    monkeypatch.setattr(metrics, "GOOD_FOR_S", -1.0)
    monkeypatch.setattr(frozen, "SILENT_S", 0.5)
    wire = Proxy(servers.postgres.port)
    through = database_url.replace(f":{servers.postgres.port}/", f":{wire.port}/")
    with closing(wire), api_at(through, redis_url, host) as api:
        reader = {} if host == "127.0.0.1" else bearer(token(api, "prometheus", "read"))
        before = api.ask("GET", "/metrics", headers=reader)
        wire.silence(600)
        silent = api.ask("GET", "/metrics", headers=reader)
        wire.target_port = 1
        wire.cut()
        gone = api.ask("GET", "/metrics", headers=reader)
        other = api.ask("GET", "/api/schedules", headers=reader)

    told = 'slotbeat_reachable{server="postgres"}'
    assert f"{told} 1.0" in before.text
    assert [(it.status_code, f"{told} 0.0" in it.text) for it in (silent, gone)] == [(200, True)] * 2
    assert "slotbeat_limit_cap{" not in gone.text
    assert other.status_code == 503
