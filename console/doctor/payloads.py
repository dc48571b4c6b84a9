"""Payloads of this host: none goes on for an attempt that does not run (invariant 9)."""

from collections.abc import Iterator
from pathlib import Path

from console.doctor.finding import Finding, fail, ok
from console.doctor.patient import Patient
from shared.store import processes, running


def payloads(patient: Patient) -> Iterator[Finding]:
    """What a process carries the token of runs; processes of other users and hosts cannot be seen from here."""
    mark = f"SLOTBEAT_INSTALLATION={processes.installation(patient.connection)}"
    idle = patient.lasting(lambda: _carriers(mark) - _running(patient, _carriers(mark)))
    for pid, token in sorted(idle):
        words = f"process {pid} carries token {token}, whose attempt does not run"
        yield fail("payloads", words, f"kill -9 {pid}", "slotbeat worker  # which ends such strays when it starts")
    if not idle:
        yield ok("payloads", "none on this host goes on for an attempt that does not run")


def _running(patient: Patient, seen: set[tuple[int, int]]) -> set[tuple[int, int]]:
    live = running.live_tokens(patient.connection, [token for _, token in seen])
    return {it for it in seen if it[1] in live}


def _carriers(mark: str) -> set[tuple[int, int]]:
    """Each process with this installation's mark and a token, with that token."""
    found: set[tuple[int, int]] = set()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        told = _variables(entry)
        token = next((it.removeprefix("SLOTBEAT_TOKEN=") for it in told if it.startswith("SLOTBEAT_TOKEN=")), "")
        if mark in told and token.isascii() and token.isdigit():
            found.add((int(entry.parent.name), int(token)))
    return found


def _variables(entry: Path) -> list[str]:
    try:
        return entry.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
