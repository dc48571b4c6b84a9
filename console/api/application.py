"""The application: resources, the dashboard's pages, the door before them, what they have at hand."""

import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from anyio import to_thread
from fastapi import Depends, FastAPI
from fastapi.routing import APIRoute

from console.api import (
    answers,
    budgets,
    crowding,
    docs,
    events,
    failure_classes,
    firings,
    fleet,
    forecast,
    health,
    metrics,
    schedules,
    skipping,
    slots,
    streams,
    timing,
    tokens,
    why,
    workspaces,
)
from console.api import settings as settings_api
from console.api.allowed import allowed
from console.api.described import PROBLEM, describe
from console.api.door import Door
from console.api.entry import Entry
from console.api.heads import Heads
from console.api.state import Connections
from console.deeds.api_tokens import VARIABLE
from shared import celery_app, logs
from shared import settings as knobs
from shared.admission import Admission
from shared.pressure import Pressure

# Each thread has a connection to Postgres; more of them wait for the same few milliseconds of work.
_THREADS = 5

_REFUSALS: dict[int | str, dict[str, Any]] = {
    code: {"content": PROBLEM, "description": words}
    for code, words in {
        401: "A token is needed, or this one is none",
        403: "The token has not the scope",
        404: "No such thing",
        409: "Not possible in its state",
        422: "A value that cannot be",
        429: "Too many wrong tokens, or no room",
        503: "Postgres or Redis is away",
        "default": "Any other refusal",
    }.items()
}


def make_app(where: knobs.Addresses, settings: knobs.Settings, admin_token: str | None = None) -> FastAPI:
    """An application that connects when it is first asked for something; it knows this token, if there is one."""
    app = FastAPI(
        title="Slotbeat",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        generate_unique_id_function=_operation_id,
        responses=_REFUSALS,
    )
    database = Connections(where.database_url)
    app.state.database = database
    app.state.admission = Admission(database, where, settings, celery_app.make_app("console"))
    app.state.pressure = Pressure(where.redis_url, where.namespace)
    app.state.metrics = metrics.Kept()
    answers.install(app)
    resources = (
        workspaces,
        timing,
        schedules,
        crowding,
        skipping,
        events,
        firings,
        failure_classes,
        slots,
        budgets,
        streams,
        fleet,
        forecast,
        why,
        settings_api,
        tokens,
        metrics,
        docs,
    )
    for resource in resources:
        app.include_router(resource.router, dependencies=[Depends(allowed)])
    # Whether it lives, everybody may ask.
    app.include_router(health.router)
    tell = answers.tell
    if find_spec("console.pages"):
        pages = import_module("console.pages")
        app.include_router(pages.router)
        pages.install(app)
        tell = pages.tell
    entry = Entry(database, require_token=settings.require_token, admin_token=admin_token)
    app.add_middleware(Door, entry=entry, tell=tell)
    app.add_middleware(Heads)
    describe(app)
    return app


def close(app: FastAPI) -> None:
    """Gives every connection back."""
    app.state.admission.gate.redis.close()
    celery_app.close_app(app.state.admission.app)
    app.state.pressure.close()
    app.state.database.close()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    to_thread.current_default_thread_limiter().total_tokens = _THREADS
    yield
    close(app)


def _operation_id(route: APIRoute) -> str:
    return route.name


def from_environment() -> FastAPI:
    """The application that the environment's addresses and settings ask for; it logs to standard error."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logs.shape(logging.getLogger())
    logging.getLogger("httpx").setLevel(logging.WARNING)
    return make_app(knobs.addresses(), knobs.read(), os.environ.get(VARIABLE))
