"""What a chaos run rests on; `.ci/run` makes one, `make chaos-controls` shows that it can turn red."""

from itertools import islice
from pathlib import Path

from tests.chaos.faults import every_kind, plan
from tests.chaos.members import ROOT

KINDS_AT_LEAST = 25


def test_the_same_seed_makes_the_same_plan_and_every_kind_has_its_turn() -> None:
    kinds = list(every_kind())
    first = list(islice(plan(7, kinds), 2 * len(kinds)))

    assert len(kinds) >= KINDS_AT_LEAST
    assert first == list(islice(plan(7, kinds[::-1]), 2 * len(kinds)))
    assert first != list(islice(plan(8, kinds), 2 * len(kinds)))
    assert {it.kind for it in first[: len(kinds)]} == set(kinds)


def test_a_payload_needs_nothing_of_the_system_that_runs_it() -> None:
    """Its testimony is worth something because it is its own."""
    source = Path(ROOT / "tests" / "chaos" / "witness.py").read_text()

    imported = {line.split()[1] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imported == {"os", "signal", "sys", "time"}
