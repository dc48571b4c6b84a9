"""The command `slotbeat`: it speaks only the HTTP API, to a running server or in this process."""

import sys
from io import StringIO

import click

from console.cli.lazy import LazyGroup

_COMMANDS = {
    "up": ("console.cli.local:up", "Run the whole stack on this machine, until Ctrl-C."),
    "down": ("console.cli.local:down", "Stop the stack that runs in a folder."),
    "demo": ("console.cli.local:demo", "Load the demo fleet."),
    "schedule": (
        "console.cli.schedules:schedule",
        "List, show, add, edit, pause, run, apply, export, copy, preview, backfill schedules.",
    ),
    "firing": ("console.cli.firings:firing", "List, show, follow, cancel and repeat firings."),
    "workspace": ("console.cli.workspaces:workspace", "List, add, edit and remove workspaces."),
    "slots": ("console.cli.slots:slots", "Show who holds slots, and who waits."),
    "limit": ("console.cli.slots:limit", "List, set and remove the caps of fleet, workspaces and lanes."),
    "budget": ("console.cli.budgets:budget", "List, set and remove the budgets of fleet and workspaces."),
    "pause": ("console.cli.fleet:pause", "Pause the whole fleet: nothing starts, what runs goes on."),
    "resume": ("console.cli.fleet:resume", "Resume the whole fleet from now on."),
    "forecast": ("console.cli.forecast:forecast", "Tell what will fire when, and where it is crowded."),
    "why": ("console.cli.why:why", "Tell what happened and why, of a firing or a schedule."),
    "failure-class": (
        "console.cli.failure_classes:failure_class",
        "See outages that schedules share; release what they hold.",
    ),
    "stream": ("console.cli.streams:stream", "Say that people are talking, so that due schedules are put off."),
    "token": ("console.cli.tokens:token", "Make, list and revoke API tokens."),
    "settings": ("console.cli.settings:settings", "Show settings with their source; set one."),
    "doctor": ("console.cli.doctor:doctor", "Check a live system; a remedy for each finding."),
    "completion": ("console.cli.completion:completion", "Print what bash, zsh or fish needs to complete."),
    "migrate": ("console.cli.fronts:migrate", "Bring the database up to this version."),
    "worker": ("console.cli.fronts:worker", "Run a Celery worker (options as of `celery worker`)."),
    "beat": ("console.cli.fronts:beat", "Run a beat (options as of `celery beat`)."),
    "api": ("console.cli.fronts:api", "Run the API with the dashboard (options as of `uvicorn`)."),
    "flower": ("console.cli.fronts:flower", "Run Flower (options as of `celery flower`)."),
}

# What these are given is for the programs that they start.
_PASSED_ON = {"worker", "beat", "api", "flower"}


@click.group(cls=LazyGroup, lazy=_COMMANDS, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--dir", "folder", default=".slotbeat", envvar="SLOTBEAT_DIR", show_default=True, help="Where `slotbeat up` runs."
)
@click.option("--debug", is_flag=True, help="Show where an unexpected error came from.")
@click.version_option(package_name="slotbeat")
@click.pass_context
def root(context: click.Context, folder: str, debug: bool) -> None:
    """Cron schedules for expensive jobs, under caps that hold.

    It asks the server that SLOTBEAT_URL names (with SLOTBEAT_TOKEN), else the one that runs in the folder,
    else, with DATABASE_URL and REDIS_URL, it does the work itself.

    Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused (full, conflict).
    """
    context.obj = {"folder": folder, "debug": debug}


def main() -> None:
    """Runs the command line; an unexpected error is one line, unless --debug is there."""
    # Closed by the caller (`>&-`): what is said goes nowhere, what is done is done.
    sys.stdout = sys.stdout or StringIO()
    sys.stderr = sys.stderr or StringIO()
    try:
        root(_debug_first(sys.argv[1:]), prog_name="slotbeat")
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        told = " ".join(str(error).split()) or "no more is known"
        print(f"slotbeat: {type(error).__name__}: {told} (run it with --debug to see where)", file=sys.stderr)
        sys.exit(1)


def _debug_first(typed: list[str]) -> list[str]:
    """`--debug` may stand anywhere in a command of ours, as an error says that it helps."""
    ours = typed[: typed.index("--")] if "--" in typed else typed
    if "--debug" not in ours or _PASSED_ON.intersection(ours):
        return typed
    at = ours.index("--debug")
    return ["--debug", *typed[:at], *typed[at + 1 :]]
