"""Changes of SQL: in migrations, where the rules of rows stand, and in the statements of the store."""

import ast
import re
from collections.abc import Iterator

from tests.mutation import masked
from tests.mutation.cut import Cut, other_number
from tests.mutation.in_python import Source, living_nodes

_STOPS = re.compile(
    r";|\b(?:and|or|then|order by|group by|limit|returning|for update|on conflict|loop|from|union|when|else|execute)\b"
)
_TURNED = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_MOVED = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_COMPARISON = re.compile(r"(?<![<>=!:|-])(?:<=|>=|<>|<|>|=)(?![=>|])")
_OPENER = re.compile(r"\b(where|and|or|when|if|elsif|on|check|not|set|select|values|default)\b|[,;]")
_ASKS = {"where", "and", "or", "when", "if", "elsif", "on", "check", "not"}
_OTHER_WAY = (
    (re.compile(r"\bnot exists\b"), "exists"),
    (re.compile(r"(?<!not )\bexists\b"), "not exists"),
    (re.compile(r"\bis not null\b"), "is null"),
    (re.compile(r"\bis null\b"), "is not null"),
    (re.compile(r"\bis distinct from\b"), "is not distinct from"),
    (re.compile(r"\bis not distinct from\b"), "is distinct from"),
    (re.compile(r"(?<=\bif )not (?=found\b)"), ""),
    (re.compile(r"(?<=\bif )(?=found\b)"), "not "),
    (re.compile(r"(?<=\band )not (?!exists)"), ""),
)
_LOCKS = (
    (re.compile(r" skip locked\b"), ""),
    (re.compile(r"\s+for update(?: of [\w, ]+)?(?: skip locked)?\b(?! \w+ on)"), ""),
    (re.compile(r"pg_advisory_xact_lock(?=\()"), "pg_advisory_xact_lock_shared"),
)
_RULES = (
    (re.compile(r"^create (?:constraint )?trigger [^;]*;", re.MULTILINE), ""),
    (re.compile(r"^create unique index [^;]*;", re.MULTILINE), ""),
    (re.compile(r"(?<=[a-z]) unique\b(?! (?:index|\())"), ""),
)
_IN_BODY = re.compile(r"(?<=[;\n])[ ]*((?:raise|perform|update|insert|delete) [^;]*;|\w+ := [^;]*;|return;)")
_WHOLE_IF = re.compile(r"\bif (?:(?!\bif\b)[^;])*? then(?:(?!\bif\b)[\s\S])*?\bend if;")
_OTHER_CONSTANT = {"true": "false", "false": "true", "greatest": "least", "least": "greatest"}
_MADE = re.compile(
    r"^create (?:or replace )?(?P<what>function|view|constraint trigger|trigger) (?P<name>\w+)", re.MULTILINE
)
_BODY_END = re.compile(r"^(?:end )?\$\$;", re.MULTILINE)
_PLAIN_END = re.compile(r";$", re.MULTILINE)
Found = Iterator[tuple[int, int, str, str]]


def cuts(file: str, text: str, later: str = "") -> list[Cut]:
    """Every change of a migration, but not of what a later one defines again."""
    found = [Cut(file, *it) for it in _statements(text, is_whole_file=True)]
    gone = list(_replaced(text, later))
    return [it for it in dict.fromkeys(found) if not any(start <= it.start < end for start, end in gone)]


def cuts_in_python(file: str, text: str) -> list[Cut]:
    """Every change of the SQL literals of a module."""
    source, found = Source(file, text), []
    for node in living_nodes(ast.parse(text)):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_sql(node.value)):
            continue
        start, end = source.span(node)
        quotes = 3 if text.startswith('"""', start) else 1
        inner = text[start + quotes : end - quotes]
        if '"' not in inner:
            at = start + quotes
            found += [Cut(file, at + s, at + e, new, kind) for s, e, new, kind in _statements(inner)]
    return list(dict.fromkeys(found))


def _is_sql(text: str) -> bool:
    return re.match(r"\s*(?:select|insert into|update|delete from|with|and) \S", text) is not None


def _replaced(text: str, later: str) -> Iterator[tuple[int, int]]:
    for found in _MADE.finditer(text):
        if re.search(rf"^(?:create or replace|drop) .*\b{found['name']}\b", later, re.MULTILINE):
            ended = (_BODY_END if found["what"] == "function" else _PLAIN_END).search(text, found.end())
            yield found.start(), len(text) if ended is None else ended.end()


