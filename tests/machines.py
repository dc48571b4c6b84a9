"""How a Hypothesis state machine is run: by a seed that is printed, in parts that several processes share."""

import os
import random
from typing import Any

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def run_machine(machine: type[RuleBasedStateMachine], name: str, examples: int, steps: int, **given: Any) -> None:
    """Runs so many examples; NAME_SEED repeats them. `given` are attributes of the machine."""
    seed = int(os.environ.get(f"{name}_SEED", "0")) or random.SystemRandom().getrandbits(64)
    print(f"{name}_SEED={seed}, {examples} examples of at most {steps} steps")
    chosen = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
    )
    seeded = type("Seeded", (machine,), given)
    hypothesis.seed(seed)(seeded)
    run_state_machine_as_test(seeded, settings=chosen)
