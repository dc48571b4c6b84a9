"""Asks for a restart of a workspace: a row first, then a hint to the workers."""

from uuid import UUID

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.celery_app import RESTART, publish_maintenance
from shared.events import trouble
from shared.store import restarts
from shared.store.connection import Postgres


def ask(connection: Postgres, app: Celery, workspace: UUID) -> restarts.Asked:
    """One restart begins from now on, however many ask; in a connection without a transaction."""
    asked = restarts.ask(connection, workspace)
    tell(app, workspace, asked)
    return asked


def tell(app: Celery, workspace: UUID, asked: restarts.Asked) -> None:
    """Sends a hint where one is needed: by who asks first, or finds a lost one.

    While one runs nobody does: whoever runs it sends the hint for the next. A hint that is lost is sent again
    by the reaper.
    """
    if asked.lost or (asked.first and not asked.running):
        hint(app, workspace)


def hint(app: Celery, workspace: UUID) -> None:
    """Tells the workers that a restart may begin; while the broker is away the reaper will, later."""
    try:
        publish_maintenance(app, RESTART, str(workspace))
    except (OperationalError, RedisError, OSError) as error:
        trouble("restart.not_told", error, workspace=workspace)
