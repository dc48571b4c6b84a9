"""What a request finds at hand: the database, the way to the slots, who asks, which page is wanted."""

import select
import threading
from typing import Annotated

from fastapi import Depends, Header, Query, Request
from psycopg import OperationalError
from pydantic import BaseModel, ConfigDict, Field

from shared.admission import Admission
from shared.pressure import Pressure
from shared.rules.text import one_line
from shared.store import processes
from shared.store.connection import Database, Postgres
from shared.store.frozen import WatchedDatabase

_LONGEST_ACTOR = 100
MOST_ITEMS = 200


class Connections(WatchedDatabase):
    """One connection per thread of the pool; those of threads that ended are closed, and all at the end."""

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url, application="slotbeat api")
        self._made: dict[threading.Thread, Postgres] = {}
        self._making = threading.Lock()

    def connection(self) -> Postgres:
        """This thread's connection; one whose server went away while it was idle is replaced."""
        known = self._made.get(threading.current_thread())
        if known is not None and _may_be_lost(known):
            known.close()
        found = super().connection()
        if found is not known:
            self._keep(found)
        return found

    def _keep(self, found: Postgres) -> None:
        with self._making:
            for thread in [it for it in self._made if not it.is_alive()]:
                self._made.pop(thread).close()
            self._made[threading.current_thread()] = found

    def close(self) -> None:
        """Closes every thread's connection."""
        with self._making:
            while self._made:
                self._made.popitem()[1].close()
        super().close()


def _may_be_lost(known: Postgres) -> bool:
    """Whether something came in on an idle connection, which is its end, and else a notice."""
    if known.closed or known.info.transaction_status != 0:
        return False
    try:
        if not select.select([known.fileno()], [], [], 0)[0]:
            return False
        processes.ping(known)
    except (OperationalError, OSError, ValueError):
        return True
    return False


async def _admission(request: Request) -> Admission:
    return request.app.state.admission


async def _pressure(request: Request) -> Pressure:
    return request.app.state.pressure


async def _database(request: Request) -> Database:
    return request.app.state.database


async def _actor(request: Request, slotbeat_actor: Annotated[str, Header(max_length=_LONGEST_ACTOR)] = "api") -> str:
    """Who asks, as it stands in the activity log: the token's name, and the caller's own words."""
    return request.state.caller.acts(one_line(slotbeat_actor.strip(), _LONGEST_ACTOR) or "api")


Slots = Annotated[Admission, Depends(_admission)]
Talk = Annotated[Pressure, Depends(_pressure)]
Rows = Annotated[Database, Depends(_database)]
Actor = Annotated[str, Depends(_actor)]


class Asked(BaseModel):
    """What every query is: parameters that nobody knows are refused."""

    model_config = ConfigDict(extra="forbid")


class Paging(Asked):
    """Which part of a listing is wanted."""

    limit: Annotated[int, Field(ge=1, le=MOST_ITEMS)] = 50
    cursor: Annotated[str | None, Field(max_length=200)] = None


class HowAsked(Asked):
    """How a firing is wanted: past the caps, or waiting in line where there is no room."""

    force: bool = False
    queue: bool = False


Page = Annotated[Paging, Query()]
HowQuery = Annotated[HowAsked, Query()]
