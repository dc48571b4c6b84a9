"""`slotbeat firing`: list, show, logs, cancel, rerun."""

import click

from console.cli import completing, found, moments, show
from console.cli.following import follow, tell
from console.cli.server import server
from console.cli.show import json_option
from console.cli.watching import watched
from shared.rules.reasons import Reason

_COLUMNS: list[show.Column] = [
    ("id", lambda it: it["id"]),
    ("what", lambda it: f"{it['workspace']}/{it['title']}"),
    ("source", lambda it: it["source"]),
    ("status", lambda it: it["status"]),
    ("reason", lambda it: it["failure_reason"]),
    ("queued", lambda it: show.ago(it["queued_at"])),
    ("ended", lambda it: show.ago(it["finished_at"])),
    ("turns", lambda it: it["turns"]),
]
_TRIES: list[show.Column] = [
    ("attempt", lambda it: it["number"]),
    ("worker", lambda it: it["worker"]),
    ("claimed", lambda it: show.ago(it["claimed_at"])),
    ("outcome", lambda it: it["outcome"] or "runs"),
    ("reason", lambda it: it["failure_reason"] or it["abort_reason"]),
    ("exit", lambda it: it["exit_code"]),
]
_STATES = ["queued", "running", "completed", "failed", "cancelled"]


@click.group()
def firing() -> None:
    """Look at firings; cancel and repeat them."""


@firing.command("list")
@click.option("--schedule", "-s", shell_complete=completing.schedules, help="Of this schedule only.")
@click.option("--workspace", "-w", shell_complete=completing.workspaces, help="Of this workspace only.")
@click.option("--status", type=click.Choice(_STATES), help="In this state only.")
@click.option(
    "--reason",
    metavar="REASON",
    type=click.Choice([it.value for it in Reason]),
    help="Ended for this reason, such as exit_nonzero or rate_limited.",
)
@click.option("--since", metavar="TIME", help="In line since then: 30min, 2h or 3d ago, or as in 2026-03-29T02:30:00Z.")
@click.option("--limit", "most", type=click.IntRange(1, 10_000), default=30, show_default=True, help="At most so many.")
@json_option
@watched
@click.pass_context
def list_firings(
    context: click.Context, schedule: str | None, workspace: str | None, since: str | None, most: int, as_json: bool,
    **given: str | None,
) -> None:  # fmt: skip
    """List firings, newest first."""
    api = server(context)
    query = {
        **given,
        "schedule": found.schedule(api, schedule)["id"] if schedule else None,
        "workspace": found.workspace(api, workspace)["id"] if workspace else None,
        "since": since and moments.since(since),
    }
    rows = api.every("/api/firings", most, **query)
    show.listing(rows, _COLUMNS, "There are no such firings.", json_wanted=as_json)


@firing.command("show")
@click.argument("firing_id", metavar="FIRING")
@json_option
@click.pass_context
def show_firing(context: click.Context, firing_id: str, as_json: bool) -> None:
    """Show a firing with its attempts."""
    told = server(context).ask("GET", f"/api/firings/{_id(firing_id)}/detail")
    if as_json:
        show.as_json(told)
        return
    known = {**told["firing"], "prompt": told["prompt"], "target": told["target"]}
    show.facts((name, show.moment(it) if name.endswith("_at") else it) for name, it in known.items())
    if told["attempts"]:
        click.echo()
        show.table(told["attempts"], _TRIES, "")


@firing.command("logs")
@click.argument("firing_id", metavar="FIRING")
@click.option("--follow", "-f", "follows", is_flag=True, help="Go on until it ends.")
@json_option
@click.pass_context
def show_logs(context: click.Context, firing_id: str, follows: bool, as_json: bool) -> None:
    """Show what a firing said."""
    api = server(context)
    if follows:
        follow(api, _id(firing_id), as_json=as_json)
        return
    for it in api.every(f"/api/firings/{_id(firing_id)}/events"):
        tell(it, as_json=as_json)


@firing.command("cancel")
@click.argument("firing_id", metavar="FIRING")
@json_option
@click.pass_context
def cancel_firing(context: click.Context, firing_id: str, as_json: bool) -> None:
    """Cancel a firing that waits or runs."""
    told = server(context).ask("POST", f"/api/firings/{_id(firing_id)}/cancel")
    words = "cancelled" if told["answer"] == "cancelled" else "it is being ended"
    show.as_json(told) if as_json else click.echo(words)


@firing.command("rerun")
@click.argument("firing_id", metavar="FIRING")
@click.option("--force", is_flag=True, help="Past the caps; it is audited.")
@click.option("--queue", is_flag=True, help="Wait in line where there is no room.")
@json_option
@click.pass_context
def rerun_firing(context: click.Context, firing_id: str, force: bool, queue: bool, as_json: bool) -> None:
    """Make a new firing of one that has ended."""
    told = server(context).start(f"/api/firings/{_id(firing_id)}/rerun", force=force, queue=queue)
    show.as_json(told) if as_json else click.echo(told["firing_id"])


def _id(text: str) -> str:
    if not found.is_id(text):
        raise click.BadParameter(f"'{text}' is no id: take one from `slotbeat firing list`.", param_hint="FIRING")
    return text
