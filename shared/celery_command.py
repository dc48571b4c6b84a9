"""Runs one of Celery's own commands on an app, as `celery -A` does, and imports no other command.

Celery's command line first imports all its commands, and those of every package that offers one more, such as Flower
with its web server: 14 MB in each process that it starts, for as long as that lives.
"""

import os
import sys

import click
from celery import Celery
from celery.bin.base import CLIContext


def run(command: click.Command, app: Celery, module: str) -> None:
    """Runs it with this process's arguments, and ends the process; `module` is where `celery -A` finds the app."""
    name = command.name or ""
    own = sys.argv[1:]
    # With --detach, what Celery starts in the background is `celery` with the arguments that this process has.
    sys.argv[1:] = ["-A", module, name, *own]
    context = CLIContext(app=app, no_color="NO_COLOR" in os.environ, workdir=None, quiet=False)
    command.main(own, prog_name=f"slotbeat {name}", obj=context, auto_envvar_prefix=f"CELERY_{name.upper()}")
