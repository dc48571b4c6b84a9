"""One schedule: what comes, what was, how it fares, how it is set, and why."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from console.api.state import Rows
from console.callers import calling
from console.deeds import crowding, preview
from console.deeds import why as whys
from console.deeds.crowding import Crowding
from console.deeds.why import Answer
from console.pages import charts, words
from console.pages.answers import PageRoute
from console.pages.charts import Chart
from console.pages.render import show
from console.problems import not_found
from shared.rules.zones import zone_or_utc
from shared.store import firings, overview, schedule_edits, schedule_history, schedules
from shared.store.connection import Database, Postgres
from shared.store.firings import Firing
from shared.store.schedule_edits import Revision
from shared.store.schedule_history import Measured, Skipped
from shared.store.schedules import Schedule

_MOST_RECENT = 14
_MOST_UPCOMING = 10
_MOST_MEASURED = 60
_MOST_EDITS = 20

router = APIRouter(route_class=PageRoute)


@dataclass(frozen=True)
class Past:
    """Something that became of occurrences: a firing, or a skip of some in a row."""

    at: datetime
    firing: Firing | None
    skip: Skipped | None


@dataclass(frozen=True)
class Story:
    """Everything on a schedule's page."""

    schedule: Schedule
    now: datetime
    upcoming: list[datetime]
    skips: datetime | None
    past: list[Past]
    charts: list[tuple[str, str, Chart | None]]
    edits: list[Revision]
    crowding: Crowding | None
    why: Answer


@router.get("/schedules/{schedule_id}")
def one_schedule(
    request: Request, rows: Rows, schedule_id: UUID, at: Annotated[str, Query(max_length=40)] = ""
) -> Response:
    """A schedule's page; `at` is a moment on its own wall clock, of which is asked why."""
    story = _story(rows, schedule_id, at)
    return show(request, "schedule.html", it=story.schedule, story=story, now=story.now, at=at)


def _story(rows: Database, schedule: UUID, at: str) -> Story:
    known = schedules.get(rows.connection(), schedule)
    why = whys.of_schedule(rows, schedule, _moment(at, known.timezone) if known else None, calling().workspace)
    with overview.one_moment(rows) as connection:
        known = schedules.get(connection, schedule)
        if known is None:
            raise not_found("schedule", schedule)
        now = schedules.now(connection)
        return Story(
            known,
            now,
            [] if known.status == "archived" else preview.upcoming(known, now, _MOST_UPCOMING),
            known.skip_next_at if known.status == "active" else None,
            _past(connection, schedule),
            _charts(schedule_history.measured(connection, schedule, _MOST_MEASURED), known),
            schedule_edits.revisions(connection, schedule, _MOST_EDITS),
            crowding.look(connection, known) if known.status == "active" else None,
            why,
        )


def _past(connection: Postgres, schedule: UUID) -> list[Past]:
    ran = [
        Past(it.queued_at, it, None)
        for it in firings.newest(connection, firings.Filter(schedule=schedule), _MOST_RECENT)
    ]
    left_out = [Past(it.last_at, None, it) for it in schedule_history.skipped(connection, schedule, _MOST_RECENT)]
    return sorted([*ran, *left_out], key=lambda it: it.at, reverse=True)[:_MOST_RECENT]


def _charts(rows: Sequence[Measured], known: Schedule) -> list[tuple[str, str, Chart | None]]:
    lease_ms = None if known.max_run_seconds is None else known.max_run_seconds * 1000
    return [
        ("Duration", "run lease", charts.chart(rows, lambda it: it.duration_ms, words.milliseconds, lease_ms)),
        ("Turns", "turn budget", charts.chart(rows, lambda it: it.turn_count, str, known.max_turns)),
        ("Slot wait", "", charts.chart(rows, lambda it: it.slot_wait_ms, words.milliseconds)),
    ]


def _moment(text: str, zone: str) -> datetime | None:
    """A moment as a form of ours sends it, on the wall clock of a zone."""
    try:
        found = datetime.fromisoformat(text)
        there = found if found.tzinfo else found.replace(tzinfo=zone_or_utc(zone))
        return there.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
