"""Real servers for what the model says."""

from collections.abc import Iterator

import pytest

from shared.admission import Admission
from shared.celery_app import close_app, make_app
from shared.settings import addresses
from shared.store.connection import Database
from tests.model.real import SETTINGS, Real


@pytest.fixture
def real(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Real]:
    monkeypatch.setenv("DATABASE_URL", database_url)
    monkeypatch.setenv("REDIS_URL", redis_url)
    database, app = Database(database_url), make_app("model")
    admissions = [Admission(database, addresses(), SETTINGS, app) for _ in range(3)]
    made = Real(admissions)
    yield made
    made.broom.close()
    for it in admissions:
        it.gate.redis.close()
    close_app(app)
    database.close()
