"""Two systems that were given one Redis and one namespace, each with rows of its own: the doctor says who is there."""

import json

from redis import Redis

from shared.settings import addresses
from shared.store.migrate import migrate
from tests.doctor.test_healthy import doctor, working
from tests.operations.installations import installed
from tests.process.conftest import Fleet
from tests.waiting import until


def test_the_other_system_is_named_with_what_parts_them(fleet: Fleet, redis_url: str, empty_database_url: str) -> None:
    working(fleet)
    migrate(empty_database_url)
    alone = doctor(fleet.environment)[1]
    with installed(fleet, addresses({"DATABASE_URL": empty_database_url, "REDIS_URL": redis_url})) as other:
        worker = other.worker("stranger")
        until(lambda: worker.says(" ready."))
        found = json.loads(doctor(fleet.environment, "--json")[1])["findings"]
        # Its keeper fills the gate from its own rows, too.
        until(lambda: other.rows("select number > 0 from epoch") == [(True,)])

    [broker] = [it for it in found if it["check"] == "broker" and it["level"] == "fail"]
    assert (
        broker["words"]
        == "stranger@test answers here and is in no row: another system has the same Redis and namespace"
    )
    assert broker["remedy"] == ["export SLOTBEAT_NAMESPACE=another  # there, for each of its parts"]
    assert "another system" not in alone
    with Redis.from_url(redis_url) as client:
        client.flushdb()
