"""What will run when, and what an edit would change, from the rows as they are."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from console.problems import Wrong, invalid, not_found, refused
from shared.rules.forecast.given import Planned, World
from shared.rules.forecast.preview import Preview, preview
from shared.rules.forecast.replay import replay
from shared.rules.forecast.told import Forecast, told
from shared.rules.planning import Timing, plan
from shared.rules.refused import RefusedValueError
from shared.settings import read
from shared.store import schedules, settings
from shared.store.connection import Database, Postgres
from shared.store.overview import one_moment
from shared.store.schedules import WRITABLE
from shared.store.world import world

_PLANNED = ("workspace_id", "name", "cron", "timezone", "run_at", "priority", "lane", "overlap", "missed")
_PLANNED_TOO = ("start_deadline_s", "jitter_s", "start_at", "end_at", "remaining_runs")


def forecast(database: Database, hours: int, most_starts: int) -> Forecast:
    """The coming hours of all schedules."""
    with one_moment(database) as connection:
        given = world_for(connection, hours)
    return told(replay(given, hours), most_starts)


def of_edit(database: Database, schedule: UUID, changes: Mapping[str, Any], hours: int) -> Preview:
    """What these changes of a schedule would change; without any, how it fares as it is."""
    with one_moment(database) as connection:
        known = schedules.get(connection, schedule)
        if known is None or known.status == "archived":
            raise not_found("schedule", schedule)
        given = world_for(connection, hours)
        default_s = _default_run_s(connection)
    values = {**{it: getattr(known, it) for it in WRITABLE}, **changes}
    same = next((it for it in given.schedules if it.id == schedule), None)
    edited = same if same is not None and not changes else _planned(schedule, values, given.now, default_s)
    if same is not None and edited.next_run_at == same.next_run_at:
        edited = replace(edited, skip_next_at=same.skip_next_at)
    _need_place(given, edited)
    return preview(given, replace(edited, avg_duration_ms=known.avg_duration_ms), hours)


def of_new(database: Database, values: Mapping[str, Any], lasts_s: int | None, hours: int) -> Preview:
    """What a schedule of these values would change; `lasts_s` is how long a firing of it is expected to run."""
    with one_moment(database) as connection:
        given = world_for(connection, hours)
        default_s = _default_run_s(connection)
    added = _planned(uuid7(), values, given.now, default_s)
    _need_place(given, added)
    return preview(given, replace(added, avg_duration_ms=lasts_s and lasts_s * 1000), hours)


def _need_place(given: World, it: Planned) -> None:
    if all(place.id != it.workspace_id or place.status == "removed" for place in given.places):
        told = f"There is no workspace {it.workspace_id}, or it was removed. List them with GET /api/workspaces."
        raise invalid(Wrong("workspace_id", "workspace_unknown", told))


def world_for(connection: Postgres, hours: int) -> World:
    """Everything as it is now, for a forecast of so many hours."""
    known = read(table=settings.load(connection))
    return world(connection, hours, known.max_run_seconds, known.lease_seconds)


def _default_run_s(connection: Postgres) -> int:
    return read(table=settings.load(connection)).max_run_seconds


def _planned(schedule: UUID, values: Mapping[str, Any], now: datetime, default_s: int) -> Planned:
    try:
        found = plan(Timing(id=schedule, **{it: values[it] for it in Timing.__slots__ if it != "id"}), now)
    except RefusedValueError as error:
        raise refused(error) from error
    columns = {it: values[it] for it in (*_PLANNED, *_PLANNED_TOO)}
    columns |= {"cron": found.cron, "timezone": found.timezone}
    run_s = values["max_run_seconds"] or default_s
    return Planned(id=schedule, next_run_at=found.next_run_at, max_run_seconds=run_s, **columns)
