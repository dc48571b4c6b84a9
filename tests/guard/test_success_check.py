"""REA-4: what has to hold for a firing to count as completed, looked at under a guard with a deadline of its own."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.rules.allowed import Allowed
from shared.settings import Settings
from tests.guard.scenes import INSTALLATION
from workers.check import Case, checked
from workers.guards import Guards
from workers.outcome import Outcome
from workers.station import Station

DONE = Outcome(None, exit_code=0, result="wrote 3 files\ndone in 5 s")


def after(guards: Guards, check: dict[str, Any] | None, outcome: Outcome = DONE, **knobs: Any) -> Outcome:
    station = SimpleNamespace(settings=Settings(**knobs), installation=INSTALLATION, guards=guards)
    return checked(cast("Station", station), outcome, Case(check, "f1", 7))


@pytest.mark.parametrize(
    "check",
    [
        None,
        {"argv": ["true"]},
        {"argv": ["grep", "-q", "3 files"]},
        {"argv": ["sh", "-c", 'test "$SLOTBEAT_FIRING_ID,$SLOTBEAT_TOKEN" = f1,7']},
        {"pattern": r"(?m)^done in \d+ s$"},
        {"pattern": "files\ndone"},
    ],
)
def test_a_green_check_changes_nothing(guards: Guards, check: dict[str, Any] | None) -> None:
    assert after(guards, check) == DONE


@pytest.mark.parametrize(
    ("check", "why"),
    [
        ({"argv": ["false"]}, "Exit code 1"),
        ({"argv": ["sh", "-c", "echo no such file >&2; exit 3"]}, "no such file"),
        ({"argv": ["sh", "-c", "kill -9 $$"]}, "SIGKILL"),
        ({"argv": ["no-such-program"]}, "no such program"),
        ({"argv": ["sh", "-c", "head -c 50000000 /dev/zero; exit 4"]}, "Exit code 4"),
        ({"pattern": "^done"}, "does not match"),
    ],
)
def test_a_red_check_is_a_failure_that_says_why(guards: Guards, check: dict[str, Any], why: str) -> None:
    outcome = after(guards, check)

    assert (outcome.reason, outcome.exit_code, outcome.result) == ("check_failed", 0, DONE.result)
    assert why in (outcome.error or "")


@pytest.mark.parametrize("check", [{"argv": ["sleep", "1000"]}, {"pattern": "(a+)+$"}])
def test_a_check_that_does_not_come_to_an_end_is_ended_and_red(guards: Guards, check: dict[str, Any]) -> None:
    """A pattern may search for ever: it has a process of its own, which can be killed."""
    outcome = after(guards, check, Outcome(None, result="a" * 60 + "!"), success_check_s=1)

    assert outcome.reason == "check_failed"
    assert "took longer than 1 s" in (outcome.error or "")


def test_what_failed_already_is_not_checked(guards: Guards, tmp_path: Path) -> None:
    failed = Outcome("exit_nonzero", exit_code=3)

    assert after(guards, {"argv": ["touch", str(tmp_path / "looked")]}, failed) == failed
    assert not (tmp_path / "looked").exists()


def test_a_program_that_workers_may_not_run_is_not_run_for_a_check_either(guards: Guards, tmp_path: Path) -> None:
    outcome = after(guards, {"argv": ["touch", str(tmp_path / "looked")]}, allowed_commands="agent")

    assert outcome.reason == "check_failed"
    assert "SLOTBEAT_ALLOWED_COMMANDS" in (outcome.error or "")
    assert not (tmp_path / "looked").exists()
    assert Settings(allowed_commands="agent").allowed != Allowed()
