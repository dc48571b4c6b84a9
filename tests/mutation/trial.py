"""One mutant against the tests, in a copy of the checkout and among processes of its own."""

import json
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.areas import ROOT, area_of
from tests.mutation.bench import Bench
from tests.mutation.cut import Cut, applied

COPIED = ("beat", "console", "shared", "workers", "tests", "pyproject.toml")
# Generous, for the machine may be busy: a mutant that hangs is ended by the time-outs of the tests themselves.
TOO_LONG_S = {"narrow": 600, "wide": 1500}
MOST_DOUBTED = 3
PYTEST = (
    *("-x", "-q", "--tb=short", "-p", "no:randomly", "-p", "no:cacheprovider"),
    *("-p", "tests.mutation.telling", "-p", "tests.mutation.lending", "--timeout=150"),
    # The lane has imported the plug-ins before: that their own asserts are plain changes nothing.
    *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
)
# What a type checker, the database or the script loader would refuse at once: no test had to notice anything.
STILLBORN = re.compile(
    r"\b(?:SyntaxError|NameError|UnboundLocalError|UndefinedColumn|UndefinedFunction|UndefinedTable|DatatypeMismatch"
    r"|AmbiguousColumn|InvalidColumnReference|GroupingError|CannotCoerce|IndeterminateDatatype|WrongObjectType"
    r"|InvalidTableDefinition|InvalidObjectDefinition)\b|Error compiling script"
)
# Tests of these folders wait for processes, and a busy machine fails them too: it counts only what fails again,
# and is green at that time where nothing is changed.
DOUBTED = ("tests/process", "tests/guard", "tests/doctor", "tests/console", "tests/model", "tests/slots/test_hammer")


@dataclass(frozen=True)
class Verdict:
    """`killed`, `survived`, `timeout` or `stillborn`; by which test; and its last words."""

    answer: str
    by: str = ""
    words: str = ""


@contextmanager
def copy_of_checkout() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mutant-", ignore_cleanup_errors=True) as made:
        folder = Path(made)
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name)
            else:
                shutil.copy2(source, folder / name)
        yield folder


def put_in(folder: Path, cut: Cut) -> None:
    """Changes the copy; what Python compiled of the file before must not stand in for it."""
    path = folder / cut.file
    path.write_text(applied(path.read_text(), cut))
    for compiled in path.parent.glob(f"__pycache__/{path.stem}.*"):
        compiled.unlink()


def try_out(cut: Cut, bench: Bench, *, is_quick: bool = False) -> Verdict:
    """What the narrow set of tests says, and where it says nothing, the wide one, unless it is to be quick."""
    area = area_of(cut.file)
    with copy_of_checkout() as folder:
        put_in(folder, cut)
        narrow = ask(folder, area.narrow, TOO_LONG_S["narrow"], bench)
        if narrow.answer != "survived" or is_quick:
            return narrow
        return ask(folder, area.wide, TOO_LONG_S["wide"], bench)


def ask(folder: Path, tests: Sequence[str], too_long_s: float, bench: Bench) -> Verdict:
    """The verdict of some tests; one that may have failed for another reason is asked no more."""
    doubted: list[str] = []
    while len(doubted) <= MOST_DOUBTED:
        found = _run(folder, [*tests, *(f"--deselect={it}" for it in doubted)], too_long_s, bench)
        if found.answer not in ("killed", "timeout") or not found.by.startswith(DOUBTED):
            return found
        if _is_sure(folder, found.by, bench):
            return found
        doubted.append(found.by)
    return Verdict("survived", words=f"failed without need: {doubted}")


def _is_sure(folder: Path, test: str, bench: Bench) -> bool:
    """Whether it fails here again, and not where nothing is changed."""
    if _run(folder, [test], TOO_LONG_S["narrow"], bench).answer == "survived":
        return False
    with copy_of_checkout() as untouched:
        return _run(untouched, [test], TOO_LONG_S["narrow"], bench).answer == "survived"


def _run(folder: Path, tests: Sequence[str], too_long_s: float, bench: Bench) -> Verdict:
    told = folder / "told.jsonl"
    told.unlink(missing_ok=True)
    code = bench.run(folder, [*PYTEST, *tests], too_long_s)
    if code is None:
        return Verdict("timeout", words=f"ended after {too_long_s} s")
    return read(told.read_text().splitlines() if told.exists() else [], code)


def read(told: Sequence[str], code: int) -> Verdict:
    """The verdict from what pytest told and how it ended; 5 is that of a set without a single test."""
    if code in (0, 5):
        return Verdict("survived")
    if not told:
        return Verdict("timeout" if code < 0 else "killed", "pytest itself", f"pytest ended with {code}")
    first = json.loads(told[0])
    test, words = str(first["test"]), str(first["words"])
    if STILLBORN.search(words):
        return Verdict("stillborn", test, words)
    return Verdict("timeout" if "Failed: Timeout" in words else "killed", test, words)
