"""Redis answers and refuses every write, as a replica does, or is away: what runs goes on, and nobody waits for it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu.exceptions import OperationalError

from console.local.servers import Servers
from shared.celery_app import MAINTENANCE, REAP, close_app, make_app, publish_firings, publish_maintenance, waiting_in
from shared.clock import monotonic
from shared.settings import Addresses
from shared.store import activity
from tests.process.conftest import Fleet
from tests.store.rows import by_hand
from tests.waiting import until

NOBODY = "redis://127.0.0.1:9/0"
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
    assert [it for it in ("Unrecoverable", "Frequent restarts", "DeprecationWarning") if it in worker.text] == []


def test_who_sends_to_a_broker_that_is_away_hears_so_at_once() -> None:
    """A beat tells of each firing that another replaces, and an API of each that is cancelled."""
    app = make_app("nobody", Addresses("", NOBODY, NOBODY, "slotbeat"))
    deeds: list[Callable[[], object]] = [
        lambda: publish_firings(app, [("x", "x")]),
        lambda: publish_maintenance(app, REAP),
        lambda: waiting_in(app, MAINTENANCE),
        lambda: app.control.broadcast("abort_firings", arguments={"firing_ids": [], "reason": "x"}),
    ]

    began = monotonic()
    for deed in [*deeds, *deeds]:  # on a connection that nobody has tried, and on one that has failed
        with pytest.raises(OperationalError):
            deed()

    assert monotonic() - began < 1.5
    close_app(app)
