"""The page on which a browser signs in with an API token, and out again."""

import re

from fastapi import APIRouter, Depends, Request, Response

from console.api.entry import COOKIE, client_of, cookie_of
from console.api.state import Rows
from console.callers import calling
from console.deeds import sign_ins
from console.pages.answers import PageRoute
from console.pages.origin import Fields, from_ours
from console.pages.render import HEADERS, page
from console.problems import Problem

# A path of ours: what begins with two slashes, or has a backslash, is an address elsewhere.
_OUR_PATH = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f-\U0010ffff]{0,2000}")

router = APIRouter(route_class=PageRoute)


@router.get("/sign-in")
def show(next: str = "/") -> Response:  # noqa: A002 as the address says it
    """The form."""
    return page("sign_in.html", path="/sign-in", wanted=_own(next), wrong="")


@router.post("/sign-in", dependencies=[Depends(from_ours)])
def sign_in(request: Request, rows: Rows, form: Fields) -> Response:
    """Lets a browser in whose person has a token; its cookie is no use without that token being good."""
    wanted = _own(form.get("next", "/"))
    try:
        cookie = sign_ins.sign_in(rows, form.get("token", "").strip(), client_of(request.scope))
    except Problem as problem:
        return page(
            "sign_in.html", problem.status, problem.headers, path="/sign-in", wanted=wanted, wrong=problem.detail
        )
    # One browser has one sign-in: the one before is of no use to anybody any more.
    sign_ins.sign_out(rows, cookie_of(request.headers))
    answer = _to(wanted)
    lasts = round(sign_ins.LASTS.total_seconds())
    answer.set_cookie(COOKIE, cookie, lasts, path="/", secure=_is_tls(request), httponly=True, samesite="lax")
    return answer


@router.post("/sign-out", dependencies=[Depends(from_ours)])
def sign_out(request: Request, rows: Rows, form: Fields) -> Response:
    """Ends it."""
    sign_ins.check_csrf(calling(), form.get("csrf"))
    sign_ins.sign_out(rows, cookie_of(request.headers))
    answer = _to("/sign-in")
    answer.delete_cookie(COOKIE, path="/", secure=_is_tls(request), httponly=True, samesite="lax")
    return answer


def _to(path: str) -> Response:
    return Response(status_code=303, headers={**HEADERS, "Location": path})


def _is_tls(request: Request) -> bool:
    return request.url.scheme == "https"


def _own(path: str) -> str:
    return path if _OUR_PATH.fullmatch(path) else "/"
