"""`slotbeat workspace`: list, show, add, edit, pause, resume, restart, health, remove."""

import shlex
import time
from typing import Any

import click

from console.cli import completing, found, show
from console.cli.failures import FAILED, Failure
from console.cli.server import Server, server
from console.cli.show import json_option
from console.cli.watching import watched

_CLEARABLE = ["cap", "health-url", "restart-command", "restart-url", "wake-url"]
_LOOK_EVERY_S = 0.3
_BEGINS_WITHIN_S = 20.0
_STATES = ["provisioning", "online", "offline", "degraded", "failed", "paused", "hibernated", "hibernating"]
_COLUMNS: list[show.Column] = [
    ("name", lambda it: it["name"]),
    ("status", lambda it: it["status"]),
    ("cap", lambda it: it["cap"]),
    ("running", lambda it: it["active_tasks"]),
    ("task", lambda it: it["current_task"]),
    ("active", lambda it: show.ago(it["last_activity_at"])),
    ("id", lambda it: it["id"]),
]


@click.group()
def workspace() -> None:
    """Manage workspaces. WORKSPACE is an id or a name."""


def _field_options(command: Any) -> Any:
    for add in (
        click.option("--wake-url", help="Called by POST, once, when something waits while it sleeps."),
        click.option("--restart-command", metavar="LINE", help="Run to restart it; words as in a shell, no shell."),
        click.option("--restart-url", help="Called by POST to restart it, where there is no command."),
        click.option("--health-url", help="Asked whether it is fit."),
        click.option("--native/--not-native", "native_scheduler", default=None, help="It schedules itself."),
        click.option("--cap", type=int, help="Firings at once in it."),
        click.option("--status", type=click.Choice([*_STATES, "awaiting_agent"]), help="Its status from now on."),
    ):
        command = add(command)
    return command


def _fields_of(given: dict[str, Any]) -> dict[str, Any]:
    fields = {it: value for it, value in given.items() if value is not None}
    if "restart_command" in fields:
        try:
            fields["restart_command"] = shlex.split(fields["restart_command"])
        except ValueError as error:
            raise click.UsageError(f"--restart-command: {error}. Quote it as for a shell.") from None
    return fields


@workspace.command("list")
@json_option
@watched
@click.pass_context
def list_workspaces(context: click.Context, as_json: bool) -> None:
    """List workspaces."""
    rows = server(context).every("/api/workspaces")
    if as_json:
        show.as_json(rows)
    else:
        rows.sort(key=lambda it: it["name"])
        show.table(rows, _COLUMNS, "There are no workspaces. Add one with `slotbeat workspace add`.")


@workspace.command("add")
@click.argument("name")
@_field_options
@json_option
@click.pass_context
def add_workspace(context: click.Context, name: str, as_json: bool, **given: Any) -> None:
    """Add a workspace."""
    body = {"name": name, **_fields_of(given)}
    made = server(context).ask("POST", "/api/workspaces", body)
    show.as_json(made) if as_json else click.echo(made["id"])


@workspace.command("edit")
@click.argument("called", metavar="WORKSPACE", shell_complete=completing.workspaces)
@click.option("--name", help="Its new name.")
@_field_options
@click.option("--clear", multiple=True, type=click.Choice(_CLEARABLE), help="Set it to nothing; again for more.")
@json_option
@click.pass_context
def edit_workspace(context: click.Context, called: str, clear: tuple[str, ...], as_json: bool, **given: Any) -> None:
    """Edit the fields that are given."""
    changes = _fields_of(given)
    changes |= {it.replace("-", "_"): None for it in clear}
    if not changes:
        raise click.UsageError("Nothing to edit: give an option.", context)
    _change(server(context), called, changes, as_json)


def _change(api: Server, called: str, changes: dict[str, Any], as_json: bool) -> None:
    known = found.workspace(api, called)
    after = api.ask("PATCH", f"/api/workspaces/{known['id']}", changes)
    show.as_json(after) if as_json else click.echo(show.cell(f"{after['name']} is {after['status']}", 0))


