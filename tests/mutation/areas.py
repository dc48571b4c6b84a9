"""What is mutated, how much of it, and which tests are asked: few first, more for what they let through."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.mutation import in_lua, in_python, in_sql
from tests.mutation.cut import Cut

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Area:
    """Files that do one thing, their share of a draw, and the tests that should notice."""

    name: str
    share: int
    files: tuple[str, ...]
    narrow: tuple[str, ...]
    wide: tuple[str, ...]


_REAPING = ("tests/process/test_reaper.py", "tests/process/test_reaped_at_once.py", "tests/process/test_revokes.py")
_RECONCILING = ("tests/process/test_reconciler.py",)
_MODEL = ("tests/model/test_conformance.py",)
_GATE = (
    "tests/slots/test_scripts.py",
    "tests/slots/test_taking.py",
    "tests/slots/test_streams.py",
    "tests/slots/test_line.py",
    "tests/slots/test_gate_and_rows.py",
    "tests/slots/test_rebuild.py",
)
_LIVE = (
    "tests/process/test_keeper.py",
    "tests/process/test_messages.py",
    "tests/process/test_lost_workers.py",
    "tests/process/test_first_firing.py",
)
_ROWS = (
    "tests/store/test_claims.py",
    "tests/store/test_limits.py",
    "tests/store/test_illegal_writes.py",
    "tests/store/test_bounds.py",
    "tests/store/test_ends.py",
    "tests/store/test_budgets.py",
)

AREAS = (
    Area(
        "gate",
        20,
        ("shared/lua/*.lua", "shared/lua/fragments/*.lua"),
        _GATE,
        ("tests/slots/test_model_gate.py", *_RECONCILING, *_MODEL, "tests/slots"),
    ),
    Area(
        "SQL",
        28,
        ("shared/migrations/*.sql",),
        _ROWS,
        (
            *_GATE,
            "tests/store",
            *_REAPING,
            *_RECONCILING,
            *_MODEL,
            "tests/operations/test_metrics.py",
            "tests/operations/test_retention.py",
            "tests/doctor",
            "tests/console/test_api_firings.py",
            "tests/console/test_api_schedules.py",
        ),
    ),
    Area(
        "store",
        18,
        tuple(
            f"shared/store/{it}.py"
            for it in ("attempts", "settlement", "firings", "running", "due", "limits", "epoch", "cadence")
        ),
        (
            *("tests/store/test_cadence.py", "tests/store/test_suspects.py"),
            *(*_ROWS, *_REAPING, *_RECONCILING),
        ),
        (
            "tests/store",
            "tests/schedules",
            *_GATE,
            *_MODEL,
            "tests/console/test_api_firings.py",
            "tests/console/test_api_schedules.py",
            *_LIVE,
        ),
    ),
    Area(
        "guard",
        16,
        ("workers/guard.py", "workers/tree.py", "workers/guarded.py"),
        (
            "tests/guard/test_late_start.py",
            "tests/guard/test_trees.py",
            "tests/guard/test_guards.py",
            "tests/guard/test_keeper.py",
            "tests/guard/test_sure_end.py",
        ),
        ("tests/guard", "tests/process/test_lost_workers.py"),
    ),
    Area(
        "keeper",
        12,
        ("workers/keeper.py", "workers/wards.py"),
        (
            "tests/guard/test_wards.py",
            "tests/process/test_keeper_alone.py",
            "tests/process/test_keeper_and_locks.py",
            "tests/process/test_keeper_without_postgres.py",
            "tests/guard/test_keeper.py",
        ),
        _LIVE,
    ),
    Area("reaper", 10, ("workers/reaper.py",), _REAPING, ("tests/process/test_lost_workers.py",)),
    Area(
        "verdict",
        8,
        ("shared/rules/verdict.py", "shared/rules/endings.py"),
        ("tests/rules/test_verdict.py", "tests/rules/test_endings.py", "tests/rules/test_states_and_reasons.py"),
        (*_REAPING, *_LIVE),
    ),
    Area(
        "reconciler",
        12,
        ("workers/reconcile.py", "shared/admission.py"),
        (*_RECONCILING, "tests/slots/test_gate_and_rows.py", "tests/slots/test_rebuild.py"),
        (*_MODEL, "tests/console/test_api_firings.py", *_LIVE),
    ),
    Area(
        "worker",
        10,
        ("workers/chain.py", "workers/claim.py", "workers/execute.py", "workers/relay.py", "workers/settle.py"),
        (
            *("tests/process/test_following.py", "tests/process/test_relay.py", "tests/process/test_postgres_away.py"),
            *(*_REAPING, "tests/store/test_endings.py", "tests/process/test_messages.py"),
        ),
        _LIVE,
    ),
)


def area_of(file: str) -> Area:
    return next(area for area in AREAS if file in files_of(area))


def files_of(area: Area) -> list[str]:
    found = [path for pattern in area.files for path in sorted(ROOT.glob(pattern))]
    return [path.relative_to(ROOT).as_posix() for path in found]


@cache
def cuts_of(file: str) -> list[Cut]:
    """Every change that the tools know of a file."""
    text = (ROOT / file).read_text()
    if file.endswith(".lua"):
        return in_lua.cuts(file, text)
    if file.endswith(".sql"):
        return in_sql.cuts(file, text, _later_than(file))
    if file.startswith("shared/store/"):
        return [*in_sql.cuts_in_python(file, text), *in_python.cuts(file, text)]
    return in_python.cuts(file, text)


def _later_than(migration: str) -> str:
    paths: Sequence[Path] = sorted((ROOT / migration).parent.glob("*.sql"))
    return "\n".join(path.read_text() for path in paths if path.name > Path(migration).name)
