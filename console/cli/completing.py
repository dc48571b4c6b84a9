"""Names that a shell completes, from the server; where none answers soon, nothing is said."""

from pathlib import Path
from typing import Any

import click

from console.cli.failures import Failure
from console.cli.server import remote

_MOST = 1000
_PATIENCE_S = 2.0


def schedules(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Names of schedules; with their workspace where that is typed, or where two have one name."""
    known = _listing(context, "/api/schedules")
    names = [it["name"] for it in known]
    whole = sorted(f"{it['workspace']}/{it['name']}" for it in known if "/" in begun or names.count(it["name"]) > 1)
    short = sorted(it for it in names if names.count(it) == 1)
    return [it for it in (*short, *whole) if it.startswith(begun)]


def workspaces(context: click.Context, _: click.Parameter, begun: str) -> list[str]:
    """Names of workspaces."""
    names = (it["name"] for it in _listing(context, "/api/workspaces") if it["status"] != "removed")
    return sorted(it for it in names if it.startswith(begun))


def _listing(context: click.Context, path: str) -> list[dict[str, Any]]:
    """Asked of a running server only: to start an application for a name would take longer than to type it."""
    folder = context.find_root().params["folder"]
    try:
        api = remote(Path(folder), _PATIENCE_S)
        if api is None:
            return []
        try:
            return api.every(path, _MOST)
        finally:
            api.close()
    except Failure:
        return []
