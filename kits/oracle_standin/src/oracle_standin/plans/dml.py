"""INSERT, UPDATE, DELETE and MERGE as plans that run once for each row of an array.

An INSERT of an array first tries :meth:`Insert.bulk`, which works on whole columns of the bytes as they came in;
whatever is not plain sailing there is done again row by row, so that each error finds its row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from oracle_standin.errors import OraError
from oracle_standin.plans.probe import candidates, find_probe
from oracle_standin.plans.target import Target
from oracle_standin.sql.conversion import Value
from oracle_standin.sql.datatype import ANY_SCALE, MAX_COLUMN_BYTES, TEXT, Datatype, Raw, Row, WireType
from oracle_standin.sql.expression import Compiler, Condition, Function, conjuncts
from oracle_standin.sql.scope import Frame, Scope, SessionView
from oracle_standin.sql.statement import name_of

if TYPE_CHECKING:
    from oracle_standin.store.database import Database


class Insert:
    """INSERT ... VALUES and INSERT ... SELECT."""

    def __init__(self, database: Database, session: SessionView, node: exp.Insert, types: list[Datatype]) -> None:
        target = node.this
        self.target = Target(database, session, target, types, "INSERT")
        columns = self.target.columns(target.expressions if isinstance(target, exp.Schema) else None)
        self._types = types
        self._values: dict[int, Function] = {}
        self._binds: dict[int, int] = {}  # column -> bind, for plain binds
        self._bulk = not self.target.looks_at_rows
        self._select = None
        source = node.expression
        if isinstance(source, exp.Values):
            if len(source.expressions) != 1:
                raise OraError(933, "SQL command not properly ended")
            parts = source.expressions[0].expressions
            self._match(len(columns), len(parts))
            compiler = Compiler(database, session, types, Scope([]))
            for column, part in zip(columns, parts, strict=True):
                if isinstance(part, exp.Var) and part.name.upper() == "DEFAULT":
                    continue
                self.target.forbid_generated(column)
                self._values[column] = compiler.compile(part)[0]
                if isinstance(part, exp.Placeholder):
                    self._binds[column] = compiler.bind_number(part)
                elif part.find(exp.Placeholder) is not None or part.find(exp.Query) is not None:
                    self._bulk = False
        else:
            self._bulk = False
            self._select = database.query(source, session, types, None)
            self._match(len(columns), len(self._select.columns))
            for column in columns:
                self.target.forbid_generated(column)
            self._columns = columns

    @staticmethod
    def _match(columns: int, values: int) -> None:
        if columns != values:
            raise OraError(947 if values < columns else 913)

    def execute(self, frame: Frame) -> int:
        if self._select is None:
            self.target.insert_row(self._values, frame)
            return 1
        rows = self._select.values(frame)
        inner = Frame(frame.session, frame.binds, 1)
        functions = {column: _item(i) for i, column in enumerate(self._columns)}
        for row in rows:
            inner.rows[0] = row
            self.target.insert_row(functions, inner)
        return len(rows)

    def bulk(self, rows: Sequence[Row], session: SessionView) -> bool:
        """Inserts an array of raw binds at once; False, with nothing changed, if that is not possible."""
        if not self._bulk or len(rows) < 2:
            return False
        count = len(rows)
        by_bind = list(zip(*rows, strict=True))
        frame = Frame(session, ())
        table = self.target.table
        out: list[Sequence[Raw]] = []
        for i, column in enumerate(table.columns):
            function = self._values.get(i) or self.target.defaults.get(i)
            bind = self._binds.get(i)
            try:
                if bind is not None:
                    values = _convert(by_bind[bind], self._types[bind], column.type, session)
                elif function is not None:
                    values = [self.target.encode(i, function(frame), session) for _ in range(count)]
                else:
                    values = (None,) * count
            except (OraError, ValueError):
                return False
            if not column.nullable and None in values:  # also: one with DEFAULT ON NULL
                return False
            out.append(values)
        stored = list(zip(*out, strict=True))
        if table.partitioning is not None:
            try:
                table.partitioning.place_all(stored)
            except OraError:
                return False
        return session.transaction.insert_many(table, stored)


def _item(i: int) -> Function:
    return lambda frame: frame.rows[0][i]


def _convert(values: Sequence[Raw], bound: Datatype, column: Datatype, session: SessionView) -> Sequence[Raw]:
    """A whole column of bound bytes to stored bytes. Raises OraError if one does not fit."""
    kind = column.kind
    plain = column.charset is None and bound.kind in TEXT
    if kind is WireType.VARCHAR and plain:
        longest = max(map(len, filter(None, values)), default=0)
        if longest <= column.size and longest <= MAX_COLUMN_BYTES:
            return values
        if (
            column.characters
            and longest <= MAX_COLUMN_BYTES
            and all(len(v.decode()) <= column.size for v in values if v)
        ):
            return values
        raise OraError(12899)
    if kind is WireType.NUMBER and bound.kind is WireType.NUMBER and column.scale == ANY_SCALE:
        return values
    if kind is WireType.TIMESTAMP and bound.kind in (WireType.TIMESTAMP, WireType.DATE) and column.scale >= 6:
        # a zero fraction is left out in stored bytes (one client writes it, another does not)
        return [v[:7] if v is not None and v[7:] == b"\0\0\0\0" else v for v in values]
    if kind is WireType.DATE and bound.kind in (WireType.TIMESTAMP, WireType.DATE):
        return [None if v is None else v[:7] for v in values]
    if kind is bound.kind is WireType.DOUBLE or kind is bound.kind is WireType.FLOAT:
        return values
    known: dict[Raw, Raw] = {None: None}
    out = []
    for value in values:
        if value not in known:
            known[value] = column.encode(bound.decode(value), "", session.settings)
        out.append(known[value])
    return out


class Update:
    """UPDATE and, without assignments, DELETE."""

    def __init__(self, database: Database, session: SessionView, node: exp.Expr, types: list[Datatype]) -> None:
        deleting = isinstance(node, exp.Delete)
        reference = node.this if isinstance(node.this, exp.Expr) else node.args["tables"][0]
        self.target = Target(database, session, reference, types, "DELETE" if deleting else "UPDATE")
        compiler = self.target.compiler
        where = node.args["where"].this if node.args.get("where") else None
        self._where = compiler.condition(where) if where is not None else None
        self._probe = find_probe(compiler, conjuncts(where), 0)
        self._sets = None if deleting else assignments(self.target, compiler, node.expressions)

    def execute(self, frame: Frame) -> int:
        table, transaction = self.target.table, frame.session.transaction
        inner = Frame(frame.session, frame.binds, 1)
        hits: list[int] = []
        for rid, row in candidates(self.target.source, self._probe, inner):
            inner.rows[0] = row
            inner.rownum = len(hits) + 1
            if self._where is None or self._where(inner):
                hits.append(rid)
        changed = 0
        for rid in hits:
            if not transaction.lock_row(table, rid):
                continue
            current = table.rows[rid]
            assert current is not None
            inner.rows[0] = current
            inner.rownum = 1
            if self._where is not None and not self._where(inner):  # changed while this waited for the lock
                continue
            if self._sets is None:
                transaction.change(table, rid, None, frame.session.settings)
            else:
                self.target.update_row(rid, current, self._sets, inner)
            changed += 1
        return changed


def assignments(target: Target, compiler: Compiler, nodes: Sequence[exp.Expr]) -> list[tuple[int, Function]]:
    """The columns and values of SET."""
    out = []
    for node in nodes:
        if isinstance(node.expression, exp.Column) and name_of(node.expression) == "DEFAULT":
            raise OraError(3001)
        column = target.relation.position(name_of(node.this))
        target.forbid_generated(column, updating=True)
        out.append((column, compiler.compile(node.expression)[0]))
    return out


class Merge:
    """MERGE with one WHEN MATCHED (UPDATE) and one WHEN NOT MATCHED (INSERT) branch, each optional."""

    def __init__(self, database: Database, session: SessionView, node: exp.Merge, types: list[Datatype]) -> None:
        self.target = Target(database, session, node.this, types, "MERGE")
        using, self._rows = database.source(node.args["using"], session, types, None)
        # the source comes first: a probe of the target may use its columns
        both = Compiler(database, session, types, Scope([using, self.target.source]))
        alone = Compiler(database, session, types, Scope([using]))
        self._using = using
        self._on = both.condition(node.args["on"])
        self._probe = find_probe(both, conjuncts(node.args["on"]), 1)
        self._update: tuple[list[tuple[int, Function]], Condition | None] | None = None
        self._insert: tuple[dict[int, Function], Condition | None] | None = None
        for when in node.args["whens"].expressions:
            then = when.args["then"]
            where = then.args["where"].this if then.args.get("where") else None
            if when.args["matched"]:
                sets = assignments(self.target, both, then.expressions)
                self._forbid_key_change(node.args["on"], {i for i, _ in sets}, both)
                self._update = (sets, both.condition(where) if where is not None else None)
                continue
            columns = self.target.columns(then.this.expressions if then.this is not None else None)
            values = then.expression.expressions
            if len(columns) != len(values):
                raise OraError(947 if len(values) < len(columns) else 913)
            for column in columns:
                self.target.forbid_generated(column)
            functions = {c: alone.compile(v)[0] for c, v in zip(columns, values, strict=True)}
            self._insert = (functions, alone.condition(where) if where is not None else None)

    def _forbid_key_change(self, on: exp.Expr, changed: set[int], compiler: Compiler) -> None:
        for column in on.find_all(exp.Column):
            hit = compiler.scope.find(column)
            if hit is not None and hit[1] == 1 and hit[2] in changed:
                raise OraError(38104, name=f'"{self.target.source.name}"."{name_of(column)}"')

    def execute(self, frame: Frame) -> int:
        session, table = frame.session, self.target.table
        inner = Frame(session, frame.binds, 2)
        changed = 0
        touched: set[int] = set()
        for row in list(self._source_rows(frame)):
            inner.rows[0] = row
            hits = []
            for rid, candidate in candidates(self.target.source, self._probe, inner):
                inner.rows[1] = candidate
                if self._on(inner):
                    hits.append(rid)
            for rid in hits:
                if self._update is None or not session.transaction.lock_row(table, rid):
                    continue
                current = table.rows[rid]
                assert current is not None
                inner.rows[1] = current
                sets, where = self._update
                if where is None or where(inner):
                    if rid in touched:
                        raise OraError(30926)
                    touched.add(rid)
                    self.target.update_row(rid, current, sets, inner)
                    changed += 1
            if not hits and self._insert is not None:
                functions, where = self._insert
                if where is None or where(inner):
                    self.target.insert_row(functions, inner)
                    changed += 1
        return changed

    def _source_rows(self, frame: Frame) -> Sequence[Sequence[Value]]:
        if self._rows is not None:
            return list(self._rows(frame))
        return [row for _, row in candidates(self._using, None, frame)]


Plan = Insert | Update | Merge
