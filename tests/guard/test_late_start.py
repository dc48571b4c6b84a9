"""An order that comes after its own deadline begins nothing, for somebody else may run the firing by then."""

from pathlib import Path

from shared.clock import boottime
from shared.rules.endings import NOT_STARTED
from workers.guards import Guards
from workers.targets import execute
from workers.targets.terms import Terms


def test_an_order_that_comes_after_its_deadline_begins_nothing_and_charges_nobody(
    guards: Guards, tmp_path: Path
) -> None:
    """Found by the model: a worker frozen between its own look at the deadline and the order."""
    begun, now = tmp_path / "begun", boottime()
    late = Terms({}, deadline=now - 0.001, run_deadline=now + 60, abort_grace_s=1, token=7)

    outcome = execute({"kind": "command", "argv": ["touch", str(begun)]}, "a prompt", late, guards, lambda _: None)
    after = execute(
        {"kind": "command", "argv": ["touch", str(begun)]},
        "a prompt",
        Terms({}, deadline=now + 60, run_deadline=now + 60, abort_grace_s=1, token=8),
        guards,
        lambda _: None,
    )

    assert (outcome.reason, outcome.exit_code) == (NOT_STARTED, None)
    assert after.reason is None, "the guard is fit for another"
    assert begun.exists()


def test_nothing_of_a_late_order_was_executed(guards: Guards, tmp_path: Path) -> None:
    begun, now = tmp_path / "begun", boottime()
    late = Terms({}, deadline=now - 0.001, run_deadline=now + 60, abort_grace_s=1, token=7)

    execute({"kind": "command", "argv": ["touch", str(begun)]}, "", late, guards, lambda _: None)

    assert not begun.exists()