def _statements(text: str, *, is_whole_file: bool = False) -> Found:
    code = masked.blanked(text, masked.SQL)
    yield from _conditions(code)
    yield from _conjuncts(code)
    yield from _set_items(code)
    yield from _constants(code)
    if is_whole_file:
        yield from _rules(code)
        yield from _bodies(code)


def _conditions(code: str) -> Found:
    for found in _COMPARISON.finditer(code):
        if found[0] != "=" or _is_asked(code, found.start()):
            yield *found.span(), _TURNED[found[0]], "condition"
        if found[0] in _MOVED:
            yield *found.span(), _MOVED[found[0]], "bound"
    for pattern, new in _OTHER_WAY:
        for found in pattern.finditer(code):
            yield *found.span(), new, "condition"
    for pattern, new in _LOCKS:
        for found in pattern.finditer(code):
            yield *found.span(), new, "step"


def _is_asked(code: str, place: int) -> bool:
    openers = list(_OPENER.finditer(code, max(0, place - 200), place))
    return bool(openers) and openers[-1][0] in _ASKS


def _conjuncts(code: str) -> Found:
    for found in re.finditer(r"\b(?:and|or)\b", code):
        if not re.search(r"\bbetween\s+\S+\s+$", code[: found.start()]):
            yield found.start(), clause_end(code, found.end()), "", "guard"
    for found in re.finditer(r"\b(where|when|if)\b ", code):
        end = clause_end(code, found.end())
        joint = re.compile(r"and\b ?").match(code, end)
        if joint is not None:
            yield found.end(), joint.end(), "", "guard"
        elif found[1] == "where" and not code.startswith("or", end):
            yield found.end(), end, "true ", "guard"


def clause_end(code: str, start: int) -> int:
    end = masked.clause_end(code, start, _STOPS)
    while re.search(r"\b(?:is (?:not )?distinct|between\s+\S+)\s+$", code[start:end]):
        skipped = re.compile(r"from|and").match(code, end)
        end = masked.clause_end(code, end if skipped is None else skipped.end(), _STOPS)
    return end


def _set_items(code: str) -> Found:
    """One assignment of several left out."""
    for found in re.finditer(r"\bset\s+(?=\w+ = )", code):
        end = masked.clause_end(code, found.end(), re.compile(r";|\b(?:where|from|returning)\b"))
        edges = [found.end()]
        edges += [it.end() for it in _commas(code, found.end(), end)]
        for left, right in zip(edges, [*edges[1:], None], strict=True):
            if right is not None:
                yield left, right, "", "step"
            elif len(edges) > 1:
                yield code.rindex(",", 0, left), end, " ", "step"


def _commas(code: str, start: int, end: int) -> Iterator[re.Match[str]]:
    depth = 0
    for found in re.compile(r"[(),]\s*").finditer(code, start, end):
        mark = found[0][0]
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if mark == "," and depth == 0:
            yield found


def _constants(code: str) -> Found:
    for found in re.finditer(r"(?<![\w.%$])\d+(?:\.\d+)?(?![\w.])", code):
        yield *found.span(), other_number(found[0]), "constant"
    for found in re.finditer(r"\b(?:true|false|greatest|least)\b", code):
        kind = "bound" if found[0] in ("greatest", "least") else "constant"
        yield *found.span(), _OTHER_CONSTANT[found[0]], kind
    for found in re.finditer(r"(?<= )[+-](?= )", code):
        yield *found.span(), "-" if found[0] == "+" else "+", "constant"


def _rules(code: str) -> Found:
    for pattern, new in _RULES:
        for found in pattern.finditer(code):
            yield *found.span(), new, "guard"
    for found in re.finditer(r"\bcheck \(", code):
        yield found.end(), masked.clause_end(code, found.end(), re.compile(r";")), "true", "guard"


def _bodies(code: str) -> Found:
    for body in re.finditer(r"\$\$([\s\S]*?)\$\$", code):
        for found in _IN_BODY.finditer(code, *body.span(1)):
            kind = "guard" if found[1].startswith(("raise", "return")) else "step"
            yield *found.span(1), "null;", kind
        for found in _WHOLE_IF.finditer(code, *body.span(1)):
            yield *found.span(), "null;", "guard"
