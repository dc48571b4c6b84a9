"""Changes of Python: conditions, bounds, guards, steps and constants, found in the syntax tree."""

import ast
from collections.abc import Iterator, Sequence
from itertools import pairwise

from tests.mutation.cut import Cut, other_number

_TURNED: dict[type[ast.AST], str] = {
    ast.Eq: "!=",
    ast.NotEq: "==",
    ast.Is: "is not",
    ast.IsNot: "is",
    ast.In: "not in",
    ast.NotIn: "in",
    ast.Lt: ">=",
    ast.LtE: ">",
    ast.Gt: "<=",
    ast.GtE: "<",
}
_MOVED: dict[type[ast.AST], str] = {ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">"}
_SIGN: dict[type[ast.AST], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_OTHER_WAY = {"+": "-", "-": "+", "*": "/", "/": "*"}
_TOLD_ONLY = {"event", "trouble"}
_LEAVES = (ast.Return, ast.Continue, ast.Break, ast.Raise)


def cuts(file: str, text: str) -> list[Cut]:
    """Every change of this file; a few may not compile."""
    source = Source(file, text)
    return list(dict.fromkeys(cut for node in living_nodes(ast.parse(text)) for cut in source.of(node)))


def compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def living_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """All but what only types, documents or is logged: no test could see a change of it."""
    if _is_idle(node):
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from living_nodes(child)


def _is_idle(node: ast.AST) -> bool:
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    return isinstance(node, ast.JoinedStr) or _is_telling(node)


def _is_telling(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else node
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in _TOLD_ONLY


class Source:
    """A file with its places in characters; the syntax tree counts bytes of a line."""

    def __init__(self, file: str, text: str) -> None:
        self.file, self.text = file, text
        self._lines = [0]
        for line in text.splitlines(keepends=True):
            self._lines.append(self._lines[-1] + len(line))

    def place(self, line: int, column: int) -> int:
        start = self._lines[line - 1]
        return start + len(self.text[start : self._lines[line]].encode()[:column].decode())

    def span(self, node: ast.AST) -> tuple[int, int]:
        assert isinstance(node, ast.expr | ast.stmt)
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self.place(node.lineno, node.col_offset), self.place(node.end_lineno, node.end_col_offset)

    def code(self, node: ast.AST) -> str:
        start, end = self.span(node)
        return self.text[start:end]

    def instead(self, node: ast.AST, new: str, kind: str) -> Cut:
        return Cut(self.file, *self.span(node), new, kind)

    def of(self, node: ast.AST) -> Iterator[Cut]:
        """Every change at this node itself."""
        match node:
            case ast.If() | ast.While() | ast.IfExp():
                yield from self._of_question(node)
            case ast.Compare(ops=[op]):
                yield from self._of_comparison(node, op)
            case ast.BoolOp():
                yield from self._of_bool(node)
            case ast.Constant() | ast.BinOp() | ast.Call():
                yield from self._of_value(node)
            case _:
                pass
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list):
                yield from self._of_block(node, block)

    def _of_question(self, node: ast.If | ast.While | ast.IfExp) -> Iterator[Cut]:
        test = node.test
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            yield self.instead(test, f"({self.code(test.operand)})", "condition")
        elif not isinstance(test, ast.Constant | ast.Compare):
            yield self.instead(test, f"(not ({self.code(test)}))", "condition")
        if isinstance(node, ast.If) and not node.orelse and isinstance(node.body[-1], _LEAVES):
            yield self.instead(node, "pass", "guard")

    def _of_comparison(self, node: ast.Compare, op: ast.cmpop) -> Iterator[Cut]:
        start, end = self.span(node.left)[1], self.span(node.comparators[0])[0]
        closing = self.text[start:end].rfind(")") + 1
        opening = self.text.find("(", start + closing, end)
        end = end if opening < 0 else opening
        for table, kind in ((_TURNED, "condition"), (_MOVED, "bound")):
            if type(op) in table:
                yield Cut(self.file, start + closing, end, f" {table[type(op)]} ", kind)

    def _of_bool(self, node: ast.BoolOp) -> Iterator[Cut]:
        words = [f"({self.code(it)})" for it in node.values]
        word, other = (" and ", " or ") if isinstance(node.op, ast.And) else (" or ", " and ")
        yield self.instead(node, f"({other.join(words)})", "condition")
        for left_out in range(len(words)):
            rest = words[:left_out] + words[left_out + 1 :]
            yield self.instead(node, f"({word.join(rest)})", "guard")

    def _of_value(self, node: ast.Constant | ast.BinOp | ast.Call) -> Iterator[Cut]:
        match node:
            case ast.Constant(value=bool(value)):
                yield self.instead(node, str(not value), "constant")
            case ast.Constant(value=int() | float()):
                yield self.instead(node, other_number(self.code(node)), "constant")
            case ast.BinOp(op=op) if type(op) in _SIGN and not self._joins_texts(node):
                sign = _SIGN[type(op)]
                at = self.text.find(sign, self.span(node.left)[1], self.span(node.right)[0])
                yield Cut(self.file, at, at + 1, _OTHER_WAY[sign], "constant")
            case ast.Call(func=ast.Name(id="min" | "max" as name)):
                yield self.instead(node.func, "max" if name == "min" else "min", "bound")
            case _:
                pass

    def _joins_texts(self, node: ast.BinOp) -> bool:
        return any('"' in self.code(it) or "'" in self.code(it) for it in (node.left, node.right))

    def _of_block(self, owner: ast.AST, block: Sequence[ast.AST]) -> Iterator[Cut]:
        if isinstance(owner, ast.FunctionDef) and owner.name == "__init__":
            return
        for step in block:
            if _is_step(step):
                yield self.instead(step, "pass", "step")
        for one, two in pairwise(block):
            if _is_step(one) and _is_step(two):
                start, end = self.span(one)[0], self.span(two)[1]
                between = self.text[self.span(one)[1] : self.span(two)[0]]
                yield Cut(self.file, start, end, self.code(two) + between + self.code(one), "step")


def _is_step(node: ast.AST) -> bool:
    """A statement whose absence is no missing name: a call, or a change of what stood there before."""
    if _is_telling(node):
        return False
    if isinstance(node, ast.Assign):
        return all(isinstance(it, ast.Attribute | ast.Subscript) for it in node.targets)
    return isinstance(node, ast.AugAssign) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Call))
