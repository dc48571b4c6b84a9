"""Renders templates, everything escaped, with headers that let a page load nothing of others."""

from typing import Any

from fastapi import Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from console.callers import calling
from console.pages import files, words
from console.pages.board import due

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


def csrf_field() -> Markup:
    """What each form has that changes something: nothing where nobody signed in."""
    told = calling().csrf
    return Markup("") if told is None else Markup('<input type="hidden" name="csrf" value="{}">').format(told)


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
        when=words.when,
        absolute=words.absolute,
        lasting=words.lasting,
        roughly=words.roughly,
        ms=words.milliseconds,
        reason=words.reason,
        pause_reason=words.pause_reason,
        source=words.source,
        counted=words.counted,
        due=due,
    )
    known: dict[str, Any] = made.globals
    known["static"] = files.address
    known["csrf"] = csrf_field
    known["calling"] = calling
    return made


_TEMPLATES = _environment()


def page(template: str, status: int = 200, headers: dict[str, str] | None = None, **values: Any) -> Response:
    """A page, or a part of one."""
    text = _TEMPLATES.get_template(template).render(values)
    return Response(text, status, {**HEADERS, **(headers or {})}, "text/html")
