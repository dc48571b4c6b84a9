"""Whether a form was sent from a page of ours: no other site may press our buttons."""

from urllib.parse import urlsplit

from fastapi import HTTPException, Request


def is_ours(request: Request) -> bool:
    """By Sec-Fetch-Site where the browser sends it, else by Origin; a browser's form has one of them."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("origin")
    return origin is not None and urlsplit(origin).netloc == request.headers.get("host")


def only_ours(request: Request) -> None:
    """Refuses a form that did not come from a page of ours (a dependency of routes that change something)."""
    if not is_ours(request):
        raise HTTPException(
            403, "This form was not sent from a page of this dashboard. Programs use the API under /api."
        )
