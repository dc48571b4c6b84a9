"""Redis answers and refuses every write: its replica is gone, or it is a replica itself. What runs goes on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

from console.local.servers import Servers
from shared.store import activity
from tests.process.conftest import Fleet
from tests.store.rows import by_hand
from tests.waiting import until

Deed = Callable[[Any], object]
# Longer than a main loop may be silent.
SILENT = {"SLOTBEAT_LOOP_SILENT_S": "2"}
REFUSALS: dict[str, tuple[Deed, Deed]] = {
    "it has no replica": (
        lambda it: it.config_set("min-replicas-to-write", 1),
        lambda it: it.config_set("min-replicas-to-write", 0),
    ),
    "it is no primary any more": (lambda it: it.replicaof("127.0.0.1", 1), lambda it: it.replicaof("NO", "ONE")),
}


@pytest.fixture(params=REFUSALS)
def refusal(request: pytest.FixtureRequest, own_servers: Servers) -> Callable[[], Any]:
    begin, end = REFUSALS[request.param]

    @contextmanager
    def block() -> Iterator[None]:
        with redis.Redis.from_url(own_servers.redis_url) as client:
            begin(client)
            try:
                yield
            finally:
                end(client)

    return block


@pytest.fixture
def redis_url(own_servers: Servers) -> str:
    return own_servers.redis_url


def test_a_worker_waits_for_a_redis_that_refuses_and_what_runs_goes_on(
    fleet: Fleet, refusal: Callable[[], Any], tmp_path: Path
) -> None:
    go_on = tmp_path / "go on"
    fleet.environment.update(SILENT)
    worker = fleet.worker()
    waits = ["sh", "-c", f"until [ -e '{go_on}' ]; do sleep 0.05; done"]
    target = {"kind": "command", "argv": waits}
    fleet.admission.run_now(by_hand(fleet.workspace(), target=target), activity.Deed("run", "test", {}), queue=True)
    until(lambda: bool(fleet.rows("select 1 from attempts")))

    with refusal():
        until(lambda: worker.text.count("broker.refuses") > 4 or not worker.running, 20)
        go_on.touch()
        until(lambda: bool(fleet.rows("select 1 from firings where status = 'completed'")))
    fleet.admission.run_now(by_hand(fleet.workspace("there")), activity.Deed("run", "test", {}), queue=True)

    assert [it[1] for it in fleet.ended(2)] == ["completed", "completed"]
    assert fleet.rows("select count(*) from attempts") == [(2,)]
    assert worker.running
    assert worker.text.count("Unrecoverable") == worker.text.count("Frequent restarts") == 0
