"""SELECT: sources with index probes, joins, grouping, ordering, and UNION ALL."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp

from .conversion import Settings, Value, compare, to_number
from .datatype import TEXT, Datatype, Kind, Raw
from .errors import OraError
from .expression import Aggregate, Compiler, Frame, Function, Scope, SessionView, Source, conjuncts, row_parts
from .statement import name_of
from .table import Key, Table, Unique

if TYPE_CHECKING:
    from .database import Database

Output = tuple[Value, ...]
Rows = Callable[[Frame], Iterable[Sequence[Value]]]


class Probe:
    """Rows of a table by unique key, when a condition fixes all columns of one: ``=``, ``IN``, or ORs of those."""

    def __init__(self, unique: Unique, keys: list[list[tuple[Function, Datatype]]]) -> None:
        self._unique = unique
        self._keys = keys  # one list of column values for each key to look up

    def rids(self, frame: Frame) -> list[int]:
        """Row numbers that may match; the whole condition must still be tested."""
        found: dict[int, None] = {}
        for parts in self._keys:
            values: list[Raw] = []
            for function, kind in parts:
                try:
                    values.append(kind.encode(function(frame), "", frame.session.settings))
                except OraError:  # a value the column cannot hold matches nothing
                    values.append(None)
            if None not in values:
                key: Key = values[0] if len(values) == 1 else tuple(values)
                if (rid := self._unique.rids.get(key)) is not None:
                    found[rid] = None
        return list(found)


def find_probe(compiler: Compiler, conditions: Sequence[exp.Expr], source: int) -> Probe | None:
    """A probe for a source, from conditions on its columns and on sources before it. None: scan."""
    table = compiler.scope.sources[source].table
    if table is None:
        return None
    for unique in table.uniques:
        keys = _keys(compiler, conditions, source, table, unique)
        if keys is not None:
            return Probe(unique, keys)
    return None


def _keys(
    compiler: Compiler, conditions: Sequence[exp.Expr], source: int, table: Table, unique: Unique
) -> list[list[tuple[Function, Datatype]]] | None:
    fixed: dict[int, tuple[Function, Datatype]] = {}
    for condition in conditions:
        node = condition.unnest() if isinstance(condition, exp.Paren) else condition
        if isinstance(node, exp.Or):
            branches = [_keys(compiler, conjuncts(b), source, table, unique) for b in (node.this, node.expression)]
            if branches[0] is not None and branches[1] is not None:
                return branches[0] + branches[1]
        elif isinstance(node, exp.In) and node.expressions:
            left = [_own_column(compiler, part, source) for part in row_parts(node.this)]
            if None not in left and set(left) == set(unique.columns):
                keys = []
                for item in node.expressions:
                    values = [_fixed(compiler, v, source, table, c) for v, c in zip(row_parts(item), left, strict=True)]
                    by_column = dict(zip(left, values, strict=True))
                    parts = [p for c in unique.columns if (p := by_column[c]) is not None]
                    if len(parts) != len(unique.columns):
                        return None
                    keys.append(parts)
                return keys
        elif isinstance(node, exp.EQ):
            for one, other in ((node.this, node.expression), (node.expression, node.this)):
                column = _own_column(compiler, one, source)
                if column is not None and (value := _fixed(compiler, other, source, table, column)) is not None:
                    fixed.setdefault(column, value)
    if all(c in fixed for c in unique.columns):
        return [[fixed[c] for c in unique.columns]]
    return None


def _own_column(compiler: Compiler, node: exp.Expr, source: int) -> int | None:
    hit = compiler.scope.find(node) if isinstance(node, exp.Column) else None
    return hit[2] if hit is not None and hit[:2] == (0, source) else None


def _fixed(
    compiler: Compiler, node: exp.Expr, source: int, table: Table, column: int | None
) -> tuple[Function, Datatype] | None:
    """The value, when it needs no later source and its conversion loses nothing, and the type to encode it with."""
    assert column is not None
    for inner in node.find_all(exp.Column):
        hit = compiler.scope.find(inner)
        if hit is None or (hit[0] == 0 and hit[1] >= source):
            return None
    if node.find(exp.Query) is not None:
        return None
    function, kind = compiler.compile(node)
    target = table.columns[column].type
    dates = {Kind.DATE, Kind.TIMESTAMP}
    same = (
        (kind.kind in TEXT and target.kind is Kind.VARCHAR)
        or kind.kind is target.kind is Kind.NUMBER
        or (kind.kind in dates and target.kind is Kind.TIMESTAMP)
        or kind.kind is target.kind is Kind.DATE
    )
    return (function, Datatype(target.kind, scale=-127 if target.kind is Kind.NUMBER else 9)) if same else None


def candidates(table: Table, probe: Probe | None, frame: Frame) -> Iterator[tuple[int, Sequence[Value]]]:
    """Row number and row of what the frame's session sees and the probe, if any, does not exclude."""
    reader = frame.session.transaction
    # a key that a transaction has freed and used again leads to its new row; others must still see the old one
    if probe is None or table.reclaimed - {reader}:
        yield from table.scan(reader)
        return
    for rid in probe.rids(frame):
        row = table.visible(rid, reader)
        if row is not None:
            yield rid, row


