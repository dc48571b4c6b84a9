"""`slotbeat schedule apply`: makes the schedules of a file so."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click

from console.cli import show
from console.cli.advice import advice
from console.cli.declared import DEFAULTS, read
from console.cli.failures import REFUSED, Failure
from console.cli.server import Server, server
from console.cli.show import json_option

_ONLY_TRY = {"dry_run": "true"}
_SIGNS = {"add": "+", "edit": "~", "delete": "-"}
_ENDED = "ended"
# What the API says of times of which nothing is left.
_OVER = {"run_at_past", "no_occurrence"}


@dataclass(frozen=True)
class Change:
    """One thing to do: `add`, `edit` or `delete` a schedule, and for an edit what of it; or that it has `ended`."""

    deed: str
    name: str
    body: dict[str, Any]
    known: dict[str, Any]

    def edits(self) -> dict[str, Any]:
        """What would be another: from and to."""
        return {it: {"from": self.known.get(it), "to": value} for it, value in self.body.items()}


@click.command("apply")
@click.argument("file", metavar="FILE")
@click.option("--dry-run", is_flag=True, help="Only show what would change; exits with 0 also where something would.")
@click.option("--prune", is_flag=True, help="Delete what the file leaves out, in the workspaces that it names.")
@json_option
@click.pass_context
def apply(context: click.Context, file: str, dry_run: bool, prune: bool, as_json: bool) -> None:
    """Make the schedules as a YAML FILE has them. Adds what is new, edits what differs; twice is as once.

    - is standard input. `slotbeat schedule export` prints such a file.
    """
    declared = read(file)
    api = server(context)
    found = _changes(api, declared, prune)
    changes = [it for it in found if it.deed != _ENDED]
    if not dry_run:
        for it in changes:
            _make(api, it, quiet=as_json)
    if as_json:
        told = [
            {"change": it.deed, "schedule": it.name, "fields": it.edits() if it.deed == "edit" else {}}
            for it in changes
        ]
        show.as_json({"dry_run": dry_run, "changes": told})
        return
    _show(found, len(declared), dry_run=dry_run)


def _show(found: list[Change], declared: int, *, dry_run: bool) -> None:
    for it in found:
        if it.deed == _ENDED:
            click.echo(show.cell(f"= {it.name} has ended; with other times it would be added anew", 0))
            continue
        click.echo(show.cell(f"{_SIGNS[it.deed]} {it.name}", 0))
        for name, edit in it.edits().items() if it.deed == "edit" else ():
            click.echo(show.cell(f"    {name}: {show.written(edit['from'])} -> {show.written(edit['to'])}", 0))
    same = declared - sum(it.deed != "delete" for it in found)
    counts = ", ".join(f"{sum(it.deed == deed for it in found)} to {deed}" for deed in _SIGNS)
    click.echo(f"{counts}, {same} as they are{'; nothing was changed (--dry-run)' if dry_run else ''}")


def _changes(api: Server, declared: list[dict[str, Any]], prune: bool) -> list[Change]:
    places = {it["name"]: it["id"] for it in api.every("/api/workspaces", 1_000_000) if it["status"] != "removed"}
    missing = sorted({it["workspace"] for it in declared} - set(places))
    if missing:
        raise Failure(f"There is no workspace {missing[0]}. Add it: slotbeat workspace add '{missing[0]}'.", REFUSED)
    wanted = {it["workspace"] for it in declared}
    known = {
        f"{place}/{it['name']}": it
        for place in sorted(wanted)
        for it in api.every("/api/schedules", 1_000_000, workspace=places[place])
    }
    found: list[Change] = []
    for it in declared:
        name = f"{it['workspace']}/{it['name']}"
        body = {**it, "workspace_id": places[it["workspace"]]}
        body.pop("workspace")
        if name not in known:
            found.append(_add(api, name, body))
        elif edit := _edit(api, name, known[name], {**DEFAULTS, **body}):
            found.append(edit)
    declared_names = {f"{it['workspace']}/{it['name']}" for it in declared}
    gone = [Change("delete", name, {}, it) for name, it in known.items() if prune and name not in declared_names]
    return [*found, *gone]


def _edit(api: Server, name: str, known: dict[str, Any], body: dict[str, Any]) -> Change | None:
    """What of a schedule would be another, by the API's own reading of the file; None where nothing."""
    # Runs that remain are counted down: what a file says of them is where they began.
    wanted = body["remaining_runs"]
    if known["remaining_runs"] is not None and type(wanted) is int and wanted > 0:
        body = {**body, "remaining_runs": known["remaining_runs"]}
    # What nobody knows is sent too, so that the API says that there is no such field.
    told = {it: value for it, value in body.items() if it not in known or known[it] != value}
    if not told:
        return None
    path = f"/api/schedules/{known['id']}"
    after = _tried(name, lambda: api.ask("PATCH", path, told, query=_ONLY_TRY))["schedule"]
    edits = {it: after[it] for it in told if after[it] != known[it]}
    return Change("edit", name, edits, known) if edits else None


def _add(api: Server, name: str, body: dict[str, Any]) -> Change:
    """One that has ended by its own bounds stays so: it does not begin anew with each apply."""
    try:
        made = _tried(name, lambda: api.ask("POST", "/api/schedules", body, query=_ONLY_TRY))["schedule"]
    except Failure as failure:
        if failure.codes & _OVER and _archived(api, body):
            return Change(_ENDED, name, {}, {})
        raise
    is_bound = made["remaining_runs"] is not None
    has_ended = is_bound and any(_has_run_out(it, made) for it in _archived(api, body))
    return Change(_ENDED if has_ended else "add", name, body, {})


def _archived(api: Server, body: dict[str, Any]) -> list[Any]:
    return api.every("/api/schedules", workspace=body["workspace_id"], name=body["name"], status="archived")


def _has_run_out(ended: dict[str, Any], made: dict[str, Any]) -> bool:
    """Whether this is what would be made, with no run left."""
    same = all(ended[it] == made[it] for it in (*DEFAULTS, "target") if it != "remaining_runs")
    return same and ended["remaining_runs"] == 0


def _tried(name: str, ask: Callable[[], Any]) -> Any:
    """Tried before anything is done: half a file made so is worse than none."""
    try:
        return ask()
    except Failure as failure:
        words = f"{name}: {failure.message} Nothing was changed."
        raise Failure(words, failure.exit_code, failure.codes) from failure


def _make(api: Server, it: Change, *, quiet: bool) -> None:
    try:
        if it.deed == "add":
            told = api.ask("POST", "/api/schedules", it.body)
        elif it.deed == "edit":
            tag = {"If-Match": f'"{it.known["revision"]}"'}
            told = api.ask("PATCH", f"/api/schedules/{it.known['id']}", it.body, headers=tag)
        else:
            told = api.ask("DELETE", f"/api/schedules/{it.known['id']}")
    except Failure as failure:
        raise Failure(f"{it.name}: {failure.message} What stands before it was done.", failure.exit_code) from failure
    for line in advice(told) if told and not quiet else ():
        click.echo(show.cell(f"{it.name}: {line}", 0), err=True)
