"""The dashboard: pages that a server draws, which need no script to be read or acted on."""

from fastapi import APIRouter, Depends

from console.pages import (
    activity_page,
    deeds,
    firing_page,
    forecast_page,
    knob_pages,
    routes,
    schedule_form,
    schedule_page,
    sign_in,
    workspace_pages,
)
from console.pages.answers import install as install
from console.pages.answers import tell as tell
from console.pages.origin import may_look

router = APIRouter(include_in_schema=False)
# Whoever is not let in yet sees these alone.
router.include_router(routes.files)
router.include_router(sign_in.router)
for part in (
    *(deeds.router, routes.router, schedule_form.router, schedule_page.router, firing_page.router),
    *(forecast_page.router, workspace_pages.router, knob_pages.router, activity_page.router),
    *(schedule_form.changing, schedule_form.typing, workspace_pages.changing, knob_pages.changing),
):
    router.include_router(part, dependencies=[Depends(may_look)])
