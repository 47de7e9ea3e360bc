"""The table that a statement changes, and what a new row has to pass: defaults, triggers, checks, partitions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from oracle_standin.errors import OraError
from oracle_standin.plans.firing import Triggers
from oracle_standin.sql.conversion import Value
from oracle_standin.sql.datatype import Datatype, Raw, Row
from oracle_standin.sql.expression import Compiler, Function
from oracle_standin.sql.scope import Frame, Scope, SessionView, Source
from oracle_standin.sql.statement import name_of
from oracle_standin.store.table import Check
from oracle_standin.store.table import Sequence as NumberSequence

if TYPE_CHECKING:
    from oracle_standin.store.database import Database


class Target:
    """The table a statement changes, with its checks."""

    def __init__(
        self, database: Database, session: SessionView, node: exp.Expr, types: list[Datatype], statement: str
    ) -> None:
        reference = node.this if isinstance(node, exp.Schema) else node
        self.relation = database.relation(reference, session, statement)
        table = self.table = self.relation.table
        alias = reference.args.get("alias")
        label = name_of(alias) if alias is not None else table.name
        self.source = self.relation.source(label)
        self.compiler = Compiler(database, session, types, Scope([self.source]))
        self.session = session
        self._modern = database.release.modern
        self._inserting = Triggers(database, session, table, "INSERT", self.encode)
        self._updating = Triggers(database, session, table, "UPDATE", self.encode)
        self._checks = [(check, self.compiler.condition(check.condition)) for check in table.checks]
        if self.relation.read_only:
            raise OraError(42399, "cannot perform a DML operation on a read-only view")
        if table.read_only:
            raise OraError(12081, name=f'"{table.schema}"."{table.name}"')
        for unique in table.uniques:
            if unique.unusable:
                raise OraError(1502, name=f"{table.schema}.{unique.name}")
        self._names = [table.qualified(i) for i in range(len(table.columns))]
        # DEFAULTs have no binds and no columns
        plain = Compiler(database, session, [], Scope([]))
        self.defaults = {i: plain.compile(c.default)[0] for i, c in enumerate(table.columns) if c.default is not None}
        for i, column in enumerate(table.columns):
            if column.sequence is not None:
                self.defaults[i] = _next(column.sequence)
        own = Compiler(database, session, [], Scope([Source(table.name, self.relation.columns, table)]))
        self._virtual = [
            (i, own.compile(column.virtual)[0]) for i, column in enumerate(table.columns) if column.virtual is not None
        ]

    def encode(self, i: int, value: Value, session: SessionView) -> Raw:
        return self.table.columns[i].type.encode(value, self._names[i], session.settings)

    def check(self, row: Row, session: SessionView, updating: bool = False) -> list[Check]:
        """Raises ORA-01400 (or, updating, ORA-01407) and ORA-02290; returns the violated checks that can wait."""
        late: list[Check] = []
        for i, column in enumerate(self.table.columns):
            if row[i] is None and not column.nullable:
                raise OraError(1407 if updating else 1400, name=self._names[i])
        if self._checks:
            frame = Frame(session, (), 1)
            frame.rows[0] = row
            for check, condition in self._checks:
                if condition(frame) is False:
                    if not session.transaction.deferral.defers(check, session.settings):
                        raise OraError(2290, name=f"{self.table.schema}.{check.name}")
                    late.append(check)
        return late

    def _check_later(self, rid: int, session: SessionView) -> None:
        """For a row that violates deferred checks: they are made again at the end of the transaction."""

        def check() -> None:
            frame = Frame(session, (), 1)
            if (row := self.table.rows.get(rid)) is None:
                return
            frame.rows[0] = row
            for check, condition in self._checks:
                if condition(frame) is False:
                    raise OraError(2290, name=f"{self.table.schema}.{check.name}")

        session.transaction.deferral.add(check)

    def place(self, row: Row, old: Row | None = None) -> None:
        """Raises ORA-14400 for a row of no partition, ORA-14402 for one that may not move to another."""
        partitioning = self.table.partitioning
        if partitioning is None:
            return
        try:
            partition = partitioning.place(row)
        except OraError as error:
            if error.code == 14400 and self._modern:
                values = zip(partitioning.columns, partitioning.types, strict=True)
                key = ", ".join(str(kind.decode(row[c])) for c, kind in values)
                table = f'"{self.table.schema}"."{self.table.name}"'
                error = OraError(14400, f"no partition found in table {table} for inserted partition key ({key})")
            raise error from None
        if old is not None and not partitioning.row_movement and partition is not partitioning.place(old):
            raise OraError(14402)

    @property
    def looks_at_rows(self) -> bool:
        """A CHECK, a trigger, a policy or a virtual column needs each row."""
        return bool(self._checks or self._inserting or self.relation.demanding or self._virtual)

    def columns(self, nodes: Sequence[exp.Expr] | None) -> list[int]:
        """Column numbers of an explicit list, or all that show. Raises ORA-00904 and ORA-00957."""
        if nodes is None:
            return [self.relation.positions[name] for name in self.relation.names]
        found = [self.relation.position(name_of(node)) for node in nodes]
        if len(set(found)) != len(found):
            raise OraError(957)
        return found

    def forbid_generated(self, i: int, updating: bool = False) -> None:
        """Raises ORA-54013, 54017, 32795 or 32796 for a column that only the server writes."""
        column = self.table.columns[i]
        if column.virtual is not None:
            what = "UPDATE" if updating else "INSERT"
            raise OraError(54017 if updating else 54013, f"{what} operation disallowed on virtual columns")
        if column.identity == "ALWAYS":
            what = "update" if updating else "insert into"
            raise OraError(32796 if updating else 32795, f"cannot {what} a generated always identity column")

    def _complete(self, row: Row, session: SessionView) -> Row:
        """The row with its virtual columns."""
        frame, values = Frame(session, (), 1), list(row)
        frame.rows[0] = row
        for i, function in self._virtual:
            values[i] = self.encode(i, function(frame), session)
        return tuple(values)

    def _value(self, i: int, functions: dict[int, Function], frame: Frame) -> Raw:
        function = functions.get(i)
        raw = None if function is None else self.encode(i, function(frame), frame.session)
        missing = function is None or (raw is None and self.table.columns[i].on_null)
        if missing and (default := self.defaults.get(i)) is not None:
            return self.encode(i, default(frame), frame.session)
        return raw

    def insert_row(self, functions: dict[int, Function], frame: Frame) -> None:
        """Evaluates, checks and inserts one row; columns without a function get their default."""
        session = frame.session
        row = tuple([self._value(i, functions, frame) for i in range(len(self.table.columns))])
        if self._inserting:
            row = self._inserting.fire(row, session)
        if self._virtual:
            row = self._complete(row, session)
        late = self.check(row, session)
        if self.relation.demanding:
            self.relation.demand(row, session)
        self.place(row)
        rid = session.transaction.insert(self.table, row, session.settings)
        if late:
            self._check_later(rid, session)

    def update_row(self, rid: int, old: Row, sets: Sequence[tuple[int, Function]], frame: Frame) -> None:
        session, values = frame.session, list(old)
        for i, function in sets:
            values[i] = self.encode(i, function(frame), session)
        row = tuple(values)
        if self._updating:
            row = self._updating.fire(row, session, old)
        if self._virtual:
            row = self._complete(row, session)
        late = self.check(row, session, updating=True)
        if self.relation.demanding:
            self.relation.demand(row, session)
        self.place(row, old)
        session.transaction.change(self.table, rid, row, session.settings)
        if late:
            self._check_later(rid, session)


def _next(sequence: NumberSequence) -> Function:
    return lambda frame: sequence.next()
