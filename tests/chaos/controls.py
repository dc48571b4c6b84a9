"""Positive controls: copies of this checkout, each broken on purpose, that the chaos run must turn red.

`make chaos-controls`, or `python -m tests.chaos.controls NAME...` for some. A control whose patch does not fit
the code any more fails too: it would prove nothing.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.members import ROOT

COPIED = ("beat", "console", "shared", "workers", "tests", "pyproject.toml")
SECONDS = 40
SEED = 20


@dataclass(frozen=True)
class Patch:
    """One change of one file, wherever the old text stands in it."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Control:
    """A broken build: what is broken, how, and the faults that should show it."""

    name: str
    patches: tuple[Patch, ...]
    faults: str
    payloads: str = ""
    ends: str = "FAILED"


CLAIM = "shared/migrations/0029_fewer_looks.sql"
SETTLE = "shared/store/settlement.py"
ENDINGS = "shared/store/endings.py"
BY_TOKEN_ALONE = "where a.token = it.token and num_nulls(it.token) = 0"
REAPER = "workers/reaper.py"
WORLD = "tests/chaos/world.py"
STOPS = "worker-stopped, worker-and-children-stopped, child-stopped, postgres-silent"
# With the rules of rows in place Postgres itself refuses what a settle without a token would write.
WITHOUT_RULES = """
drop trigger attempt_moves_lawfully on attempts;
drop trigger firing_moves_lawfully on firings;
drop trigger firing_not_running_has_no_attempt on firings;
drop trigger held_slot_has_running_firing on slots;
"""

CONTROLS = (
    Control("nothing broken", (), STOPS + ", redis-flushed, everything-cancelled", ends="ok"),
    Control(
        "a settle that does not look at its token",
        (
            Patch("shared/migrations/9999_broken.sql", "", WITHOUT_RULES),
            Patch(SETTLE, "a.ended_at is null as live", "true as live"),
            Patch(
                ENDINGS, "where a.token = it.token and num_nulls(it.token) = 0 and a.outcome is null", BY_TOKEN_ALONE
            ),
            Patch(ENDINGS, "f.token = it.token and f.status || '' = 'running'", "f.status = 'running'"),
        ),
        STOPS,
        payloads="longer, long",
    ),
    Control(
        "a guard without a deadline",
        (Patch("workers/guard.py", "elif now >= self._deadline:", "elif False:"),),
        STOPS,
        payloads="longer, long",
    ),
    Control(
        "a reaper without a grace",
        (
            Patch(REAPER, "settings.reap_grace_s", "settings.reap_grace_s - 1.5"),
            Patch(WORLD, '"SLOTBEAT_REAP_GRACE_S"', '"SLOTBEAT_DEAD_TICKS": "1", "SLOTBEAT_REAP_GRACE_S"'),
        ),
        STOPS,
        payloads="longer, long",
    ),
    Control(
        "Redis as the authority: no slot rows, no epoch",
        (
            Patch(CLAIM, "if full_limit is not null and not f.forced then", "if false then"),
            Patch(CLAIM, "<> believed_epoch then", "<> believed_epoch and false then"),
        ),
        "gate-believes, gate-forgot, redis-flushed, epoch-lost",
        payloads="half, long, longer",
    ),
    Control(
        "a guard that ends its own child alone",
        (Patch("workers/guard.py", "while not self._reap():", "while not self._reap() and self._status is None:"),),
        "payload-killed, beat-killed",
    ),
    Control(
        "a cancel that frees the slot before the payload is gone",
        (
            Patch(
                "shared/rules/verdict.py",
                "    if seen.worker_gone:\n        return True",
                "    if seen.worker_gone or seen.abort:\n        return True",
            ),
        ),
        "everything-cancelled",
        payloads="deaf",
    ),
    Control(
        "nobody reconciles",
        (
            Patch(
                "workers/reconcile.py",
                "    settings = station.refresh()\n",
                "    return {}\n    settings = station.refresh()\n",
            ),
        ),
        "messages-lost, caller-died",
    ),
)


def main(names: list[str]) -> int:
    wanted = [it for it in CONTROLS if not names or any(word in it.name for word in names)]
    width = max(len(it.name) for it in wanted)
    good = True
    for control in wanted:
        with tempfile.TemporaryDirectory(prefix="chaos-control-") as made:
            answer, red = try_out(control, Path(made))
        good = good and answer == control.ends
        print(f"{control.name:<{width}}  {answer:<8}  {'as it should' if answer == control.ends else 'WRONG'}  {red}")
        sys.stdout.flush()
    print(f"chaos-controls: {'ok' if good else 'FAILED'}")
    return 0 if good else 1


def try_out(control: Control, folder: Path) -> tuple[str, str]:
    """The last word of a run of the broken copy, and what was red in it."""
    for name in COPIED:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, folder / name)
    for patch in control.patches:
        if not apply(folder / patch.file, patch):
            return "no fit", f"{patch.file} does not hold {patch.old!r} any more"
    asked = {"CHAOS_SECONDS": str(SECONDS), "CHAOS_SEED": str(SEED), "CHAOS_FAULTS": control.faults}
    asked["CHAOS_PAYLOADS"] = control.payloads
    run = subprocess.run(
        [sys.executable, "-m", "tests.chaos"],
        cwd=folder,
        env={**os.environ, **asked, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = run.stdout.splitlines()
    if not told or told[-1] not in ("chaos: ok", "chaos: FAILED"):
        return "broke", (run.stdout + run.stderr)[-2000:]
    return told[-1].removeprefix("chaos: "), "; ".join(_red(told))


def apply(file: Path, patch: Patch) -> bool:
    text = file.read_text() if file.exists() else ""
    if patch.old not in text:
        return False
    file.write_text(text.replace(patch.old, patch.new) if patch.old else patch.new)
    return True


def _red(told: list[str]) -> list[str]:
    """The kinds of violations, with how many of each and the first."""
    if "must be 0" not in told:
        return []
    found = [line.strip() for line in told[told.index("must be 0") + 1 : -1]]
    found = [line for line in found if not line.startswith("the same plan again")]
    counts = [line.rsplit(maxsplit=1) for line in found if ": " not in line]
    first = {name: next((line for line in found if line.startswith(f"{name}: ")), "") for name, _ in counts}
    return [f"{count} {first[name]}" for name, count in counts if count != "0"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
