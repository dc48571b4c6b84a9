"""The findings told: a line each for people with what to type, or JSON for programs."""

import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

import click

from console.doctor.examine import examine
from console.doctor.finding import Finding
from console.doctor.patient import Patient
from console.local import state
from shared.rules.text import one_line
from shared.settings import Addresses, BadAddress, NoAddress, addresses

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}
_LONGEST_CHECK = 12


def run(folder: Path, *, as_json: bool) -> int:
    """Looks at the system that the environment names, or that runs in the folder; 1 when there is any finding."""
    patient = Patient(where(os.environ, folder), os.environ)
    try:
        found = examine(patient)
        return tell_json(found) if as_json else tell(found)
    finally:
        patient.close()


def where(environ: Mapping[str, str], folder: Path) -> Addresses:
    """The addresses of the environment, else those of what `slotbeat up` runs in the folder; NoAddress for neither."""
    try:
        return addresses(environ)
    except BadAddress:
        raise
    except NoAddress:
        running = state.read(folder)
        if running is None:
            raise
        return addresses({**environ, "DATABASE_URL": running.database_url, "REDIS_URL": running.redis_url})


def tell(findings: Iterable[Finding]) -> int:
    """Prints each as it is made, then what they come to; the exit code."""
    wrong = 0
    for it in findings:
        # click takes the colours away where nobody sees them.
        level = click.style(f"{it.level:<4}", fg=_COLOURS[it.level])
        click.echo(f"{level}  {it.check:<{_LONGEST_CHECK}}  {one_line(it.words)}")
        for remedy in it.remedy:
            click.echo(f"      {'':<{_LONGEST_CHECK}}  $ {one_line(remedy)}")
        wrong += it.level != "ok"
        sys.stdout.flush()
    click.echo(f"{wrong} finding{'s' * (wrong != 1)}" if wrong else "all is well")
    return int(wrong > 0)


def tell_json(findings: Iterable[Finding]) -> int:
    """Prints all of them; the exit code."""
    found = list(findings)
    well = all(it.level == "ok" for it in found)
    click.echo(json.dumps({"ok": well, "findings": [asdict(it) for it in found]}, indent=2))
    return int(not well)
