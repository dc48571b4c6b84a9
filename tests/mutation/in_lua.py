"""Changes of the gate's Lua: the scripts are flat enough for their lines to be read one by one."""

import re
from collections.abc import Iterator
from itertools import pairwise

from tests.mutation import masked
from tests.mutation.cut import Cut, other_number

_TURNED = {"==": "~=", "~=": "==", "<=": ">", ">=": "<", "<": ">=", ">": "<="}
_MOVED = {"<=": "<", ">=": ">", "<": "<=", ">": ">="}
_QUESTION = re.compile(r"\b(?:if|elseif|while) (.+?) (?:then|do)\b")
_COMPARISON = re.compile(r"==|~=|<=|>=|<|>")
_GUARD = re.compile(r"^[ ]*(if .+ then .+ end)$", re.MULTILINE)
_CALL = re.compile(r"^([ ]*)(?!local|return|function)[\w.]+\(", re.MULTILINE)
_NUMBER = re.compile(r"(?<![\w.\[])\d+(?![\w.\]])")
_OPTION = re.compile(r"'(?:NX|XX|GT|LT)', ")
_SIGN = re.compile(r"(?<= )[+-](?= )")


def cuts(file: str, text: str) -> list[Cut]:
    """Every change of this script."""
    code = masked.blanked(text, masked.LUA)
    found: list[Cut] = []
    for made in (_conditions, _bounds, _guards, _steps, _constants):
        found += [Cut(file, *it) for it in made(text, code)]
    return list(dict.fromkeys(found))


Found = Iterator[tuple[int, int, str, str]]


def _conditions(text: str, code: str) -> Found:
    for question in _QUESTION.finditer(code):
        start, end = question.span(1)
        told = text[start:end]
        if told.startswith("not "):
            yield start, end, told[4:], "condition"
        elif not _COMPARISON.search(code, start, end):
            yield start, end, f"not ({told})", "condition"
    for found in _COMPARISON.finditer(code):
        yield *found.span(), _TURNED[found[0]], "condition"


def _bounds(text: str, code: str) -> Found:
    for found in _COMPARISON.finditer(code):
        if found[0] in _MOVED:
            yield *found.span(), _MOVED[found[0]], "bound"
    for found in re.finditer(r"'\(' \.\. ", text):
        yield *found.span(), "", "bound"
    for found in re.finditer(r"math\.(max|min)", code):
        yield *found.span(1), "max" if found[1] == "min" else "min", "bound"


def _guards(text: str, code: str) -> Found:
    for found in _GUARD.finditer(code):
        yield *found.span(1), "", "guard"
    for question in _QUESTION.finditer(code):
        start, end = question.span(1)
        joints = list(masked.words_at_top(code, "and|or", start, end))
        ends = [*(it.start() for it in joints[1:]), end]
        for joint, joint_end in zip(joints, ends, strict=False):
            yield joint.start(), joint_end, "", "guard"
        if joints:
            yield start, joints[0].end() + 1, "", "guard"


def _steps(text: str, code: str) -> Found:
    calls = [(found.start(0) + len(found[1]), _call_end(code, found.end())) for found in _CALL.finditer(code)]
    for start, end in calls:
        yield start, end, "", "step"
    for (start, end), (next_start, next_end) in pairwise(calls):
        if re.fullmatch(r"\n[ ]*", text[end:next_start]) and _column(text, start) == _column(text, next_start):
            both = text[next_start:next_end] + text[end:next_start] + text[start:end]
            yield start, next_end, both, "step"


def _column(text: str, place: int) -> int:
    return place - text.rfind("\n", 0, place)


def _call_end(code: str, place: int) -> int:
    depth = 1
    while depth:
        depth += {"(": 1, ")": -1}.get(code[place], 0)
        place += 1
    return place


def _constants(text: str, code: str) -> Found:
    for found in _NUMBER.finditer(code):
        yield *found.span(), other_number(found[0]), "constant"
    for found in _OPTION.finditer(text):
        yield *found.span(), "", "constant"
    for found in _SIGN.finditer(code):
        yield *found.span(), "-" if found[0] == "+" else "+", "constant"
