"""SQL expressions to Python closures: ``compile`` for a value, ``condition`` for a three-valued truth.

A closure takes a :class:`Frame`: the current row of each source, the binds and the session. Name resolution goes
through scopes, so a correlated subquery reads the frame of its outer query.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeAlias

from sqlglot import exp

from oracle_standin.errors import OraError
from oracle_standin.plans.aggregate import Aggregate
from oracle_standin.sql import functions
from oracle_standin.sql.conversion import Value, compare, parse_zone, to_number, to_text
from oracle_standin.sql.datatype import (
    DOUBLE,
    LITERAL,
    LONG,
    NULL,
    NUMBER,
    NVARCHAR,
    TIMESTAMP_TZ,
    VARCHAR,
    Datatype,
    Raw,
    WireType,
    column_type,
)
from oracle_standin.sql.scope import Frame, Scope, SessionView, Source
from oracle_standin.sql.statement import name_of
from oracle_standin.store.table import Sequence as NumberSequence

_ONLY_BOUND = frozenset({WireType.NVARCHAR, WireType.NCHAR, WireType.LONG, WireType.BOOLEAN})

Function: TypeAlias = Callable[[Frame], Value]
Condition: TypeAlias = Callable[[Frame], bool | None]


class Subquery(Protocol):
    """A compiled nested query."""

    columns: list[tuple[str, Datatype, bool]]

    def values(self, outer: Frame) -> list[tuple[Value, ...]]: ...


class Catalog(Protocol):
    """What compiling needs from the database."""

    def subquery(self, node: exp.Expr, session: SessionView, types: list[Datatype], scope: Scope) -> Subquery: ...

    def sequence(self, schema: str | None, name: str, session: SessionView) -> NumberSequence: ...


class Compiler:
    """Compiles the expressions of one statement. ``types`` are the bind types, numbered as in the statement."""

    def __init__(self, catalog: Catalog, session: SessionView, types: list[Datatype], scope: Scope) -> None:
        self.catalog, self.session, self.types, self.scope = catalog, session, types, scope
        self.aggregates: list[Aggregate] | None = None  # None: aggregates are not allowed here

    def bind_number(self, node: exp.Placeholder) -> int:
        return int(node.name[1:])

    # ------------------------------------------------------------------ values

    def compile(self, node: exp.Expr) -> tuple[Function, Datatype]:
        """A closure and the type of its value. Raises OraError for what is not supported."""
        match node:
            case exp.Paren():
                return self.compile(node.this)
            case exp.Column():
                return self._column(node)
            case exp.Placeholder():
                number = self.bind_number(node)
                bound = self.types[number] if self.types else VARCHAR
                # types that exist only as binds are str or bool by now
                kind = bound if bound.kind not in _ONLY_BOUND else VARCHAR
                return (lambda frame: frame.binds[number]), kind
            case exp.National():
                text = node.name or None
                return (lambda frame: text), NVARCHAR
            case exp.Literal() | exp.RawString():
                return _literal(node)
            case exp.Null():
                return _nothing, NULL
            case exp.Count() | exp.Min() | exp.Max() | exp.Sum() | exp.Avg():
                return self._aggregate(node)
            case exp.Neg():
                operand, _ = self.compile(node.this)
                return (lambda frame: functions.negate(operand(frame))), NUMBER
            case exp.Add() | exp.Sub() | exp.Mul() | exp.Div() | exp.Mod():
                return self._arithmetic(node)
            case exp.DPipe():
                return self._concatenation(node)
            case exp.Case() | exp.Coalesce() | exp.DecodeCase():
                return self._choice(node)
            case exp.Cast():
                return self._cast(node)
            case exp.Subquery() | exp.Select():
                return self._scalar_subquery(node)
            case exp.AtTimeZone():
                operand, _ = self.compile(node.this)
                zone = parse_zone(node.args["zone"].name)
                return (lambda frame: functions.at_zone(operand(frame), zone, frame.session.settings)), TIMESTAMP_TZ
        return self._call(node)

    def _operand(self, node: exp.Expr) -> tuple[Function, Datatype]:
        """A value to work with. Raises ORA-00997 for a LONG, which can only be selected."""
        function, kind = self.compile(node)
        if kind is LONG:
            raise OraError(997, "illegal use of LONG datatype")
        return function, kind

    def _column(self, node: exp.Column) -> tuple[Function, Datatype]:
        if (hit := self.scope.find(node)) is not None:
            depth, i, j = hit
            scope = self.scope
            for _ in range(depth):
                assert scope.parent is not None
                scope = scope.parent
            source = scope.sources[i]
            return _reader(depth, i, j, source), source.columns[j][1]
        name = name_of(node)
        if name in ("NEXTVAL", "CURRVAL") and node.args.get("table") is not None:
            owner = node.args.get("db")
            schema = name_of(owner) if owner is not None else None
            sequence = self.catalog.sequence(schema, name_of(node.args["table"]), self.session)
            return (lambda frame: sequence.next() if name == "NEXTVAL" else sequence.value), NUMBER
        if node.args.get("table") is None:
            if name == "ROWNUM":
                return (lambda frame: frame.rownum), NUMBER
            if name in functions.PSEUDO_COLUMNS:
                pseudo = functions.PSEUDO_COLUMNS[name]
                return (lambda frame: pseudo(frame.session)), VARCHAR
        raise OraError(904, name=".".join(f'"{name_of(part)}"' for part in node.parts))

    def stored(self, node: exp.Expr) -> Function | None:
        """A closure for the stored bytes of a plain column of a table; None for anything else."""
        hit = self.scope.find(node) if isinstance(node, exp.Column) else None
        if hit is None or hit[0] != 0 or self.scope.sources[hit[1]].table is None:
            return None
        _, i, j = hit
        return lambda frame: frame.rows[i][j]

    def _aggregate(self, node: exp.Expr) -> tuple[Function, Datatype]:
        if self.aggregates is None:
            raise OraError(934, "group function is not allowed here")
        aggregates, self.aggregates = self.aggregates, None
        argument = node.this
        distinct = isinstance(argument, exp.Distinct)
        if distinct:
            argument = argument.expressions[0]
        operand, kind = (None, NUMBER) if isinstance(argument, exp.Star) else self.compile(argument)
        stored = self.stored(argument) if isinstance(node, exp.Min | exp.Max | exp.Count) else None
        self.aggregates = aggregates
        number = len(aggregates)
        aggregates.append(Aggregate(type(node), stored or operand, distinct, kind if stored is not None else None))
        same = isinstance(node, exp.Min | exp.Max) or (kind.kind is WireType.DOUBLE and not isinstance(node, exp.Count))
        return (lambda frame: frame.aggregates[number]), kind if same else NUMBER

    def _arithmetic(self, node: exp.Expr) -> tuple[Function, Datatype]:
        left, left_type = self.compile(node.this)
        right, right_type = self.compile(node.expression)
        operate = functions.ARITHMETIC[type(node)]
        dates = {WireType.DATE, WireType.TIMESTAMP, WireType.TIMESTAMP_TZ}
        if left_type.kind in dates:
            result = NUMBER if right_type.kind in dates else left_type
        else:
            result = DOUBLE if WireType.DOUBLE in (left_type.kind, right_type.kind) else NUMBER

        def calculate(frame: Frame) -> Value:
            a, b = left(frame), right(frame)
            return None if a is None or b is None else operate(a, b)

        return calculate, result

    def _concatenation(self, node: exp.Expr) -> tuple[Function, Datatype]:
        parts = [self._operand(part)[0] for part in (node.this, node.expression)]

        def concatenate(frame: Frame) -> Value:
            settings = frame.session.settings
            values = [part(frame) for part in parts]
            return "".join(to_text(v, settings) for v in values if v is not None) or None

        return concatenate, VARCHAR

    def _choice(self, node: exp.Expr) -> tuple[Function, Datatype]:
        """CASE, DECODE, and NVL or COALESCE."""
        if isinstance(node, exp.Coalesce):
            choices = [self.compile(part) for part in (node.this, *node.expressions)]
            functions_only = [c[0] for c in choices]

            def first(frame: Frame) -> Value:
                return next((v for f in functions_only if (v := f(frame)) is not None), None)

            return first, next((kind for _, kind in choices if kind is not NULL), NULL)
        if isinstance(node, exp.DecodeCase):
            subject, *rest = node.expressions
            pairs = zip(rest[::2], rest[1::2], strict=False)
            ifs = [exp.If(this=test.copy(), true=result.copy()) for test, result in pairs]
            return self._choice(exp.Case(this=subject, ifs=ifs, default=rest[-1].copy() if len(rest) % 2 else None))
        subject = node.args.get("this")
        tests: list[tuple[Condition, Function]] = []
        result = VARCHAR
        for branch in node.args["ifs"]:
            test = branch.this if subject is None else exp.EQ(this=subject.copy(), expression=branch.this.copy())
            then, result = self.compile(branch.args["true"])
            tests.append((self.condition(test), then))
        default = self.compile(node.args["default"])[0] if node.args.get("default") is not None else _nothing

        def choose(frame: Frame) -> Value:
            for condition, then in tests:
                if condition(frame):
                    return then(frame)
            return default(frame)

        return choose, result

    def _cast(self, node: exp.Expr) -> tuple[Function, Datatype]:
        operand, _ = self.compile(node.this)
        target = column_type(node.args["to"])

        def cast(frame: Frame) -> Value:
            return target.decode(target.encode(operand(frame), "", frame.session.settings))

        return cast, target

    def _scalar_subquery(self, node: exp.Expr) -> tuple[Function, Datatype]:
        query = self.catalog.subquery(_query(node), self.session, self.types, self.scope)

        def value(frame: Frame) -> Value:
            rows = query.values(frame)
            if len(rows) > 1:
                raise OraError(1427)
            return rows[0][0] if rows else None

        return value, query.columns[0][1]

    def _call(self, node: exp.Expr) -> tuple[Function, Datatype]:
        """A function of the list in :mod:`functions`."""
        found = functions.lookup(node)
        if found is None:
            raise OraError(904, name=f'"{node.sql("oracle").split("(")[0].upper()}"')
        call, result, arguments = found
        compiled = [self._operand(argument)[0] for argument in arguments]
        return (lambda frame: call(frame.session, *[f(frame) for f in compiled])), result

    # ------------------------------------------------------------------ conditions

    def condition(self, node: exp.Expr) -> Condition:
        """A closure that returns True, False or None (unknown)."""
        match node:
            case exp.Paren():
                return self.condition(node.this)
            case exp.And() | exp.Or():
                return _connect(self.condition(node.this), self.condition(node.expression), isinstance(node, exp.Or))
            case exp.Not():
                inner = self.condition(node.this)
                return lambda frame: None if (truth := inner(frame)) is None else not truth
            case exp.Is():
                operand, _ = self.compile(node.this)
                return lambda frame: operand(frame) is None
            case exp.Between():
                low = exp.GTE(this=node.this, expression=node.args["low"])
                high = exp.LTE(this=node.this, expression=node.args["high"])
                return _connect(self.condition(low), self.condition(high), False)
            case exp.In():
                return self._membership(node)
            case exp.Exists():
                query = self.catalog.subquery(_query(node.this), self.session, self.types, self.scope)
                return lambda frame: bool(query.values(frame))
            case exp.Like() | exp.Escape():
                return self._like(node)
        accept = functions.COMPARISONS.get(type(node))
        if accept is None:
            raise OraError(920, "invalid relational operator")
        return self._comparison(node.this, node.expression, accept)

    def _comparison(self, left: exp.Expr, right: exp.Expr, accept: Callable[[int], bool]) -> Condition:
        a, a_type = self._operand(left)
        b, b_type = self._operand(right)
        padded = {a_type.kind, b_type.kind} <= {WireType.CHAR, WireType.NCHAR}

        def test(frame: Frame) -> bool | None:
            x, y = a(frame), b(frame)
            if x is None or y is None:
                return None
            if padded and isinstance(x, str) and isinstance(y, str):
                x, y = x.rstrip(" "), y.rstrip(" ")
            return accept(compare(x, y, frame.session.settings))

        return test

    def _membership(self, node: exp.Expr) -> Condition:
        """IN with a list or a subquery; the left side may be a row of values."""
        left = [self.compile(part)[0] for part in row_parts(node.this)]
        nested = node.args.get("query")
        if nested is not None:
            query = self.catalog.subquery(_query(nested), self.session, self.types, self.scope)
            candidates: Callable[[Frame], Sequence[Sequence[Value]]] = query.values
        else:
            compiled = [[self.compile(part)[0] for part in row_parts(item)] for item in node.expressions]
            if any(len(item) != len(left) for item in compiled):
                raise OraError(913 if any(len(item) > len(left) for item in compiled) else 947)

            def candidates(frame: Frame) -> Sequence[Sequence[Value]]:
                return [tuple([f(frame) for f in item]) for item in compiled]

        constant = nested is None and not any(item.find(exp.Column, exp.Query) for item in node.expressions)
        last: tuple[Sequence[Value], Sequence[Sequence[Value]], set[Sequence[Value]]] = ((), (), set())

        def member(frame: Frame) -> bool | None:
            nonlocal last
            settings = frame.session.settings
            row = tuple([f(frame) for f in left])
            unknown = None in row
            if constant:  # evaluated once for each execution: a look-up of 500 keys tests 500 rows
                if last[0] is not frame.binds or not last[1]:
                    listed = candidates(frame)
                    last = (frame.binds, listed, set(listed))
                if not unknown and row in last[2]:
                    return True
            for candidate in last[1] if constant else candidates(frame):
                if None in candidate:
                    unknown = True
                elif None not in row and all(compare(x, y, settings) == 0 for x, y in zip(row, candidate, strict=True)):
                    return True
            return None if unknown else False

        return member

    def _like(self, node: exp.Expr) -> Condition:
        escape = node.expression.name if isinstance(node, exp.Escape) else ""
        like = node.this if isinstance(node, exp.Escape) else node
        subject, _ = self._operand(like.this)
        pattern, _ = self.compile(like.expression)

        def test(frame: Frame) -> bool | None:
            text, model = subject(frame), pattern(frame)
            if text is None or model is None:
                return None
            settings = frame.session.settings
            return functions.like(to_text(text, settings), to_text(model, settings), escape)

        return test


def row_parts(node: exp.Expr) -> list[exp.Expr]:
    """``(a, b)`` or ``a`` as a list."""
    if isinstance(node, exp.Tuple):
        return list(node.expressions)
    return row_parts(node.this) if isinstance(node, exp.Paren) else [node]


def conjuncts(node: exp.Expr | None) -> list[exp.Expr]:
    """The conditions that must all hold."""
    if node is None:
        return []
    if isinstance(node, exp.Paren):
        return conjuncts(node.this)
    return conjuncts(node.this) + conjuncts(node.expression) if isinstance(node, exp.And) else [node]


def _query(node: exp.Expr) -> exp.Expr:
    return node.unnest() if isinstance(node, exp.Subquery | exp.Paren) else node


def _nothing(frame: Frame) -> Value:
    return None


def _literal(node: exp.Expr) -> tuple[Function, Datatype]:
    if isinstance(node, exp.RawString) or node.args.get("is_string"):
        text = node.name or None
        return (lambda frame: text), LITERAL
    number = to_number(node.name)
    return (lambda frame: number), NUMBER


def _reader(depth: int, i: int, j: int, source: Source) -> Function:
    """A closure that reads column ``j`` of source ``i``, ``depth`` queries out."""
    if source.table is None:
        decode: Callable[[Raw], Value] = lambda raw: raw  # noqa: E731
    else:
        decode = source.columns[j][1].decode
    if depth == 0:
        return lambda frame: decode(frame.rows[i][j])  # type: ignore[arg-type]  # a table's rows are bytes

    def outer(frame: Frame) -> Value:
        for _ in range(depth):
            assert frame.parent is not None
            frame = frame.parent
        return decode(frame.rows[i][j])  # type: ignore[arg-type]

    return outer


def _connect(left: Condition, right: Condition, is_or: bool) -> Condition:
    def test(frame: Frame) -> bool | None:
        first = left(frame)
        if first is is_or:
            return is_or
        second = right(frame)
        return second if first is not None or second is is_or else None

    return test
