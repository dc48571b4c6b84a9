"""`slotbeat schedule`: list, show, add, edit, pause, resume, delete, run, and the group that `timing` adds to."""

from datetime import datetime
from typing import Any

import click

from console.cli import completing, found, show, timing, upkeep
from console.cli.advice import advice
from console.cli.applying import apply
from console.cli.failures import FAILED, Failure
from console.cli.following import follow
from console.cli.schedule_options import field_options, fields_of
from console.cli.server import server
from console.cli.show import json_option
from console.cli.watching import watched
from shared.rules.lasting import lasting

_COLUMNS: list[show.Column] = [
    ("name", lambda it: f"{it['workspace']}/{it['name']}"),
    ("when", lambda it: it["cron"] or it["run_at"]),
    ("zone", lambda it: it["timezone"]),
    ("status", lambda it: it["status"]),
    ("next", lambda it: show.ago(it["next_run_at"]) if it["status"] == "active" else None),
    ("last", lambda it: show.ago(it["last_run_at"])),
    ("result", lambda it: it["last_failure_reason"] or it["last_status"]),
    ("id", lambda it: it["id"]),
]
_MOMENTS = ("_at", "_until")


@click.group()
def schedule() -> None:
    """Manage schedules. SCHEDULE is an id, workspace/name, or a name that only one has."""


@schedule.command("list")
@click.option("--workspace", "-w", shell_complete=completing.workspaces, help="Of this workspace only (id or name).")
@click.option("--status", type=click.Choice(["active", "paused", "archived"]), help="In this state only.")
@json_option
@watched
@click.pass_context
def list_schedules(context: click.Context, workspace: str | None, status: str | None, as_json: bool) -> None:
    """List schedules; archived ones with --status archived."""
    api = server(context)
    place = found.workspace(api, workspace)["id"] if workspace else None
    rows = api.every("/api/schedules", workspace=place, status=status)
    if as_json:
        show.as_json(rows)
    else:
        rows.sort(key=lambda it: (it["workspace"], it["name"]))
        show.table(rows, _COLUMNS, "There are no schedules. Add one with `slotbeat schedule add`.")


@schedule.command("show")
@click.argument("called", metavar="SCHEDULE", shell_complete=completing.schedules)
@json_option
@click.pass_context
def show_schedule(context: click.Context, called: str, as_json: bool) -> None:
    """Show one schedule."""
    known = found.schedule(server(context), called)
    if as_json:
        show.as_json(known)
    else:
        show.facts((name, show.moment(value) if name.endswith(_MOMENTS) else value) for name, value in known.items())


@schedule.command("add", context_settings={"ignore_unknown_options": False})
@click.argument("name")
@click.option(
    "--workspace", "-w", required=True, shell_complete=completing.workspaces, help="Its workspace (id or name)."
)
@field_options
@click.argument("command", nargs=-1)
@json_option
@click.pass_context
def add_schedule(
    context: click.Context, name: str, workspace: str, command: tuple[str, ...], as_json: bool, **given: Any
) -> None:
    """Add a schedule. For example: slotbeat schedule add NAME -w WORKSPACE --cron '0 3 * * *' -- COMMAND ARGUMENT..."""
    fields = fields_of(given, command)
    if "target" not in fields:
        raise click.UsageError("What shall it run? A command behind --, or --http, --a2a, --python, --celery.", context)
    api = server(context)
    place = found.workspace(api, workspace)["id"]
    body = {"workspace_id": place, "name": name, **fields}
    _saved(api.ask("POST", "/api/schedules", body), as_json)


@schedule.command("edit")
@click.argument("called", metavar="SCHEDULE", shell_complete=completing.schedules)
@click.option("--name", help="Its new name.")
@field_options
@click.option("--clear", multiple=True, metavar="FIELD", help="Set a field to nothing; again for more.")
@click.argument("command", nargs=-1)
@json_option
@click.pass_context
def edit_schedule(
    context: click.Context, called: str, command: tuple[str, ...], clear: tuple[str, ...], as_json: bool, **given: Any
) -> None:
    """Edit the fields that are given. A command behind -- takes the place of the one there is."""
    api = server(context)
    known = found.schedule(api, called)
    body = {**fields_of(given, command), **{it.replace("-", "_"): None for it in clear}}
    if not body:
        raise click.UsageError("Nothing to edit: give an option, or a command behind --.", context)
    path, tag = f"/api/schedules/{known['id']}", f'"{known["revision"]}"'
    _saved(api.ask("PATCH", path, body, headers={"If-Match": tag}), as_json)


