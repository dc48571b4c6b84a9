"""Renders templates, everything escaped, with headers that let a page load nothing of others."""

import secrets
import shlex
from typing import Any

from fastapi import Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from console.callers import calling
from console.figures import figure
from console.pages import charts, codes, files, labels, words
from console.pages.said import address_of, said
from shared.rules.lasting import lasting, roughly, when
from shared.rules.scopes import Scope

_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# same-origin, not no-referrer: with the latter a browser sends `Origin: null` with our own forms.
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}
_PAGES = ("Schedules", "Firings", "Forecast", "Workspaces", "Limits", "Outages", "Activity", "Settings")
# What the frame asks for and a page may leave out.
_DEFAULTS: dict[str, Any] = {"said": "", "path": "", "to": "/"}


def pages() -> list[tuple[str, str]]:
    """The addresses of the pages that the caller may look at, with their names."""
    own = calling().workspace
    if own is None:
        return [("/", "Overview"), *((f"/{it.lower()}", it) for it in _PAGES)]
    return [(f"/workspaces/{own}", "Workspace"), ("/schedules", "Schedules"), ("/firings", "Firings")]


def csrf_field() -> Markup:
    """What each form has that changes something: nothing where nobody signed in."""
    told = calling().csrf
    return Markup("") if told is None else Markup('<input type="hidden" name="csrf" value="{}">').format(told)


def once_field(kept: str = "") -> Markup:
    """What tells a form that makes something from the next one, so that one is not made twice."""
    return Markup('<input type="hidden" name="once" value="{}">').format(kept or secrets.token_urlsafe(12))


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("console.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = made.filters
    filters.update(
        when=when,
        absolute=words.absolute,
        in_zone=words.in_zone,
        clock=words.clock,
        lasting=lasting,
        roughly=roughly,
        ms=words.milliseconds,
        briefly=words.briefly,
        counted=words.counted,
        usd=words.usd,
        figure=figure,
        brief=words.brief_error,
        cron=words.cron,
        spark=charts.spark,
        reason=codes.reason,
        pause_reason=codes.pause_reason,
        skip_reason=codes.skip_reason,
        source=codes.source,
        deed=codes.deed,
        deed_mark=codes.deed_mark,
        plain=codes.plain,
        sentence=codes.sentence,
        place=codes.place,
        shell=shlex.join,
    )
    known: dict[str, Any] = made.globals
    known["static"] = files.address
    known["labels"] = labels.LABELS
    known["summarised"] = labels.summary
    known["first_wrong"] = lambda errors: next((it for it, _, _ in labels.summary(errors)), None)
    known["pages"] = pages
    known["csrf"] = csrf_field
    known["once"] = once_field
    known["calling"] = calling
    known["may"] = lambda scope: calling().may(Scope(scope))
    return made


_TEMPLATES = _environment()


def page(template: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response:
    """A page, or a part of one."""
    text = _TEMPLATES.get_template(template).render({**_DEFAULTS, **values})
    return Response(text, status, {**HEADERS, **(headers or {})}, "text/html")


def show(request: Request, template: str, status: int = 200, **values: Any) -> Response:
    """A page that knows where it is, and says what a button did that led here."""
    here: dict[str, Any] = {"said": said(request), "path": request.url.path, "to": address_of(request)}
    return page(template, status, **{**here, **values})
