"""Outages that several schedules share: a class of failures that holds firings is named."""

from collections.abc import Iterator

from console.doctor.finding import Finding, ok, warn
from console.doctor.patient import Patient
from shared.store import failure_classes

_SHOWN = 20


def failures(patient: Patient) -> Iterator[Finding]:
    """No class of failures is tripped."""
    tripped = failure_classes.listing(patient.connection, tripped=True, most=_SHOWN)
    for it in tripped:
        probing = (
            f"firing {it.probe_id} tries now" if it.probe_id else f"the next try is at {it.next_probe_at:%H:%M:%S}Z"
        )
        words = (
            f"{it.schedules} schedules failed as {it.reason} at {it.place} at {it.tripped_at:%H:%M}Z;"
            f" {it.waiting} firings wait, {it.probes} tries failed, {probing}"
        )
        yield warn("failures", words, f"slotbeat failure-class release '{it.key}'  # lets all go on at once")
    if not tripped:
        yield ok("failures", "no outage holds firings")
