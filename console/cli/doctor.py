"""`slotbeat doctor`: looks at the servers and rows themselves, for the API may be what is ill."""

import logging
from pathlib import Path

import click
from click.core import ParameterSource

from console.cli.failures import USAGE, Failure
from console.doctor.report import run
from shared.settings import BadAddress, NoAddress


@click.command()
@click.option("--json", "as_json", is_flag=True, help="JSON, for programs.")
@click.pass_context
def doctor(context: click.Context, as_json: bool) -> None:
    """Check a live system, and name a remedy for each finding; exit 1 when there is any."""
    # What is wrong with a setting is a finding, not a line of a log.
    logging.getLogger("slotbeat").addHandler(logging.NullHandler())
    try:
        by_option = context.find_root().get_parameter_source("folder") is ParameterSource.COMMANDLINE
        context.exit(run(Path(context.obj["folder"]), as_json=as_json, by_option=by_option))
    except BadAddress as error:
        raise Failure(f"{error}.", USAGE) from error
    except NoAddress as error:
        raise Failure(f"{error}. For one that runs elsewhere: slotbeat --dir FOLDER doctor.", USAGE) from error