@workspace.command("show")
@click.argument("called", metavar="WORKSPACE", shell_complete=completing.workspaces)
@json_option
@click.pass_context
def show_workspace(context: click.Context, called: str, as_json: bool) -> None:
    """Show one workspace."""
    known = found.workspace(server(context), called)
    show.as_json(known) if as_json else show.facts(known.items())


@workspace.command("pause")
@click.argument("called", metavar="WORKSPACE", shell_complete=completing.workspaces)
@json_option
@click.pass_context
def pause_workspace(context: click.Context, called: str, as_json: bool) -> None:
    """Hold what waits in it; what runs goes on."""
    _change(server(context), called, {"status": "paused"}, as_json)


@workspace.command("resume")
@click.argument("called", metavar="WORKSPACE", shell_complete=completing.workspaces)
@json_option
@click.pass_context
def resume_workspace(context: click.Context, called: str, as_json: bool) -> None:
    """Make it online; what waits in it starts."""
    _change(server(context), called, {"status": "online"}, as_json)


@workspace.command("health")
@click.argument("called", metavar="WORKSPACE", shell_complete=completing.workspaces)
@json_option
@click.pass_context
def show_health(context: click.Context, called: str, as_json: bool) -> None:
    """Ask its health_url now; exits with 1 where it is dead."""
    api = server(context)
    known = found.workspace(api, called)
    told = api.ask("GET", f"/api/workspaces/{known['id']}/health")
    show.as_json(told) if as_json else click.echo(
        show.cell(f"{known['name']} is {told['verdict']}: {told['detail']}", 0)
    )
    if told["verdict"] == "dead":
        context.exit(FAILED)


@workspace.command("restart")
@click.argument("called", metavar="WORKSPACE", shell_complete=completing.workspaces)
@click.option("--wait", is_flag=True, help="Until it has ended; exits with 1 where it failed.")
@json_option
@click.pass_context
def restart_workspace(context: click.Context, called: str, wait: bool, as_json: bool) -> None:
    """Restart it. One restart runs at a time, and one more follows, however often it is asked for."""
    api = server(context)
    known = found.workspace(api, called)
    path = f"/api/workspaces/{known['id']}/restart"
    told = api.ask("POST", path)
    if wait:
        told = _until_ended(api, path, told)
    show.as_json(told) if as_json else click.echo(show.cell(_told_restart(known["name"], told), 0))
    if wait and told["outcome"] != "ok":
        context.exit(FAILED)


def _until_ended(api: Server, path: str, told: dict[str, Any]) -> dict[str, Any]:
    """Asks again and again: a request that is held open for minutes does not come through every proxy."""
    idle_s = 0.0
    while told["state"] not in ("ended", "lost"):
        idle_s = idle_s + _LOOK_EVERY_S if told["state"] == "waiting" else 0.0
        if idle_s > _BEGINS_WITHIN_S:
            raise Failure("The restart never began: no worker took it. Start one: `slotbeat worker`.")
        time.sleep(_LOOK_EVERY_S)
        told = api.ask("GET", path, query={"number": told["number"]})
    return told


def _told_restart(name: str, told: dict[str, Any]) -> str:
    if told["state"] == "lost":
        return f"{name}: the restart was lost with its worker"
    if told["state"] != "ended":
        return f"{name}: restart {told['number']} is asked for"
    if told["outcome"] == "ok":
        return f"{name} was restarted in {told['duration_ms'] / 1000:.1f} s"
    return f"{name}: the restart failed: {told['error']}"


@workspace.command("remove")
@click.argument("called", metavar="WORKSPACE", shell_complete=completing.workspaces)
@click.pass_context
def remove_workspace(context: click.Context, called: str) -> None:
    """Remove a workspace. What waits in it is cancelled, what runs ended, its schedules archived."""
    api = server(context)
    known = found.workspace(api, called)
    api.ask("DELETE", f"/api/workspaces/{known['id']}")
    click.echo(show.cell(f"{known['name']} is removed", 0))
