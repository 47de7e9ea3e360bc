"""Mutants: the small changes to a source file that some test should notice.

Left out is what no test need hold: log calls, docstrings, annotations, imports, asserts, decorators, texts of three
words and more, those of errors, and what stands in an f-string.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, TypeAlias

_SWAPPED: Final = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="), ast.NotEq: ("!=", "=="), ast.Is: ("is", "is not"), ast.IsNot: (r"is\s+not", "is"),
    ast.In: ("in", "not in"), ast.NotIn: (r"not\s+in", "in"), ast.And: ("and", "or"), ast.Or: ("or", "and"),
    ast.Add: (r"\+", "-"), ast.Sub: ("-", "+"), ast.Mult: (r"\*", "/"), ast.Div: ("/", "*"), ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"), ast.Pow: (r"\*\*", "*"), ast.LShift: ("<<", ">>"), ast.RShift: (">>", "<<"),
    ast.BitOr: (r"\|", "&"), ast.BitAnd: ("&", "|"),
}  # fmt: skip
_OPPOSITE: Final = {"min": "max", "max": "min", "any": "all", "all": "any"}
_LOGS: Final = {"log", "_log", "logger", "_logger"}
_LEVELS: Final = {"debug", "info", "warning", "error", "exception", "critical"}
_WORDS_AT_MOST: Final = 2
_ERROR: Final = re.compile(r"(Error|Exception|Failed|Refused|Invalid|Unfit)\w*$")

Place: TypeAlias = ast.expr | ast.stmt
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Mutant:
    """``text[start:end]`` of the file (from the repository's root) becomes ``new``; ``lines`` of the file see it.

    ``outermost``: qualified name and line of the code object to exchange in a module that is loaded; None if the
    place runs while the module is imported. ``statement``: the lines around, if no test runs ``lines`` themselves.
    """

    file: str
    function: str
    lines: range
    statement: range
    start: int
    end: int
    new: str
    before: str
    after: str
    outermost: tuple[str, int] | None

    @property
    def key(self) -> str:
        """How the judged survivors name it: whatever moves in the file, it stays."""
        return f"{self.function}: {self.before} ==> {self.after}"

    def source(self, text: str) -> str:
        return text[: self.start] + self.new + text[self.end :]


def mutants_of(file: str, text: str) -> list[Mutant]:
    """Of one file, in the order of the text."""
    finder = _Finder(file, text)
    finder.visit(ast.parse(text))
    return sorted(finder.found, key=lambda mutant: (mutant.start, mutant.end, mutant.new))


class _Finder(ast.NodeVisitor):
    def __init__(self, file: str, text: str) -> None:
        self.found: list[Mutant] = []
        self._file = file
        self._text = text
        self._line_starts = [0]
        for line in text.splitlines(keepends=True):
            self._line_starts.append(self._line_starts[-1] + len(line))
        self._names: list[str] = []
        self._outermost: tuple[str, int] | None = None
        self._statement = range(0)
        self._in_error = False

    # --- where

    def _offset(self, line: int, column: int) -> int:
        start = self._line_starts[line - 1]
        text = self._text[start : self._line_starts[line]]
        return start + (column if text.isascii() else len(text.encode()[:column].decode()))

    def _span(self, node: Place) -> tuple[int, int]:
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        return self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset)

    def _replace(self, node: Place, new: str, span: tuple[int, int] | None = None) -> None:
        start, end = span or self._span(node)
        assert node.end_lineno is not None
        first, last = self._text.rfind("\n", 0, start) + 1, self._text.find("\n", end)
        before, after = self._text[first:last], self._text[first:start] + new + self._text[end:last]
        mutant = Mutant(
            self._file, ".".join(self._names) or "module", range(node.lineno, node.end_lineno + 1), self._statement,
            start, end, new, _one_line(before), _one_line(after), self._outermost,
        )  # fmt: skip
        self.found.append(mutant)

    def _swap(self, operator: ast.AST, left: ast.expr, right: ast.expr) -> None:
        """The operator stands in the text between its operands, perhaps with parentheses and line ends."""
        before, after = _SWAPPED.get(type(operator), ("", ""))
        start, end = self._span(left)[1], self._span(right)[0]
        gap = self._text[start:end]
        if before and "#" not in gap:
            self._replace(left, re.sub(before, after, gap, count=1), (start, end))

    def _body(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    # --- what is left out

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Assert | ast.Import | ast.ImportFrom | ast.JoinedStr):
            return
        if isinstance(node, ast.stmt):
            body = getattr(node, "body", None)
            last = body[0].lineno if body else (node.end_lineno or node.lineno) + 1
            self._statement = range(node.lineno, max(last, node.lineno + 1))
        super().visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self._delete(node, node.target)
        if "TypeAlias" not in ast.unparse(node.annotation):
            self._body([node.value])

    def visit_Expr(self, node: ast.Expr) -> None:
        if isinstance(node.value, ast.Constant) or _is_log(node.value):
            return
        if isinstance(node.value, ast.Call):
            self._replace(node, "pass")
        self.generic_visit(node)

    # --- scopes

    def visit_FunctionDef(self, node: _Function) -> None:
        self._body([*node.args.defaults, *node.args.kw_defaults])
        outermost = self._outermost
        self._names.append(node.name)
        if outermost is None:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            self._outermost = ".".join(self._names), first
        self._body(node.body)
        self._names.pop()
        self._outermost = outermost

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> None:
        self.visit_FunctionDef(node)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._names.append(node.name)
        self._body(node.body)
        self._names.pop()

    # --- statements

    def _delete(self, node: ast.stmt, target: ast.expr) -> None:
        if isinstance(target, ast.Attribute | ast.Subscript) and getattr(node, "value", None) is not None:
            self._replace(node, "pass")

    def visit_Assign(self, node: ast.Assign) -> None:
        self._delete(node, node.targets[0])
        named_types = not self._names and isinstance(node.value, ast.BinOp | ast.Subscript)
        if not (named_types or "__slots__" in ast.unparse(node.targets[0])):
            self.generic_visit(node)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._replace(node, "pass")
        self._swap(node.op, node.target, node.value)
        self.generic_visit(node)

    def visit_Delete(self, node: ast.Delete) -> None:
        self._replace(node, "pass")
        self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> None:
        self._replace(node, "pass")
        self._inside_error(node)

    def visit_Return(self, node: ast.Return) -> None:
        if node.value is not None and not isinstance(node.value, ast.Constant):
            self._replace(node, "return None")
        self.generic_visit(node)

    def visit_Continue(self, node: ast.Continue) -> None:
        self._replace(node, "break")

    def visit_Break(self, node: ast.Break) -> None:
        self._replace(node, "continue")

    def visit_If(self, node: ast.If) -> None:
        if "TYPE_CHECKING" not in ast.unparse(node.test):
            self._negate(node.test)
            self.generic_visit(node)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if not isinstance(node.body[0], ast.Raise):
            start, end = self._span(node.body[0])[0], self._span(node.body[-1])[1]
            self._replace(node.body[0], "raise", (start, end))
        self._body(node.body)

    # --- expressions

    def _negate(self, test: ast.expr) -> None:
        start, end = self._span(test)
        self._replace(test, f"not ({self._text[start:end]})")

    def _inside_error(self, node: ast.AST) -> None:
        before, self._in_error = self._in_error, True
        self.generic_visit(node)
        self._in_error = before

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self._negate(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self._negate(test)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self._swap(node.op, node.values[0], node.values[1])
        for value in node.values:
            if not (isinstance(value, ast.Constant) and not value.value):  # ``or 0``: False is the same
                self._replace(value, str(isinstance(node.op, ast.And)))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        for operator, left, right in zip(node.ops, [node.left, *node.comparators], node.comparators, strict=False):
            self._swap(operator, left, right)
        self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        self._swap(node.op, node.left, node.right)
        self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        if isinstance(node.op, ast.Not):
            start, end = self._span(node)
            self._replace(node, self._text[start + len("not") : end].strip())
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func)
        if _is_log(node) or name.endswith(("get_logger", "getLogger")):
            return
        if name in _OPPOSITE:
            self._replace(node.func, _OPPOSITE[name])
        if name == "cast":
            self._body(node.args[1:])
        elif _ERROR.search(name):
            self._inside_error(node)
        else:
            self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        new = _other(node.value)
        if new is not None and not (self._in_error and isinstance(node.value, str)):
            self._replace(node, new)


def _one_line(text: str) -> str:
    return " ".join(re.sub(r"  # .*", "", text).split())


def _other(value: object) -> str | None:
    if isinstance(value, bool):
        return str(not value)
    if isinstance(value, int):
        return str(value + 1)
    if isinstance(value, float):
        return str(2 * value + 1)
    if isinstance(value, str | bytes) and len(value.split()) <= _WORDS_AT_MOST:
        return repr("XX" + value if isinstance(value, str) else b"XX" + value)
    return None


def _is_log(node: ast.AST) -> bool:
    if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _LEVELS):
        return False
    return ast.unparse(node.func.value).rpartition(".")[2] in _LOGS
