"""A process of its own that asks for restarts, many at once, and begins whatever may begin: for a test."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from shared.celery_app import make_app
from shared.settings import addresses
from shared.store import restarts
from shared.store.connection import Database
from workers import restart
from workers.identity import this_worker
from workers.station import Station

_THREADS = 5


def ask(workspace: UUID, times: int) -> None:
    """Asks so often from several threads, each time trying to begin one too; prints the numbers it was given."""
    database, station = Database(addresses().database_url), Station(make_app("askers"), this_worker("asker@test"))

    def once(_: int) -> int:
        number = restarts.ask(database.connection(), workspace).number
        restart.restart(station, workspace)
        return number

    with ThreadPoolExecutor(_THREADS) as pool:
        print(json.dumps(sorted(pool.map(once, range(times)))))


def begin(workspace: UUID) -> None:
    """Restarts it in this process."""
    restart.restart(Station(make_app("askers"), this_worker("lost@test")), workspace)


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        ask(UUID(sys.argv[2]), int(sys.argv[3]))
    else:
        begin(UUID(sys.argv[2]))
