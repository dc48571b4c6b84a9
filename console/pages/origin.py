"""Whether a form was sent from a page of ours, by somebody who may: no other site may press our buttons."""

from typing import Annotated
from urllib.parse import parse_qs

from fastapi import Depends, HTTPException, Request

from console.api import bound
from console.api.allowed import within
from console.callers import calling
from console.deeds.sign_ins import check_csrf
from console.problems import Problem
from shared.rules.scopes import Scope

# A schedule's form has its prompt, of 256 KiB, in up to three bytes for each.
_LONGEST_FORM = 1024 * 1024
_MOST_FIELDS = 200


async def fields(request: Request) -> dict[str, str]:
    """The fields of a form, as browsers send it without files."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST_FORM:
            raise HTTPException(413, f"A form here has at most {_LONGEST_FORM} bytes.")
    try:
        told = parse_qs(body.decode("utf-8", errors="replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except ValueError as error:
        raise HTTPException(413, f"A form here has at most {_MOST_FIELDS} fields.") from error
    return {key: _typed(values[0]) for key, values in told.items()}


def _typed(text: str) -> str:
    """A text as it was typed: with a form, browsers send each end of a line as two characters."""
    return text.replace("\0", "").replace("\r\n", "\n")


Fields = Annotated[dict[str, str], Depends(fields)]


def is_ours(request: Request) -> bool:
    """By Sec-Fetch-Site where the browser sends it, else by Origin; a browser's form has one of them."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and bound.is_origin(origin, request.headers.get("host", ""))


async def from_ours(request: Request) -> None:
    """Refuses a form that did not come from a page of ours."""
    if not is_ours(request):
        raise HTTPException(
            403, "This form was not sent from a page of this dashboard. Programs use the API under /api."
        )


async def only_ours(request: Request, form: Fields) -> None:
    """The same, and what a change needs beside: the field `csrf` of who signed in, and the scope.

    A dependency of all routes that change something.
    """
    await from_ours(request)
    caller = calling()
    check_csrf(caller, form.get("csrf"))
    caller.need(Scope.OPERATE)


async def still_signed_in(request: Request, form: Fields) -> bool:
    """As `only_ours`, but a form of ours that was drawn before somebody signed in again is told apart, not refused."""
    await from_ours(request)
    caller = calling()
    caller.need(Scope.OPERATE)
    try:
        check_csrf(caller, form.get("csrf"))
    except Problem:
        return False
    return True


async def only_admins() -> None:
    """Refuses who may not set caps, settings and workspaces."""
    calling().need(Scope.ADMIN)


async def may_look(request: Request) -> None:
    """Refuses who may not read, and a token of one workspace what is beyond it (a dependency of all pages)."""
    caller = calling()
    caller.need(Scope.READ)
    await within(request, caller)
