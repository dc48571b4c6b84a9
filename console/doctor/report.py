"""The findings told: a line each for people with what to type, or JSON for programs."""

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
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


def run(folder: Path, *, as_json: bool, by_option: bool = False) -> int:
    """Looks at the system that the environment names, or that runs in the folder; 1 when there is any finding.

    `by_option`: the folder is named on the command line, and so must be where remedies are typed.
    """
    told_where = where(os.environ, folder)
    # What the environment names is of no folder, though a stack may run in it.
    own = None if os.environ.get("DATABASE_URL") or state.read(folder) is None else folder
    patient = Patient(told_where, os.environ, own)
    try:
        found = (typed_at(it, own) for it in examine(patient)) if own and by_option else examine(patient)
        return tell_json(found) if as_json else tell(found, unnamed(os.environ, folder))
    finally:
        patient.close()


def typed_at(finding: Finding, folder: Path) -> Finding:
    """The same with commands that find the stack of this folder from where the reader is."""
    there = f"slotbeat --dir {shlex.quote(str(folder))} "
    return replace(finding, remedy=tuple(re.sub("^slotbeat ", lambda _: there, it) for it in finding.remedy))


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


def unnamed(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """What remedies call by a variable that is not set here, with the command that sets it, for the stack's own."""
    if state.read(folder) is not None:
        file = shlex.quote(str((folder / "state.json").absolute()))
        asked = "export {}=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' {} {})"
        keys = {"DATABASE_URL": "database_url", "REDIS_URL": "redis_url"}
        return {name: asked.format(name, file, key) for name, key in keys.items() if not environ.get(name)}
    return {}


def tell(findings: Iterable[Finding], unset: Mapping[str, str] | None = None) -> int:
    """Prints each as it is made, then what they come to; the exit code."""
    wrong, typed = 0, ""
    for it in findings:
        # click takes the colours away where nobody sees them.
        level = click.style(f"{it.level:<4}", fg=_COLOURS[it.level])
        click.echo(f"{level}  {it.check:<{_LONGEST_CHECK}}  {one_line(it.words)}")
        for remedy in it.remedy:
            click.echo(f"      {'':<{_LONGEST_CHECK}}  $ {one_line(remedy)}")
        typed += "".join(it.remedy)
        wrong += it.level != "ok"
        sys.stdout.flush()
    for name, command in (unset or {}).items():
        if f"${name}" in typed:
            click.echo(f"${name} is, in this shell:\n{'':<{_LONGEST_CHECK + 8}}$ {command}")
    click.echo(f"{wrong} finding{'s' * (wrong != 1)}" if wrong else "all is well")
    return int(wrong > 0)


def tell_json(findings: Iterable[Finding]) -> int:
    """Prints all of them; the exit code."""
    found = list(findings)
    well = all(it.level == "ok" for it in found)
    click.echo(json.dumps({"ok": well, "findings": [asdict(it) for it in found]}, indent=2))
    return int(not well)
