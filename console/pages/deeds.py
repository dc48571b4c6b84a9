"""What the dashboard's buttons do: run now, cancel, pause, resume; each answers with a page."""

from typing import Annotated, TypeVar
from urllib.parse import parse_qs, urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from redis.exceptions import RedisError
from uuid_utils.compat import uuid7

from console.pages import words
from console.pages.answers import PageRoute
from console.pages.origin import only_ours
from console.pages.render import HEADERS, page
from console.pages.resuming import next_occurrence
from console.pages.waits import FIT, Estimate, Forecast, Wanted, wanted
from shared.admission import Admission, Full
from shared.events import trouble
from shared.gate import PRIORITY_STEP
from shared.rules.reasons import Reason
from shared.settings import read
from shared.store import buttons, overview, settings
from shared.store.activity import Deed, add
from shared.store.connection import Database
from shared.store.firings import ByHand

_Found = TypeVar("_Found")

_LONGEST_FORM = 4096
_LONGEST_NOTE = 500
_LONGEST_LINE = 500

router = APIRouter(route_class=PageRoute, dependencies=[Depends(only_ours)])


async def fields(request: Request) -> dict[str, str]:
    """The fields of a small form, as browsers send it without files."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_FORM:
            raise HTTPException(413, f"A form here has at most {_LONGEST_FORM} bytes.")
    told = parse_qs(body.decode("utf-8", errors="replace"), keep_blank_values=True, max_num_fields=20)
    return {key: values[0].replace("\0", "") for key, values in told.items()}


Fields = Annotated[dict[str, str], Depends(fields)]


def back(said: str, of: UUID, form: dict[str, str]) -> Response:
    """To the first page, which says what was done."""
    kept = {"q": form["q"]} if form.get("q") else {}
    address = "/?" + urlencode({**kept, "said": said, "of": str(of)})
    return Response(status_code=303, headers={**HEADERS, "Location": address})


@router.post("/schedules/{schedule}/run")
def run_now(request: Request, schedule: UUID, form: Fields) -> Response:
    """Starts a firing now; `how` is '', 'queue' or 'force'. With no room it says so, and what can be done."""
    admission: Admission = request.app.state.admission
    how = form.get("how", "")
    known = _or_404(buttons.runnable(admission.database.connection(), schedule))
    if known.workspace_status not in FIT and how != "queue":
        return page("held.html", 409, schedule=known, wanted=form.get("q", ""))
    firing = _firing(known, admission.database, forced=how == "force")
    try:
        full = admission.run_now(firing, _deed(request, known, firing), queue=how == "queue")
    except (RedisError, OSError) as error:
        trouble("page.no_gate", error)
        return _gate_unreachable()
    if full is not None:
        return _no_room(admission.database, known, full, form)
    said = {"force": "forced", "queue": "queued"}.get(how, "started")
    return back(said, firing.id, form)


def _firing(known: buttons.Runnable, database: Database, *, forced: bool) -> ByHand:
    defaults = read(table=settings.load(database.connection()))
    return ByHand(
        id=uuid7(),
        schedule_id=known.id,
        workspace_id=known.workspace_id,
        source="manual",
        title=known.name,
        prompt=known.prompt,
        target=known.target,
        priority=known.priority,
        lane=known.lane,
        forced=forced,
        max_turns=known.max_turns if known.max_turns is not None else defaults.max_turns,
        max_run_seconds=known.max_run_seconds or defaults.max_run_seconds,
        max_attempts=known.max_attempts,
        retry_backoff_s=known.retry_backoff_s,
        schedule_revision=known.revision,
    )


def _deed(request: Request, known: buttons.Runnable, firing: ByHand) -> Deed:
    return Deed(
        "manual_force_bypass" if firing.forced else "manual_run",
        _actor(request),
        {"schedule_id": str(known.id), "firing_id": str(firing.id), "forced": firing.forced},
        workspace=known.workspace_id,
        schedule=known.id,
        firing=firing.id,
    )


def _no_room(database: Database, known: buttons.Runnable, full: Full, form: dict[str, str]) -> Response:
    estimate, limit = _estimate(database, known, full.limit)
    retry = {"Retry-After": str(max(1, round(estimate.seconds)))} if estimate and not full.draining else {}
    return page(
        "full.html",
        409 if full.draining else 429,
        retry,
        schedule=known,
        limit=limit,
        draining=full.draining,
        estimate=estimate,
        wanted=form.get("q", ""),
    )


def _estimate(database: Database, known: buttons.Runnable, key: str) -> tuple[Estimate | None, str]:
    """When its turn would come behind all that wait, and the limit in words ('fleet cap 2')."""
    with overview.one_moment(database) as connection:
        now = overview.totals(connection, "").now
        limits = overview.limits(connection)
        running = overview.running(connection, _LONGEST_LINE)
        line = overview.line(connection, _LONGEST_LINE, PRIORITY_STEP)
    forecast = Forecast(limits, running, now)
    for it in line:
        forecast.take(wanted(it))
    usual_s = None if known.avg_duration_ms is None else known.avg_duration_ms / 1000
    asked = Wanted(known.workspace_id, known.lane, usual_s, known.max_run_seconds or 0)
    named = [f"{words.limit(it.key, it.workspace)} cap {it.cap}" for it in limits if it.key == key]
    return forecast.take(asked), named[0] if named else key


@router.post("/firings/{firing}/cancel")
def cancel(request: Request, firing: UUID, form: Fields) -> Response:
    """Ends a firing that waits, or asks for the end of one that runs."""
    admission: Admission = request.app.state.admission
    known = _or_404(buttons.named(admission.database.connection(), firing))
    deed = Deed(
        "firing_cancelled",
        _actor(request),
        {"firing_id": str(firing)},
        workspace=known.workspace_id,
        schedule=known.schedule_id,
        firing=firing,
    )
    try:
        said = admission.cancel(firing, Reason.CANCELLED, deed)
    except (RedisError, OSError) as error:
        # The rows were written first: only the gate does not know yet, and the reconciler tells it.
        trouble("page.no_gate", error)
        said = "untold"
    return back(said, firing, form)


@router.post("/schedules/{schedule}/pause")
def pause(request: Request, schedule: UUID, form: Fields) -> Response:
    """Pauses a schedule, with a note if there is one; what waits of it is held, what runs goes on."""
    note = form.get("note", "").strip()[:_LONGEST_NOTE] or None
    actor = _actor(request)
    with request.app.state.database.transaction() as connection:
        known = _or_404(buttons.named(connection, schedule))
        paused = buttons.pause(connection, schedule, actor, note)
        if paused:
            body = {"schedule_id": str(schedule), "note": note}
            add(
                connection,
                Deed("schedule_paused", actor, body, workspace=known.workspace_id, schedule=schedule),
            )
    return back("paused" if paused else "unchanged", schedule, form)


@router.post("/schedules/{schedule}/resume")
def resume(request: Request, schedule: UUID, form: Fields) -> Response:
    """Makes a schedule active from now on; nothing that it missed is fired, what was held goes on."""
    admission: Admission = request.app.state.admission
    with admission.database.transaction() as connection:
        _or_404(buttons.named(connection, schedule))
        paused = buttons.lock_paused(connection, schedule)
        if paused is None:
            return back("unchanged", schedule, form)
        held = buttons.resume(connection, schedule, next_occurrence(schedule, paused))
        body = {"schedule_id": str(schedule)}
        deed = Deed("schedule_resumed", _actor(request), body, workspace=paused.workspace_id, schedule=schedule)
        add(connection, deed)
    try:
        admission.offer_again(held)
    except (RedisError, OSError) as error:
        trouble("page.no_gate", error)
    return back("resumed", schedule, form)


def _actor(request: Request) -> str:
    return getattr(request.state, "actor", None) or "dashboard"


def _or_404(found: _Found | None) -> _Found:
    if found is None:
        raise HTTPException(404, "There is no such schedule or firing (any more).")
    return found


def _gate_unreachable() -> Response:
    return page(
        "trouble.html",
        503,
        {"Retry-After": "5"},
        title="Gate unreachable",
        text="Redis does not answer, so no slot can be given. Nothing was started and nothing was left behind.",
    )
