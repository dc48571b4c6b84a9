"""The dashboard: pages that a server draws, which need no script to be read or acted on."""

from fastapi import APIRouter

from console.pages import (
    activity_page,
    deeds,
    firing_page,
    forecast_page,
    knob_pages,
    routes,
    schedule_form,
    schedule_page,
    workspace_pages,
)

router = APIRouter(include_in_schema=False)
for part in (deeds, routes, schedule_form, schedule_page, firing_page, forecast_page, workspace_pages, knob_pages):
    router.include_router(part.router)
for part in (schedule_form, workspace_pages, knob_pages):
    router.include_router(part.changing)
router.include_router(activity_page.router)
