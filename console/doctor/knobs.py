"""Settings: valid, seen by everybody, one cap for all."""

from collections.abc import Iterator
from dataclasses import fields
from difflib import get_close_matches

from console.deeds.raising import verdict
from console.doctor.finding import Finding, ok, warn
from console.doctor.patient import Patient
from shared.settings import BadSetting, Settings, environment_name, parse
from shared.store import fleet, limits

_CAP = "max_concurrent"
_LIKE = 0.85


def settings(patient: Patient) -> Iterator[Finding]:
    """Each value is one that its setting takes, and no variable hides what was set in the table."""
    found = [it for known in fields(Settings) for it in _one(patient, known.name)] + list(_misspelt(patient))
    yield from found or [ok("settings", "every value is valid, none is hidden")]


def _one(patient: Patient, key: str) -> Iterator[Finding]:
    variable = environment_name(key)
    here, stored = patient.environ.get(variable), patient.table.get(key)
    if here is not None and (wrong := _wrong(key, here)):
        yield warn("settings", f"{variable}: {wrong}; it is passed over", f"unset {variable}")
    if stored is not None and (wrong := _wrong(key, stored)):
        default = next(it.default for it in fields(Settings) if it.name == key)
        yield warn("settings", f"{wrong}; it is passed over", f"slotbeat settings {key} {default}")
    if here is None or stored is None or key == _CAP or _wrong(key, here) or _wrong(key, stored):
        return
    if parse(key, here) != parse(key, stored):
        words = f"{variable}={here} hides {key} {stored}, which was set in the table"
        yield warn("settings", words, f"unset {variable}", f"slotbeat settings {key} {here}")


def _wrong(key: str, text: str) -> str | None:
    try:
        parse(key, text)
    except BadSetting as error:
        return str(error)
    return None


def _misspelt(patient: Patient) -> Iterator[Finding]:
    known = [environment_name(it.name) for it in fields(Settings)]
    for name in patient.environ:
        if name.startswith("SLOTBEAT_") and name not in known and (near := get_close_matches(name, known, 1, _LIKE)):
            yield warn("settings", f"{name} is no setting; {near[0]} is", f"unset {name}", f"export {near[0]}=")


def room(patient: Patient) -> Iterator[Finding]:
    """Whether the cap may be raised: advice, and nothing that is wrong."""
    yield ok("room", verdict(patient.connection).words)


def cap(patient: Patient) -> Iterator[Finding]:
    """The fleet's cap stands in one place, and nobody was started with another."""
    paused = fleet.current(patient.connection)
    stands = limits.caps(patient.connection)[limits.FLEET] if paused is None else paused.cap
    if paused is not None:
        words = f"the fleet is paused by {paused.paused_by} since {paused.paused_at:%Y-%m-%d %H:%M} UTC: nothing starts"
        yield warn("cap", words, "slotbeat resume")
    elif stands == 0:
        yield warn(
            "cap", "the fleet's cap is 0: nothing starts", f"slotbeat limit set fleet {Settings().max_concurrent}"
        )
    alive = [*patient.workers, *patient.beats]
    asked = {it.node: it.facts.get("cap_asked_for") for it in alive}
    asked["this shell"] = patient.environ.get(environment_name(_CAP))
    found = [it for it in sorted(asked.items()) if it[1] is not None and str(it[1]).strip() != str(stands)]
    for who, value in found:
        words = f"{who} was started with {environment_name(_CAP)}={value}, the cap is {stands}"
        yield warn("cap", words, f"slotbeat limit set fleet {value}", f"unset {environment_name(_CAP)}  # there")
    if not found and paused is None and stands:
        yield ok("cap", f"{stands}, and nobody asks for another")
