"""A gate with an epoch of its own, and gate and rows together."""

from collections.abc import Iterator

import pytest
from redis import Redis

from shared.admission import Admission
from shared.answers import Caps
from shared.celery_app import close_app, make_app
from shared.gate import Gate
from shared.settings import Settings, addresses
from shared.store.connection import Database
from tests.slots.both import Both
from tests.slots.universe import START_LEASE_MS
from tests.store.rows import scene


@pytest.fixture
def gate(redis_url: str) -> Iterator[Gate]:
    """Of epoch 1, at a time of the test's own, with a fleet cap of 2 and a worker of 20 processes."""
    with Redis.from_url(redis_url) as redis:
        made = Gate(redis, "scripts", START_LEASE_MS, 1, now_ms=1_000_000)
        assert made.load(1, caps=Caps({"fleet": 2}), workers=[("w1", 20, 10**9)], done=True)
        yield made


@pytest.fixture
def both(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """Admission over a gate and rows, with a worker of 20 processes and a fleet cap of 2."""
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    database, app = Database(database_url), make_app("tests")
    admission = Admission(database, addresses(), Settings(), app)
    made = Both(admission, scene(database.connection()))
    made.worker_signs()
    yield made
    admission.gate.redis.close()
    close_app(app)
    database.close()
