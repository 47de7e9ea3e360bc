"""SELECT: sources with index probes, joins, grouping, ordering, and UNION ALL."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp

from oracle_standin.errors import OraError
from oracle_standin.plans.aggregate import Aggregate
from oracle_standin.plans.probe import candidates, find_probe
from oracle_standin.sql.conversion import Settings, Value, compare, to_number
from oracle_standin.sql.datatype import NULL, Datatype, WireType
from oracle_standin.sql.expression import Compiler, Function, conjuncts
from oracle_standin.sql.scope import Frame, Scope, SessionView, Source
from oracle_standin.sql.statement import name_of

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

Output = tuple[Value, ...]
Rows = Callable[[Frame], Iterable[Sequence[Value]]]


class _Group:
    """The rows of GROUP BY with one key: the first of them, how many, and the operands of each aggregate."""

    __slots__ = ("count", "rows", "values")

    def __init__(self, first: Frame, operands: int) -> None:
        self.rows = first.rows[:]
        self.count = 0
        self.values: tuple[list[Value], ...] = tuple([[] for _ in range(operands)]) if operands else ()


class Select:
    """One SELECT. ``values`` returns values, ``raw`` what the client gets."""

    def __init__(
        self, database: Database, session: SessionView, node: exp.Expr, types: list[Datatype], outer: Scope | None
    ) -> None:
        if node.args.get("connect"):
            raise OraError(3001, "unimplemented feature: the stand-in has no CONNECT BY")
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
                        for name in source.names:
                            self._add(exp.column(exp.to_identifier(name, quoted=True), _quoted(source.name)), name)
                continue
            plain = plain or isinstance(target, exp.Column)
            self._add(target, name_of(item.args["alias"]) if isinstance(item, exp.Alias) else None)
        group = node.args.get("group")
        self._having = compiler.condition(node.args["having"].this) if node.args.get("having") else None
        compiler.aggregates = None
        keys = group.expressions if group is not None else []
        # compiled first, for its checks; a column is grouped by its bytes
        compiled = [compiler.compile(key)[0] for key in keys]
        stored = [compiler.stored(key) or value for key, value in zip(keys, compiled, strict=True)]
        self._group = stored if group is not None else None
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
            if source.table is not None and kind.kind is not WireType.TIMESTAMP_LTZ and not self._optional[hit[1]]:
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
        """The same frame repeatedly, with each combination of rows that meets the conditions."""
        rows, on, found = self._rows[i], self._on[i], False
        last = i == len(self._sources) - 1
        if rows is not None:
            pairs: Iterable[tuple[int | None, Sequence[Value]]] = ((None, row) for row in rows(frame))
        else:
            pairs = candidates(self._sources[i], self._probes[i], frame)
        for rid, row in pairs:
            frame.rows[i], frame.rids[i] = row, rid
            if on and not all(condition(frame) for condition in on):
                continue
            found = True
            if not last:
                yield from self._frames(frame, i + 1)
            elif self._accepts(frame):
                yield frame
        if self._optional[i] and not found:
            frame.rows[i], frame.rids[i] = (None,) * len(self._sources[i].columns), None
            if not last:
                yield from self._frames(frame, i + 1)
            elif self._accepts(frame):
                yield frame

    def _accepts(self, frame: Frame) -> bool:
        """WHERE, with ROWNUM as it would be if the row is accepted."""
        frame.rownum += 1
        if self._where is None or self._where(frame):
            return True
        frame.rownum -= 1
        return False

    def _wanted(self, frame: Frame) -> Iterator[Frame]:
        """The frames, up to the number that ROWNUM or FETCH FIRST allows."""
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
        operands = [(i, a.operand) for i, a in enumerate(self._aggregates) if a.operand is not None]
        groups: dict[Output, _Group] = {}
        if not self._group:
            groups[()] = _Group(frame, len(operands))
        for current in self._wanted(frame):
            key = tuple([g(current) for g in self._group])
            group = groups.get(key)
            if group is None:
                group = groups[key] = _Group(current, len(operands))
            group.count += 1
            for values, (_, operand) in zip(group.values, operands, strict=True):
                if (value := operand(current)) is not None:
                    values.append(value)
        settings = frame.session.settings
        for group in groups.values():
            frame.rows, frame.aggregates = group.rows, [group.count] * len(self._aggregates)
            for values, (i, _) in zip(group.values, operands, strict=True):
                frame.aggregates[i] = self._aggregates[i].result(group.count, values, settings)
            if self._having is None or self._having(frame):
                yield frame

    @functools.cached_property
    def _counts_table(self) -> bool:
        """``SELECT COUNT(*) FROM table`` and nothing else, which needs no scan."""
        only_count = len(self._aggregates) == 1 and self._aggregates[0].kind is exp.Count
        bare = self._where is None and self._having is None and not self._group and len(self._sources) == 1
        return only_count and bare and self._aggregates[0].operand is None and self._sources[0].filter is None

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
        self.columns: list[tuple[str, Datatype, bool]] = [
            (name, kind if kind is not NULL else other, nullable)
            for (name, kind, nullable), (_, other, _) in zip(*[part.columns for part in self._parts], strict=False)
        ]
        if len(self._parts[0].columns) != len(self._parts[1].columns):
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
