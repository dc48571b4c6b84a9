"""How things are shown: tables for people at a terminal, aligned text in pipes, JSON for programs."""

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from shared import clock
from shared.rules.lasting import when
from shared.rules.text import one_line

_COLOURS = {
    "active": "green", "completed": "green", "ok": "green", "online": "green", "running": "cyan", "queued": "yellow",
    "paused": "yellow", "failed": "red", "error": "red", "cancelled": "magenta", "archived": "bright_black",
}  # fmt: skip
_LONGEST_CELL = 60
_WIDEST = 2000

Column = tuple[str, Callable[[Mapping[str, Any]], Any]]

json_option = click.option("--json", "as_json", is_flag=True, help="JSON, as the API has it.")


def as_json(told: Any) -> None:
    """Prints JSON; what a terminal could take for a command is escaped."""
    click.echo(json.dumps(told, indent=2, default=str))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], nothing: str) -> None:
    """Prints rows; `nothing` where there are none."""
    if not rows:
        click.echo(nothing, err=True)
        return
    cells = [[cell(read(row)) for _, read in columns] for row in rows]
    names = [name for name, _ in columns]
    if sys.stdout.isatty():
        _rich(names, cells)
    else:
        _plain([[it.upper() for it in names], *cells])


def listing(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], nothing: str, *, json_wanted: bool) -> None:
    """Prints rows as JSON for programs, else as a table."""
    if json_wanted:
        as_json(rows)
    else:
        table(rows, columns, nothing)


def facts(told: Iterable[tuple[str, Any]]) -> None:
    """Prints names and values, one a line; what is not set is left out."""
    known = [(name, cell(value, 0)) for name, value in told if value is not None and value != ""]
    width = max((len(name) for name, _ in known), default=0)
    for name, value in known:
        click.echo(f"{name:<{width}}  {value}")


def cell(value: Any, longest: int = _LONGEST_CELL) -> str:
    """A value as text of one line, safe for terminals."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False)
    return one_line(str(value), longest)


def written(value: Any) -> str:
    """A value of a field, before or after an edit of it."""
    return "-" if value is None else json.dumps(value, ensure_ascii=False)


def ago(moment: str | None) -> str:
    """A moment from now: `in 3 min`, `5 min ago`."""
    if moment is None:
        return "-"
    return when(datetime.fromisoformat(moment), clock.now())


def moment(text: str | None) -> str | None:
    """A moment with its distance from now."""
    return None if text is None else f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S}Z ({ago(text)})"


def _plain(lines: list[list[str]]) -> None:
    widths = [max(len(line[at]) for line in lines) for at in range(len(lines[0]))]
    for line in lines:
        click.echo("  ".join(f"{it:<{width}}" for it, width in zip(line, widths, strict=True)).rstrip())


def _rich(names: list[str], cells: list[list[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for name in names:
        drawn.add_column(name, overflow="fold")
    for row in cells:
        # Text, not str: what stands in square brackets is no markup of ours.
        drawn.add_row(*(Text(it, style=_COLOURS.get(it, "")) for it in row))
    console = Console()
    needed = console.measure(drawn, options=console.options.update(width=_WIDEST)).maximum
    # A narrower terminal breaks the lines itself: that reads, and pastes, better than cells of six letters.
    console.width = max(console.width, needed)
    console.print(drawn)
