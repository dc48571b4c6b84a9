"""`slotbeat forecast`: what will fire when, and where it is crowded."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click

from console.cli import found, show
from console.cli.advice import advice
from console.cli.server import server
from console.cli.show import json_option

_STARTS: list[show.Column] = [
    ("starts", lambda it: _clock(it["starts_at"]) if it["starts_at"] else "later"),
    ("schedule", lambda it: it["name"]),
    ("due", lambda it: _clock(it["nominal_at"])),
    ("wait", lambda it: _wait(it["wait_s"])),
    ("for", lambda it: it["waits_for"]),
    ("behind", lambda it: ", ".join(it["behind"]) or None),
]
_CROWDED: list[show.Column] = [
    ("crowded from", lambda it: _clock(it["begins_at"])),
    ("to", lambda it: _clock(it["ends_at"])),
    ("waiting", lambda it: it["firings"]),
    ("longest", lambda it: _wait(it["longest_wait_s"])),
    ("for", lambda it: ", ".join(it["waits_for"])),
    ("who", lambda it: ", ".join(it["schedules"])),
]
_WAITING: list[show.Column] = [
    ("waits most", lambda it: it["name"]),
    ("firings", lambda it: it["firings"]),
    ("skipped", lambda it: sum(it["skips"].values()) or None),
    ("mean", lambda it: _wait(it["mean_wait_s"])),
    ("longest", lambda it: _wait(it["longest_wait_s"])),
    ("behind", lambda it: ", ".join(it["behind"]) or None),
]
_LIMITS: list[show.Column] = [
    ("limit", lambda it: it["limit"]),
    ("cap", lambda it: it["cap"]),
    ("busy", lambda it: f"{round(it['busy_share'] * 100)} %"),
    ("full for", lambda it: _wait(it["full_s"])),
    ("most held", lambda it: it["most_held"]),
]
_MINUTE, _HOUR = 60, 3600


@click.command()
@click.option("--hours", type=click.IntRange(1, 168), default=24, show_default=True, help="How far to look.")
@click.option("--schedule", "-s", "called", help="One schedule: its wait, whom it delays, better minutes.")
@click.option("--cron", help="With --schedule: as if it had this cron.")
@click.option("--starts", "most", type=click.IntRange(0, 200), default=15, show_default=True, help="Starts to list.")
@json_option
@click.pass_context
def forecast(
    context: click.Context, hours: int, called: str | None, cron: str | None, most: int, as_json: bool
) -> None:
    """Tell what will fire when, who will wait behind whom, and where it is crowded."""
    api = server(context)
    if called is None:
        if cron is not None:
            raise click.UsageError("--cron needs --schedule: say whose cron it would be.")
        told = api.ask("GET", "/api/forecast", query={"hours": hours, "limit": most})
        show.as_json(told) if as_json else _tell(told)
        return
    known = found.schedule(api, called)
    changes = {} if cron is None else {"cron": cron}
    told = api.ask("POST", f"/api/forecast/preview/{known['id']}", changes, query={"hours": hours})
    told["crowding"] = api.ask("GET", f"/api/schedules/{known['id']}/collisions")
    show.as_json(told) if as_json else _tell_one(told, known["name"], edited=cron is not None)


def _tell(told: Mapping[str, Any]) -> None:
    shown: tuple[tuple[Sequence[Mapping[str, Any]], list[show.Column]], ...] = (
        (told["starts"], _STARTS),
        (told["crowded"], _CROWDED),
        ([it for it in told["schedules"] if it["longest_wait_s"] >= 1][:10], _WAITING),
        (told["limits"], _LIMITS),
    )
    for rows, columns in shown:
        if rows:
            show.table(rows, columns, "")
            click.echo()
    until = f"{datetime.fromisoformat(told['until']):%a %d %b %H:%M}Z"
    click.echo(f"{told['firings']} firings until {until}. It is assumed that {'; '.join(told['assumptions'])}.")


def _tell_one(told: Mapping[str, Any], name: str, *, edited: bool) -> None:
    for when, it in (("now", told["before"]), ("then", told["after"])):
        if it is not None and (edited or when == "then"):
            behind = f", longest behind {', '.join(it['behind'])}" if it["behind"] else ""
            click.echo(
                show.cell(
                    f"{name}{' ' + when if edited else ''}: {it['firings']} firings,"
                    f" waits {_wait(it['mean_wait_s'])} on average, {_wait(it['longest_wait_s'])} at most{behind}",
                    0,
                )
            )
    for it in told["delayed"]:
        click.echo(show.cell(f"delays {it['name']}: {_wait(it['before_s'])} becomes {_wait(it['after_s'])}", 0))
    for it in told["offsets"]:
        longest = _wait(it["longest_wait_s"])
        click.echo(show.cell(f"better: --cron '{it['cron']}' waits {longest} at most", 0))
    if not edited:
        for line in advice(told["crowding"]):
            click.echo(show.cell(line, 0))


def _clock(moment: str) -> str:
    return f"{datetime.fromisoformat(moment):%a %H:%M:%S}"


def _wait(seconds: float) -> str:
    if seconds < 1:
        return "no time"
    if seconds < _MINUTE:
        return f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE} s"
    return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
