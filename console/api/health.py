"""Whether this server lives, and whether what it needs is there."""

from fastapi import APIRouter, Response
from psycopg import Error
from pydantic import BaseModel

from console.api.state import Slots
from console.deeds.gate import AWAY
from shared.admission import Admission
from shared.store.migrate import lacking

router = APIRouter(tags=["health"])


class Ready(BaseModel):
    """What was looked at: `ok`, or what is wrong and what to do."""

    ready: bool
    database: str
    redis: str


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """Answers while this process can."""
    return {"status": "ok"}


@router.get("/readyz", responses={503: {"model": Ready}})
def readyz(slots: Slots, response: Response) -> Ready:
    """200 when the database is there and migrated and Redis is there, else 503."""
    told = Ready(ready=False, database=_database(slots), redis=_redis(slots))
    told.ready = told.database == told.redis == "ok"
    response.status_code = 200 if told.ready else 503
    return told


def _database(slots: Admission) -> str:
    """Also ok where a newer release has migrated it: an upgrade replaces those who serve after that."""
    try:
        return "not migrated: run `slotbeat migrate`" if lacking(slots.database.connection()) else "ok"
    except Error:
        return "away: start Postgres, or set DATABASE_URL"


def _redis(slots: Admission) -> str:
    try:
        slots.gate.redis.ping()
    except AWAY:
        return "away: start Redis, or set REDIS_URL"
    return "ok"
