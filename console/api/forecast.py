"""The forecast over HTTP: what will run when, and what an edit would change."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from console.api.allowed import needs
from console.api.fields import SomeSeconds
from console.api.schedule_form import ScheduleForm, SchedulePatch
from console.api.state import MOST_ITEMS, Asked, Rows
from console.deeds import forecasting
from shared.rules.forecast.preview import Preview
from shared.rules.forecast.told import Forecast
from shared.rules.scopes import Scope

router = APIRouter(prefix="/api/forecast", tags=["forecast"])


class Hours(Asked):
    """How far to look: up to seven days."""

    hours: Annotated[int, Field(ge=1, le=168)] = 24


class Wanted(Hours):
    """And how many of the first starts to tell one by one."""

    limit: Annotated[int, Field(ge=0, le=MOST_ITEMS)] = 50


class NewSchedule(ScheduleForm):
    """A schedule that is not there yet, and how long a firing of it is expected to run."""

    expected_run_s: SomeSeconds | None = None


@router.get("")
def get_forecast(rows: Rows, wanted: Annotated[Wanted, Query()]) -> Forecast:
    """Expected starts, who waits behind whom, crowded spans, how full each limit gets."""
    return forecasting.forecast(rows, wanted.hours, wanted.limit)


@router.post("/preview", openapi_extra=needs(Scope.READ))
def preview_new(rows: Rows, form: NewSchedule, wanted: Annotated[Hours, Query()]) -> Preview:
    """What a new schedule would wait, and whom it would delay; nothing is saved."""
    values = form.values()
    return forecasting.of_new(rows, values, values.pop("expected_run_s"), wanted.hours)


@router.post("/preview/{schedule_id}", openapi_extra=needs(Scope.READ, fleet=True))
def preview_edit(rows: Rows, schedule_id: UUID, form: SchedulePatch, wanted: Annotated[Hours, Query()]) -> Preview:
    """The same of an edit, with its wait before and after; with no fields, of the schedule as it is."""
    return forecasting.of_edit(rows, schedule_id, form.values(), wanted.hours)