class Select:
    """One SELECT. ``values`` gives values, ``raw`` what the client gets."""

    def __init__(
        self, database: Database, session: SessionView, node: exp.Expr, types: list[Datatype], outer: Scope | None
    ) -> None:
        self._node = node
        self._sources: list[Source] = []
        self._rows: list[Rows | None] = []  # None: a table
        conditions: list[list[exp.Expr]] = []
        self._optional: list[bool] = []  # LEFT JOIN
        source = node.args.get("from_")
        items = [(source.this, None, False)] if source is not None else []
        items += [(join.this, join.args.get("on"), join.side == "LEFT") for join in node.args.get("joins") or ()]
        for item, on, optional in items:
            found, rows = database.source(item, session, types, outer)
            self._sources.append(found)
            self._rows.append(rows)
            self._optional.append(optional)
            conditions.append(conjuncts(on))
        if not items:
            raise OraError(923)
        self._scope = Scope(self._sources, outer)
        self._compiler = compiler = Compiler(database, session, types, self._scope)
        where = node.args["where"].this if node.args.get("where") else None
        self._on = [[compiler.condition(c) for c in on] for on in conditions]
        self._where = compiler.condition(where) if where is not None else None
        self._probes = [
            find_probe(compiler, conditions[i] + ([] if self._optional[i] else conjuncts(where)), i)
            for i in range(len(items))
        ]
        self._lock = bool(node.args.get("locks"))
        self._select_list()
        order = node.args.get("order")
        self._order = [self._order_item(item) for item in (order.expressions if order is not None else ())]
        self._limits(node)

    def _select_list(self) -> None:
        """Compiles the select list, GROUP BY and HAVING."""
        node, compiler = self._node, self._compiler
        aggregates: list[Aggregate] = []
        compiler.aggregates = aggregates
        self.columns: list[tuple[str, Datatype, bool]] = []
        self._functions: list[Function] = []
        self._stored: list[tuple[int, int] | None] = []  # (source, column) of a plain column of a table
        plain = False
        for item in node.expressions:
            target = item.this if isinstance(item, exp.Alias) else item
            star = target if isinstance(target, exp.Star) else target.this if isinstance(target, exp.Column) else None
            if isinstance(star, exp.Star):
                only = name_of(target.args["table"]) if isinstance(target, exp.Column) else None
                for source in self._sources:
                    if only in (None, source.name):
                        for name, _, _ in source.columns:
                            self._add(exp.column(exp.to_identifier(name, quoted=True), _quoted(source.name)), name)
                continue
            plain = plain or isinstance(target, exp.Column)
            self._add(target, name_of(item.args["alias"]) if isinstance(item, exp.Alias) else None)
        group = node.args.get("group")
        self._having = compiler.condition(node.args["having"].this) if node.args.get("having") else None
        compiler.aggregates = None
        self._group = [compiler.compile(g)[0] for g in group.expressions] if group is not None else None
        if self._group is None and (aggregates or self._having is not None):
            self._group = []
            if plain:
                raise OraError(937)
        self._aggregates = aggregates
        self._distinct = node.args.get("distinct") is not None

    def _add(self, target: exp.Expr, name: str | None) -> None:
        function, kind = self._compiler.compile(target)
        hit = self._scope.find(target) if isinstance(target, exp.Column) else None
        nullable, stored = True, None
        if hit is not None and hit[0] == 0:
            source = self._sources[hit[1]]
            nullable = source.columns[hit[2]][2]
            if source.table is not None and kind.kind is not Kind.TIMESTAMP_LTZ and not self._optional[hit[1]]:
                stored = (hit[1], hit[2])
        text = name_of(target) if isinstance(target, exp.Column) else target.sql("oracle").upper().replace(" ", "")
        self.columns.append((name or text, kind, nullable))
        self._functions.append(function)
        self._stored.append(stored)

    def _order_item(self, item: exp.Expr) -> tuple[Function, bool, bool]:
        """Value, descending, nulls first (Oracle's default for descending order)."""
        descending = bool(item.args.get("desc"))
        nulls_first = bool(item.args.get("nulls_first")) if item.args.get("nulls_first") else descending
        target, number = item.this, None
        if isinstance(target, exp.Literal) and not target.is_string:
            number = int(target.name) - 1
        elif isinstance(target, exp.Column) and target.args.get("table") is None and self._scope.find(target) is None:
            names = [column[0] for column in self.columns]
            number = names.index(name_of(target)) if name_of(target) in names else None
        if number is not None:
            if not 0 <= number < len(self._functions):
                raise OraError(1785, "ORDER BY item must be the number of a SELECT-list expression")
            return self._functions[number], descending, nulls_first
        self._compiler.aggregates = self._aggregates
        function = self._compiler.compile(target)[0]
        self._compiler.aggregates = None
        return function, descending, nulls_first

    def _limits(self, node: exp.Expr) -> None:
        limit, offset = node.args.get("limit"), node.args.get("offset")
        count = limit.args.get("count") or limit.args.get("expression") if limit is not None else None
        self._limit = self._compiler.compile(count)[0] if count is not None else None
        self._offset = self._compiler.compile(offset.expression)[0] if offset is not None else None
        self._ceiling: Function | None = None
        for condition in conjuncts(node.args["where"].this) if node.args.get("where") else ():
            limits = isinstance(condition, exp.LT | exp.LTE | exp.EQ) and isinstance(condition.this, exp.Column)
            if limits and name_of(condition.this) == "ROWNUM":
                self._ceiling = self._compiler.compile(condition.expression)[0]
        if not (self._order or self._distinct or self._offset or self._group is not None or self._ceiling):
            self._ceiling = self._limit

    # ------------------------------------------------------------------ running

    def _frames(self, frame: Frame, i: int = 0) -> Iterator[Frame]:
        """The same frame again and again, with each combination of rows that meets the conditions."""
        if i == len(self._sources):
            frame.rownum += 1
            if self._where is None or self._where(frame):
                yield frame
            else:
                frame.rownum -= 1
            return
        table, rows, found = self._sources[i].table, self._rows[i], False
        if rows is not None:
            pairs: Iterable[tuple[int | None, Sequence[Value]]] = ((None, row) for row in rows(frame))
        else:
            assert table is not None
            pairs = candidates(table, self._probes[i], frame)
        for rid, row in pairs:
            frame.rows[i], frame.rids[i] = row, rid
            if all(condition(frame) for condition in self._on[i]):
                found = True
                yield from self._frames(frame, i + 1)
        if self._optional[i] and not found:
            frame.rows[i], frame.rids[i] = (None,) * len(self._sources[i].columns), None
            yield from self._frames(frame, i + 1)

    def _wanted(self, frame: Frame) -> Iterator[Frame]:
        """The frames, up to the number that ROWNUM or FETCH FIRST lets through."""
        enough = None if self._ceiling is None else to_number(self._ceiling(frame))
        for current in self._frames(frame) if enough is None or enough > 0 else ():
            yield current
            if enough is not None and current.rownum >= enough:
                return

    def _grouped(self, frame: Frame) -> Iterator[Frame]:
        assert self._group is not None
        table = self._sources[0].table
        if self._counts_table and table is not None:
            frame.aggregates = [table.count(frame.session.transaction)]
            yield frame
            return
        groups: dict[Output, tuple[Frame, list[int], list[list[Value]]]] = {}
        if not self._group:
            groups[()] = (frame.copy(), [0], [[] for _ in self._aggregates])
        operands = [a.operand for a in self._aggregates]
        for current in self._wanted(frame):
            key = tuple([g(current) for g in self._group])
            group = groups.get(key)
            if group is None:
                group = groups[key] = (current.copy(), [0], [[] for _ in operands])
            group[1][0] += 1
            for values, operand in zip(group[2], operands, strict=True):
                if operand is not None and (value := operand(current)) is not None:
                    values.append(value)
        settings = frame.session.settings
        for first, count, collected in groups.values():
            pairs = zip(self._aggregates, collected, strict=True)
            first.aggregates = [aggregate.result(count[0], values, settings) for aggregate, values in pairs]
            if self._having is None or self._having(first):
                yield first

    @functools.cached_property
    def _counts_table(self) -> bool:
        """``SELECT COUNT(*) FROM table`` and nothing else, which needs no scan."""
        only_count = len(self._aggregates) == 1 and self._aggregates[0].kind is exp.Count
        bare = self._where is None and self._having is None and not self._group and len(self._sources) == 1
        return only_count and bare and self._aggregates[0].operand is None

    def _run(self, outer: Frame, project: Callable[[Frame], Output]) -> list[Output]:
        frame = Frame(outer.session, outer.binds, len(self._sources), outer)
        settings = outer.session.settings
        produced: list[tuple[Output, list[Value]]] = []
        for current in self._wanted(frame) if self._group is None else self._grouped(frame):
            if self._lock:
                self._lock_rows(current)
            produced.append((project(current), [item[0](current) for item in self._order]))
        for i in reversed(range(len(self._order))):
            _, descending, nulls_first = self._order[i]
            nulls = [p for p in produced if p[1][i] is None]
            rest = [p for p in produced if p[1][i] is not None]
            rest.sort(key=functools.cmp_to_key(functools.partial(_compare_item, i, settings)), reverse=descending)
            produced = nulls + rest if nulls_first else rest + nulls
        out = [output for output, _ in produced]
        if self._distinct:
            out = list(dict.fromkeys(out))
        start = int(to_number(self._offset(outer))) if self._offset is not None else 0
        stop = None if self._limit is None else start + max(0, int(to_number(self._limit(outer))))
        return out[start:stop]

    def _lock_rows(self, frame: Frame) -> None:
        """FOR UPDATE: a change of the row to itself."""
        for source, rid, row in zip(self._sources, frame.rids, frame.rows, strict=True):
            transaction = frame.session.transaction
            if source.table is not None and rid is not None and transaction.lock_row(source.table, rid):
                transaction.change(source.table, rid, row, frame.session.settings)  # type: ignore[arg-type]

    def values(self, outer: Frame) -> list[Output]:
        functions = self._functions
        return self._run(outer, lambda frame: tuple([f(frame) for f in functions]))

    def raw(self, outer: Frame) -> list[Output]:
        """Rows as the client gets them, each value bytes or None."""
        getters = [
            _stored_getter(*stored) if stored is not None else _encoder(function, column[1])
            for function, stored, column in zip(self._functions, self._stored, self.columns, strict=True)
        ]
        return self._run(outer, lambda frame: tuple([g(frame) for g in getters]))


