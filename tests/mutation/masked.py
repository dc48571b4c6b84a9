"""Text with its comments and strings blanked out, so that only code is found in it."""

import re
from collections.abc import Iterator

SQL = re.compile(r"--[^\n]*|'(?:[^']|'')*'")
LUA = re.compile(r"--[^\n]*|'[^'\n]*'|\"[^\"\n]*\"")
_NESTS = re.compile(r"[()]|\b(?:case|end)\b")


def blanked(text: str, pattern: re.Pattern[str]) -> str:
    """As long as before, line by line."""
    return pattern.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def clause_end(text: str, start: int, stops: re.Pattern[str]) -> int:
    """Where what begins at `start` ends: at a stop that is in no parenthesis, or at the closing one."""
    depth = 0
    marks = re.compile(f"(?P<nest>{_NESTS.pattern})|(?P<stop>{stops.pattern})")
    for mark in marks.finditer(text, start):
        if mark["nest"] is None:
            if depth == 0:
                return mark.start()
        elif mark[0] in ("(", "case"):
            depth += 1
        elif depth == 0:
            return mark.start()
        else:
            depth -= 1
    return len(text)


def words_at_top(text: str, words: str, start: int, end: int) -> Iterator[re.Match[str]]:
    """Where these words stand between two places, outside parentheses."""
    depth = 0
    for mark in re.compile(rf"(?P<nest>{_NESTS.pattern})|\b(?:{words})\b").finditer(text, start, end):
        if mark["nest"] is None:
            if depth == 0:
                yield mark
        else:
            depth += 1 if mark[0] in ("(", "case") else -1
