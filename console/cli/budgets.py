"""`slotbeat budget`: what may be used in any 24 hours, and what was."""

from typing import Any

import click

from console.cli import found, show
from console.cli.server import server
from console.cli.show import json_option
from console.cli.watching import watched

_MEASURES = ("turns", "tokens", "micros")


def _used(measure: str) -> Any:
    def words(it: dict[str, Any]) -> str | None:
        if it[measure] is None:
            return None
        held = f" + {it[f'held_{measure}']} held" if it[f"held_{measure}"] else ""
        return f"{it[f'spent_{measure}']}{held} of {it[measure]}"

    return words


_COLUMNS: list[show.Column] = [("budget", lambda it: it["key"]), *((it, _used(it)) for it in _MEASURES)]


@click.group()
def budget() -> None:
    """Manage budgets of any 24 hours. KEY is fleet or workspace:NAME (or its id); a schedule's are options of it."""


@budget.command("list")
@json_option
@watched
@click.pass_context
def list_budgets(context: click.Context, as_json: bool) -> None:
    """List budgets with what is used of them."""
    rows = server(context).every("/api/budgets")
    show.listing(rows, _COLUMNS, "There are no budgets.", json_wanted=as_json)


@budget.command("set")
@click.argument("key")
@click.option("--turns", type=int, help="Agent turns.")
@click.option("--tokens", type=int, help="Tokens, read and written.")
@click.option("--micros", type=int, help="Millionths of a dollar.")
@click.pass_context
def set_budget(context: click.Context, key: str, turns: int | None, tokens: int | None, micros: int | None) -> None:
    """Set a budget; what is not given has none."""
    api = server(context)
    body = {"turns": turns, "tokens": tokens, "micros": micros}
    known = api.ask("PUT", _path(found.limit_key(api, key)), body)
    used = ", ".join(f"{name} {words}" for name in _MEASURES if (words := _used(name)(known)))
    click.echo(show.cell(f"{known['key']}: {used} in the last 24 hours", 0))


@budget.command("remove")
@click.argument("key")
@click.pass_context
def remove_budget(context: click.Context, key: str) -> None:
    """Remove a budget."""
    api = server(context)
    known = found.limit_key(api, key)
    api.ask("DELETE", _path(known))
    click.echo(show.cell(f"{known} has no budget any more", 0))


def _path(key: str) -> str:
    from urllib.parse import quote

    return f"/api/budgets/{quote(key, safe=':')}"
