"""The success check: whether what a payload left is what its schedule asked for (REA-4)."""

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shared.clock import boottime
from shared.rules.allowed import check_command
from shared.rules.endings import NOT_STARTED
from shared.rules.reasons import Reason
from workers.adapters import ADAPTERS
from workers.outcome import Outcome
from workers.station import Station
from workers.targets import under_guard
from workers.targets.ended import Ended
from workers.targets.program import Program, environment
from workers.targets.terms import Terms

# A pattern can search for ever (nested repeats), and Python's own search cannot be interrupted: so it has a
# process of its own, which its guard ends at the deadline like any other.
_MATCH = "import json, re, sys; pattern, text = json.load(sys.stdin.buffer); sys.exit(not re.search(pattern, text))"
_LONGEST_WORDS = 2_000
_STARTS = 3


@dataclass(frozen=True, slots=True)
class Case:
    """What is to be checked: the check as the firing was made with it, and what is known of the attempt."""

    check: Mapping[str, Any] | None
    firing: str
    token: int


def checked(station: Station, outcome: Outcome, case: Case) -> Outcome:
    """The same outcome, or `check_failed`. Asked before anything is written, so that it may be asked again.

    It is read-only, holds no slot, and is ended after `success_check_s`. Whoever asks (the worker, or the reaper
    in its place) asks the same: the program gets the result as its input.
    """
    if case.check is None or outcome.reason is not None:
        return outcome
    try:
        why = _red(station, case, outcome.result or "")
    except ValueError as error:
        why = str(error)
    return outcome if why is None else replace(outcome, reason=Reason.CHECK_FAILED, error=f"Success check: {why}")


def _red(station: Station, case: Case, result: str) -> str | None:
    """Why it is not green, in words."""
    ended = _run(station, case, result)
    for _ in range(_STARTS - 1):
        if ended.reason != NOT_STARTED:
            break
        ended = _run(station, case, result)  # the machine was so slow that the time was over before it began
    if ended.by == "payload" and ended.exit_code == 0:
        return None
    if ended.by in ("deadline", "run_lease"):
        return f"it took longer than {station.settings.success_check_s:g} s."
    if "pattern" in (case.check or {}) and ended.exit_code == 1:
        return "the result does not match its pattern."
    return (ended.error or "it failed")[-_LONGEST_WORDS:]


def _run(station: Station, case: Case, result: str) -> Ended:
    settings = station.settings
    until = boottime() + settings.success_check_s
    variables = {
        "SLOTBEAT_INSTALLATION": str(station.installation),
        "SLOTBEAT_FIRING_ID": case.firing,
        "SLOTBEAT_TOKEN": str(case.token),
    }
    terms = Terms(variables, until, until, settings.abort_grace_s, case.token, allowed=settings.allowed)
    return under_guard.run(_program(case.check or {}, result, terms), terms, station.guards, lambda _: None)


def _program(check: Mapping[str, Any], result: str, terms: Terms) -> Program:
    generic = ADAPTERS["generic"]
    if "pattern" in check:
        argv, said = [sys.executable, "-I", "-S", "-c", _MATCH], json.dumps([check["pattern"], result])
    else:
        argv, said = list(check["argv"]), result
        check_command(argv, (), terms.allowed)
    return Program(argv, environment(os.environ, {}, terms.variables), said.encode(errors="replace"), generic)