@schedule.command("pause")
@click.argument("called", metavar="SCHEDULE", shell_complete=completing.schedules)
@click.option("--note", "-m", help="Why, for whoever looks at it later.")
@click.option("--until", help="It resumes then by itself, for example 2026-03-29T02:30:00+02:00.")
@click.option("--cancel-queued", is_flag=True, help="Also end what waits of it.")
@json_option
@click.pass_context
def pause_schedule(
    context: click.Context, called: str, note: str | None, until: str | None, cancel_queued: bool, as_json: bool
) -> None:
    """Pause a schedule; what waits is held, what runs goes on."""
    api = server(context)
    path = f"/api/schedules/{found.schedule(api, called)['id']}/pause"
    after = api.ask("POST", path, {"note": note, "until": until, "cancel_queued": cancel_queued})
    if as_json:
        show.as_json(after)
        return
    by = f"by {after['paused_by']}" + (f": {after['pause_note']}" if after["pause_note"] else "")
    ends = f" (resumes {show.ago(after['paused_until'])})" if after["paused_until"] else ""
    click.echo(show.cell(f"{after['workspace']}/{after['name']} is paused {by}{ends}", 0))


@schedule.command("resume")
@click.argument("called", metavar="SCHEDULE", shell_complete=completing.schedules)
@json_option
@click.pass_context
def resume_schedule(context: click.Context, called: str, as_json: bool) -> None:
    """Resume a schedule from now on; nothing that it missed is fired."""
    api = server(context)
    after = api.ask("POST", f"/api/schedules/{found.schedule(api, called)['id']}/resume")
    told = f"{after['workspace']}/{after['name']} runs {show.ago(after['next_run_at'])}"
    show.as_json(after) if as_json else click.echo(show.cell(told, 0))


@schedule.command("delete")
@click.argument("called", metavar="SCHEDULE", shell_complete=completing.schedules)
@click.pass_context
def delete_schedule(context: click.Context, called: str) -> None:
    """Delete a schedule; one with a history is archived."""
    api = server(context)
    known = found.schedule(api, called)
    api.ask("DELETE", f"/api/schedules/{known['id']}")
    click.echo(show.cell(f"{known['workspace']}/{known['name']} is gone", 0))


@schedule.command("run")
@click.argument("called", metavar="SCHEDULE", shell_complete=completing.schedules)
@click.option("--force", is_flag=True, help="Past the caps; it is audited.")
@click.option("--queue", is_flag=True, help="Wait in line where there is no room.")
@click.option("--wait", is_flag=True, help="Show what it says, and exit with its outcome.")
@click.option("--prompt", help="Another prompt, for this one firing.")
@click.option("--prompt-file", type=click.Path(dir_okay=False, allow_dash=True), help="The same; - is stdin.")
@click.option("--max-turns", type=int, help="Another turn budget, for this one firing.")
@click.option("--target", metavar="JSON", help="What of the target is other, for this one firing.")
@json_option
@click.pass_context
def run_schedule(context: click.Context, called: str, wait: bool, as_json: bool, **given: Any) -> None:
    """Run a schedule now."""
    api = server(context)
    path = f"/api/schedules/{found.schedule(api, called)['id']}/execute"
    force, queue = given.pop("force"), given.pop("queue")
    told = api.start(path, fields_of(given, ()) or None, force=force, queue=queue)
    if not wait:
        show.as_json(told) if as_json else click.echo(told["firing_id"])
        return
    ended = follow(api, told["firing_id"], as_json=as_json)
    if ended["status"] != "completed":
        why = ended["failure_reason"] or ended["status"]
        more = f" ({ended['error']})" if ended["error"] else ""
        raise Failure(f"Firing {told['firing_id']} {ended['status']}: {why}{more}", FAILED)
    if not as_json:
        click.echo(_outcome(ended), err=True)


def _outcome(ended: dict[str, Any]) -> str:
    """What a firing that completed came to."""
    began, over = (datetime.fromisoformat(ended[it]) for it in ("started_at", "finished_at"))
    turns = f", {ended['turns']} turn{'s' * (ended['turns'] != 1)}" if ended["turns"] else ""
    return f"completed in {lasting((over - began).total_seconds())}{turns}"


for _command in (timing.preview, timing.backfill, upkeep.history, upkeep.skip_next, upkeep.copy, upkeep.export, apply):
    schedule.add_command(_command)


def _saved(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show.as_json(told)
        return
    saved = told["schedule"]
    when = "is paused" if saved["status"] == "paused" else f"runs {show.ago(saved['next_run_at'])}"
    click.echo(show.cell(f"{saved['workspace']}/{saved['name']} {when} ({saved['id']})", 0))
    for line in advice(told):
        click.echo(show.cell(line, 0), err=True)
