"""What was tried and how it went: kept as JSON from run to run, told as a table."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutation.areas import AREAS, ROOT, area_of
from tests.mutation.cut import Cut, line_of, name_of, shown
from tests.mutation.trial import Verdict

FOLDER = ROOT / ".mutants"
ANSWERS = ("killed", "survived", "timeout", "stillborn")


@dataclass(frozen=True)
class Tried:
    """A mutant and its verdict."""

    name: str
    area: str
    file: str
    line: int
    kind: str
    before: str
    after: str
    answer: str
    by: str
    words: str
    cut: tuple[int, int, str]


def tried(cut: Cut, verdict: Verdict) -> Tried:
    text = (ROOT / cut.file).read_text()
    before, after = shown(text, cut)
    words = verdict.words if verdict.answer != "killed" else verdict.words[-600:]
    where = (name_of(text, cut), area_of(cut.file).name, cut.file, line_of(text, cut), cut.kind, before, after)
    return Tried(*where, verdict.answer, verdict.by, words, (cut.start, cut.end, cut.new))


class Kept:
    """The results so far; a mutant of a text that has changed since is another mutant."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._file = folder / "results.json"
        folder.mkdir(exist_ok=True)
        known = json.loads(self._file.read_text()) if self._file.exists() else []
        self.by_name = {it["name"]: Tried(**it) for it in known}

    def add(self, it: Tried) -> None:
        self.by_name[it.name] = it
        partial = self._file.with_suffix(".partial")
        partial.write_text(json.dumps([asdict(it) for it in self.by_name.values()], indent=1))
        partial.replace(self._file)


def table(found: Iterable[Tried]) -> str:
    """Counts by area; then the survivors and time-outs; then everything."""
    rows = sorted(found, key=lambda it: (it.file, it.line, it.kind, it.after))
    odd = [it for it in rows if it.answer in ("survived", "timeout")]
    parts = [_counts(rows), "## Not killed\n", _lines(odd), "## All\n", _lines(rows)]
    return "\n".join(parts)


def _counts(rows: list[Tried]) -> str:
    lines = ["| area | mutants | " + " | ".join(ANSWERS) + " |", "|---" * (2 + len(ANSWERS)) + "|"]
    for name in [*(area.name for area in AREAS), "all"]:
        of_area = [it for it in rows if name in (it.area, "all")]
        counts = Counter(it.answer for it in of_area)
        if of_area:
            lines.append(f"| {name} | {len(of_area)} | " + " | ".join(str(counts[it]) for it in ANSWERS) + " |")
    return "\n".join(lines) + "\n"


def _lines(rows: list[Tried]) -> str:
    lines = ["| where | kind | before → after | answer |", "|---|---|---|---|"]
    for it in rows:
        change = f"`{_cell(it.before)}` → `{_cell(it.after)}`"
        answer = f"{it.answer}: {_cell(it.by.rpartition('::')[2])}" if it.by else it.answer
        lines.append(f"| {it.file}:{it.line} | {it.kind} | {change} | {answer} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'")
