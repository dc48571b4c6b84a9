"""Hypothesis leads the model and the real scripts and rows through the same steps, faults and stale readings."""

import os

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from psycopg import sql

from shared.store.invariants import QUERIES, broken
from tests.machines import run_machine
from tests.model import promises
from tests.model.real import Real
from tests.model.replay import take
from tests.model.search import steps
from tests.model.steps import Step
from tests.model.test_conformance import RULES
from tests.model.world import Label, Rules, first

# Fewer while somebody waits; the machine gets its long nights by BOTH_EXAMPLES=20000. In CI there are 1,500 with
# those of tests/slots/test_model_gate.py.
MANY = "500" if os.environ.get("CI") == "true" else "120"
EXAMPLES, STEPS, PARTS, FAULTS = int(os.environ.get("BOTH_EXAMPLES", MANY)), 20, 3, 3
WHICH = st.integers(0, 255)
# Whether any of them answers a row, in one question.
ANY_BROKEN = sql.SQL("select {}").format(
    sql.SQL(" or ").join(sql.SQL("exists ({})").format(sql.SQL(query)) for _, query in QUERIES.values())
)


class BothStores(RuleBasedStateMachine):
    """Any step that is possible next, here and there; after each, both must hold the same, and every promise."""

    real: Real

    def __init__(self) -> None:
        super().__init__()
        self.variant, self.world, self.faults = Rules(), first(), 0
        self.way: list[Label] = []

    @initialize(name=st.sampled_from(sorted(RULES)))
    def begin(self, name: str) -> None:
        self.variant = RULES[name]
        self.real.begin(self.variant)

    @rule(kind=WHICH, which=WHICH)
    def something_happens(self, kind: int, which: int) -> None:
        self.one_of([it for it in steps(self.world, self.variant) if not it.fault], kind, which)

    @precondition(lambda self: self.faults < FAULTS)
    @rule(kind=WHICH, which=WHICH)
    def a_fault_happens(self, kind: int, which: int) -> None:
        self.one_of([it for it in steps(self.world, self.variant) if it.fault], kind, which)

    def one_of(self, possible: list[Step], kind: int, which: int) -> None:
        """Rare kinds of steps are as likely as common ones."""
        kinds = sorted({str(it.label[0]) for it in possible})
        if not kinds:
            return
        among = [it for it in possible if it.label[0] == kinds[kind % len(kinds)]]
        step = among[which % len(among)]
        self.way.append(step.label)
        self.faults += step.fault
        assert promises.broken_by(self.world, step, self.variant) is None
        take(self.real, self.world, step, self.way)
        assert promises.broken(step.world, self.variant) is None
        assert step.world.rows is self.world.rows or self.is_sound(), f"after {self.way}: {broken(self.real.sql)}"
        self.world = step.world

    def is_sound(self) -> bool:
        return self.real.sql.execute(ANY_BROKEN).fetchone() == (False,)

    def teardown(self) -> None:
        assert not broken(self.real.sql), f"after {self.way}"


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(PARTS))
def test_gate_and_rows_do_what_the_model_does_whatever_happens_in_whatever_order(real: Real, part: int) -> None:
    """SLT-1 to SLT-6: In parts, each with a seed of its own, for several processes to share the examples."""
    run_machine(BothStores, "BOTH", EXAMPLES // PARTS, STEPS, real=real)
