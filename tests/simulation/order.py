"""Order: where code takes the order of things from a set, whose order is another in each process."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache

SETS = ("set", "frozenset", "Set", "AbstractSet", "MutableSet")
OF_SETS = ("difference", "intersection", "symmetric_difference", "union")
ORDER_IS_LOST = ("all", "any", "frozenset", "len", "max", "min", "set", "sorted", "sum", "update", "Counter")
"""What takes things in any order, and gives the same."""
ORDER_IS_KEPT = ("dict", "enumerate", "extend", "fromkeys", "iter", "join", "list", "map", "pop", "tuple", "zip")
OPERATORS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)


@cache
def nodes(tree: ast.Module) -> tuple[ast.AST, ...]:
    """All of them; walking is what costs."""
    return tuple(ast.walk(tree))


def taken_from_sets(tree: ast.Module) -> list[int]:
    """The lines of loops, comprehensions and calls that go through a set, and in which its order may be seen.

    A set is what is written as one, or a name or an attribute that is annotated or assigned as one in this module.
    """
    names = set(_names_of_sets(tree))
    free = {
        id(argument)
        for node in nodes(tree)
        if isinstance(node, ast.Call) and _called(node) in ORDER_IS_LOST
        for argument in node.args
    }
    found = []
    for node in nodes(tree):
        through: list[ast.expr]
        if isinstance(node, ast.For):
            through = [node.iter]
        elif isinstance(node, (ast.ListComp, ast.GeneratorExp, ast.DictComp)) and id(node) not in free:
            through = [generator.iter for generator in node.generators]
        elif isinstance(node, ast.Call) and _called(node) in ORDER_IS_KEPT:
            through = [*node.args, *_popped(node)]
        elif isinstance(node, ast.Starred) and isinstance(node.ctx, ast.Load):
            through = [node.value]
        else:
            continue
        found += [node.lineno for taken in through if _is_set(taken, names)]
    return sorted(found)


def _names_of_sets(tree: ast.Module) -> Iterator[str]:
    for node in nodes(tree):
        if isinstance(node, (ast.AnnAssign, ast.arg)):
            target = node.target if isinstance(node, ast.AnnAssign) else node
            if node.annotation is not None and _annotates(node.annotation):
                yield _name(target)
        elif isinstance(node, ast.Assign) and _is_set(node.value, set()):
            yield from map(_name, node.targets)
        elif isinstance(node, ast.FunctionDef) and node.returns is not None and _annotates(node.returns):
            yield f"{node.name}()"


def _annotates(annotation: ast.expr) -> bool:
    kind = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    return _name(kind) in SETS


def _name(node: ast.AST) -> str:
    """``x`` of ``x`` and ``self.x`` alike."""
    return str(getattr(node, "id", getattr(node, "attr", getattr(node, "arg", ""))))


def _called(call: ast.Call) -> str:
    return _name(call.func)


def _popped(call: ast.Call) -> Iterator[ast.expr]:
    """What ``pop()`` takes any one from."""
    if isinstance(call.func, ast.Attribute) and call.func.attr == "pop" and not call.args:
        yield call.func.value


def _is_set(node: ast.expr, names: set[str]) -> bool:
    match node:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call():
            return _called(node) in (*SETS, *OF_SETS) or f"{_called(node)}()" in names
        case ast.BinOp(left=left, op=op, right=right):
            return isinstance(op, OPERATORS) and (_is_set(left, names) or _is_set(right, names))
        case ast.IfExp(body=body, orelse=orelse):
            return _is_set(body, names) or _is_set(orelse, names)
        case ast.Name() | ast.Attribute():
            return _name(node) in names
    return False
