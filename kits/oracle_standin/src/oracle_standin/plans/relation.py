"""What a name in a statement stands for: a table, the columns that show, and which of its rows.

A simple view is its table with other names and fewer rows: it can be changed, and is read by key like the table. Any
other view is a query. A row-level security policy hides rows from everyone but the control port; keys still collide
with hidden rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from sqlglot import exp

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Value
from oracle_standin.sql.datatype import Row
from oracle_standin.sql.expression import Compiler, Condition
from oracle_standin.sql.scope import Frame, Scope, SessionView, Source
from oracle_standin.sql.statement import name_of
from oracle_standin.store.policy import STATEMENTS
from oracle_standin.store.table import Table
from oracle_standin.store.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracle_standin.store.database import Database

Filter: TypeAlias = Callable[["Sequence[Value]", SessionView], bool]


class Relation:
    """A table, or a view of one, as one statement of one session meets it."""

    def __init__(self, database: Database, session: SessionView, table: Table, statement: str) -> None:
        self.table = table
        self.columns = [(c.name, c.type, c.nullable) for c in table.columns]
        self.positions = {c.name: i for i, c in enumerate(table.columns)}
        self.names = [c.name for c in table.columns if not c.hidden]  # what * and an INSERT without a list mean
        self.read_only = False
        self._hides: list[Condition] = []  # rows that do not meet these are not there
        self._demands: list[tuple[Condition, int]] = []  # of each new row, and the error if it does not meet them
        if (state := table.archive_state) is not None:
            self._hides.append(lambda frame: frame.rows[0][state] == b"0" or _sees_all(frame.session))
        if table.policies and not session.exempt:
            self._protect(database, session, statement)

    def _protect(self, database: Database, session: SessionView, statement: str) -> None:
        """Raises ORA-28113 and ORA-28132."""
        compiler = self._compiler(database, session)
        for policy in self.table.policies:
            try:
                predicate = compiler.condition(policy.predicate)
            except OraError:  # a column was dropped or renamed since
                raise OraError(28113, "policy predicate has error") from None
            if statement == "MERGE" and 0 < len(policy.statements & (STATEMENTS - {"SELECT"})) < 3:
                raise OraError(28132, "The MERGE INTO syntax does not support the security policy.")
            if statement in policy.statements or (statement == "MERGE" and "UPDATE" in policy.statements):
                self._hides.append(predicate)
            if policy.check and policy.statements & {"INSERT", "UPDATE"}:
                self._demands.append((predicate, 28115))

    def _compiler(self, database: Database, session: SessionView) -> Compiler:
        return Compiler(database, session, [], Scope([self.source(self.table.name)]))

    def source(self, name: str) -> Source:
        return Source(name, self.columns, self.table, self.filter, self.positions, self.names)

    def narrow(self, database: Database, session: SessionView, view: View) -> None:
        """Makes it the view of what it was. Raises ORA-00904 for a column that is not there."""
        query = view.query
        label = query.args["from_"].this.args.get("alias")
        source = self.source(name_of(label) if label is not None else self.table.name)
        if (where := query.args.get("where")) is not None:
            condition = Compiler(database, session, [], Scope([source])).condition(where.this)
            self._hides.append(condition)
            if view.guard == "CHECK OPTION":
                self._demands.append((condition, 1402))
        self.read_only = self.read_only or view.guard == "READ ONLY"
        found: list[tuple[str, int]] = []
        for item in query.expressions:
            column = item.this if isinstance(item, exp.Alias) else item
            if isinstance(column, exp.Star):
                found += [(name, self.positions[name]) for name in self.names]
                continue
            if (hit := Scope([source]).find(column)) is None:
                raise OraError(904, name=f'"{name_of(column)}"')
            found.append((name_of(item.args["alias"]) if isinstance(item, exp.Alias) else name_of(column), hit[2]))
        self.positions = {name: i for name, (_, i) in zip(view.names or [n for n, _ in found], found, strict=True)}
        self.names = list(self.positions)

    def position(self, name: str) -> int:
        """Raises ORA-00904."""
        try:
            return self.positions[name]
        except KeyError:
            raise OraError(904, name=f'"{name}"') from None

    @property
    def filter(self) -> Filter | None:
        """Tells whether a row is there; None: all are."""
        return self._shows if self._hides else None

    def _shows(self, row: Sequence[Value], session: SessionView) -> bool:
        frame = Frame(session, (), 1)
        frame.rows[0] = row
        return all(condition(frame) for condition in self._hides)

    @property
    def demanding(self) -> bool:
        return bool(self._demands)

    def demand(self, row: Row, session: SessionView) -> None:
        """Raises ORA-28115 for a new row that its writer may not see."""
        frame = Frame(session, (), 1)
        frame.rows[0] = row
        for condition, code in self._demands:
            if not condition(frame):
                raise OraError(code)


def _sees_all(session: SessionView) -> bool:
    """Also the rows that ROW ARCHIVAL hides."""
    return session.exempt or session.settings.archived


def is_simple(view: View) -> bool:
    """Whether the view can be changed: plain columns of one table or view, nothing grouped, sorted or cut off."""
    query = view.query
    if not isinstance(query, exp.Select) or query.args.get("from_") is None:
        return False
    if any(query.args.get(part) for part in ("joins", "group", "having", "distinct", "limit", "offset", "with_")):
        return False
    items = [item.this if isinstance(item, exp.Alias) else item for item in query.expressions]
    plain = all(isinstance(item, exp.Star | exp.Column) and not isinstance(item.this, exp.Star) for item in items)
    return plain and isinstance(query.args["from_"].this, exp.Table)