def _compare_item(i: int, settings: Settings, a: tuple[Output, list[Value]], b: tuple[Output, list[Value]]) -> int:
    return compare(a[1][i], b[1][i], settings)


def _quoted(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)


def _stored_getter(i: int, j: int) -> Function:
    return lambda frame: frame.rows[i][j]


def _encoder(function: Function, kind: Datatype) -> Function:
    return lambda frame: kind.encode_reply(function(frame), frame.session.settings)


class UnionAll:
    """``a UNION ALL b`` (or UNION): columns of the first."""

    def __init__(
        self, database: Database, session: SessionView, node: exp.Expr, types: list[Datatype], outer: Scope | None
    ) -> None:
        parts = (node.this, node.expression)
        self._parts: list[Query] = [database.query(part, session, types, outer) for part in parts]
        self._distinct = bool(node.args.get("distinct"))
        self.columns: list[tuple[str, Datatype, bool]] = self._parts[0].columns
        if len(self.columns) != len(self._parts[1].columns):
            raise OraError(1789, "query block has incorrect number of result columns")

    def values(self, outer: Frame) -> list[Output]:
        rows = self._parts[0].values(outer) + self._parts[1].values(outer)
        return list(dict.fromkeys(rows)) if self._distinct else rows

    def raw(self, outer: Frame) -> list[Output]:
        settings, kinds = outer.session.settings, [column[1] for column in self.columns]
        return [
            tuple([kind.encode_reply(value, settings) for kind, value in zip(kinds, row, strict=True)])
            for row in self.values(outer)
        ]


Query: TypeAlias = Select | UnionAll
