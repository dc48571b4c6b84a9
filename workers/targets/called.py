"""What the kinds have in common that call somebody: a small process of ours, which a guard ends like any other."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared.clock import boottime
from workers.adapters.runner import event_of_runner
from workers.targets.hiding import Hider
from workers.targets.program import Program, environment
from workers.targets.terms import Terms

_ROOT = str(Path(__file__).resolve().parents[2])
_CODE = f"import sys; sys.path.append({_ROOT!r}); from workers.calls.runner import main; main()"


def caller(
    target: Mapping[str, Any], prompt: str, terms: Terms, hide: Hider, env: Mapping[str, str] | None = None
) -> Program:
    """The runner with its order. Nothing of it is on a command line, which every user of the host can read."""
    order = {
        "kind": target["kind"],
        "target": dict(target),
        "prompt": prompt,
        "variables": dict(terms.variables),
        "networks": list(terms.allowed.networks),
        "cancel": terms.cancel,
        "run_left_s": terms.run_deadline - boottime(),
    }
    return Program(
        argv=[sys.executable, "-P", "-c", _CODE],
        env=environment(os.environ, env or {}, terms.variables),
        stdin=json.dumps(order).encode(),
        adapter=lambda: event_of_runner,
        hide=hide,
    )
