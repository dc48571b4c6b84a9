"""Another installation than the test's own: the same hands, other servers or another namespace."""

from collections.abc import Iterator
from contextlib import contextmanager

from shared.admission import Admission
from shared.celery_app import close_app, make_app
from shared.settings import Addresses, Settings
from shared.store.connection import Database
from tests.process.conftest import Fleet


@contextmanager
def installed(fleet: Fleet, where: Addresses) -> Iterator[Fleet]:
    """Its processes end with the block."""
    database, app = Database(where.database_url), make_app("installed", where)
    admission = Admission(database, where, Settings(lease_seconds=1.5), app)
    own = {"DATABASE_URL": where.database_url, "REDIS_URL": where.redis_url, "SLOTBEAT_NAMESPACE": where.namespace}
    made = Fleet(database, admission, {**fleet.environment, **own}, fleet.begin)
    try:
        yield made
    finally:
        for it in made.started:
            it.end_tree()
        admission.gate.redis.close()
        close_app(app)
        database.close()
