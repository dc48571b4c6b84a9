"""Every numbered behaviour has a test that names it; docs/coverage.md says which."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BEHAVIOUR, COVERAGE = ROOT / "docs" / "behaviour.md", ROOT / "docs" / "coverage.md"
WRITE_AGAIN = "write it again with `.venv/bin/python -m tests.test_coverage`"
NAMED = re.compile(r"\b([A-Z]{3})-(\d+)(?: to (?:\1-)?(\d+))?|\b[Ii]nvariants? (\d+)")
# So many tests are listed for one id; those that name nothing else come first.
SHOWN = 6


@cache
def promised() -> dict[str, str]:
    """Each id with its sentence."""
    return dict(re.findall(r"^- ([A-Z]{3}-\d+) (.*)$", BEHAVIOUR.read_text("utf-8"), re.MULTILINE))


def named_in(text: str) -> Iterator[str]:
    """The ids that a text names, also by a range or as the number of an invariant."""
    for kind, first, last, invariant in NAMED.findall(text):
        if invariant:
            yield f"SLT-{int(invariant) + (2 if int(invariant) > 7 else 0)}"
        else:
            yield from (f"{kind}-{number}" for number in range(int(first), int(last or first) + 1))


@cache
def shown_by() -> dict[str, list[str]]:
    """For each id the tests whose docstring names it, or whose file does in its first sentence."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        place = path.relative_to(ROOT).as_posix()
        for id_ in sorted(set(named_in(ast.get_docstring(tree) or ""))):
            found[id_].append(f"`{place}`")
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                for id_ in sorted(set(named_in(ast.get_docstring(node) or ""))):
                    found[id_].append(f"`{place}` {node.name.removeprefix('test_').replace('_', ' ')}")
    return found


def page() -> str:
    lines = [
        "# Coverage",
        "",
        f"The tests that name each behaviour of [behaviour.md](behaviour.md); {WRITE_AGAIN}.",
        "A test may show more than it names, and no table says how well: [mutation.md](mutation.md) says more.",
        "",
        "| id | tests |",
        "|---|---|",
    ]
    for id_ in promised():
        them = shown_by().get(id_, [])
        more = f"; {len(them) - SHOWN} more" if len(them) > SHOWN else ""
        lines.append(f"| {id_} | {'; '.join(them[:SHOWN])}{more} |")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("id_", promised())
def test_every_behaviour_is_named_by_a_test(id_: str) -> None:
    assert shown_by().get(id_), f"no test names {id_}: {promised()[id_][:100]}"


def test_no_test_names_a_behaviour_that_nobody_promised() -> None:
    kinds = {id_[:3] for id_ in promised()}

    assert {id_ for id_ in shown_by() if id_[:3] in kinds} - promised().keys() == set()


def test_the_page_of_coverage_is_that_of_the_tests() -> None:
    assert COVERAGE.read_text("utf-8") == page(), WRITE_AGAIN


if __name__ == "__main__":
    COVERAGE.write_text(page(), "utf-8")
