"""What a firing can run: one function a kind, all of one shape."""

from collections.abc import Callable, Mapping
from typing import Any

from workers.guards import Guards
from workers.outcome import Outcome
from workers.targets import command
from workers.targets.command import Terms
from workers.targets.tally import OnEvents

# Given the target, the prompt, the attempt's terms, the guards of this process, and where its events go;
# answers when nothing of the payload executes any more. ValueError: this target can never run as it is.
Target = Callable[[Mapping[str, Any], str, Terms, Guards, OnEvents], Outcome]

TARGETS: dict[str, Target] = {"command": command.execute}
