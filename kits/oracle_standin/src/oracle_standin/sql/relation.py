"""What a name in a statement stands for: a table, the columns that show, and which of its rows.

A row-level security policy hides rows from everyone but the control port; keys still collide with hidden rows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Value
from oracle_standin.sql.datatype import Row
from oracle_standin.sql.expression import Compiler, Condition
from oracle_standin.sql.scope import Frame, Scope, SessionView, Source
from oracle_standin.store.policy import STATEMENTS
from oracle_standin.store.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from oracle_standin.store.database import Database

Filter: TypeAlias = Callable[["Sequence[Value]", SessionView], bool]


class Relation:
    """A table as one statement of one session meets it."""

    def __init__(self, database: Database, session: SessionView, table: Table, privilege: str) -> None:
        self.table = table
        self.columns = [(c.name, c.type, c.nullable) for c in table.columns]
        self._hides: list[Condition] = []  # rows that do not meet these are not there
        self._demands: list[tuple[Condition, int]] = []  # of each new row, and the error if it does not meet them
        if table.policies and not session.exempt:
            compiler = Compiler(database, session, [], Scope([Source(table.name, self.columns, table)]))
            for policy in table.policies:
                try:
                    predicate = compiler.condition(policy.predicate)
                except OraError:  # a column was dropped or renamed since
                    raise OraError(28113, "policy predicate has error") from None
                if privilege == "MERGE" and 0 < len(policy.statements & (STATEMENTS - {"SELECT"})) < 3:
                    raise OraError(28132, "The MERGE INTO syntax does not support the security policy.")
                if privilege in policy.statements or (privilege == "MERGE" and "UPDATE" in policy.statements):
                    self._hides.append(predicate)
                if policy.check and policy.statements & {"INSERT", "UPDATE"}:
                    self._demands.append((predicate, 28115))

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
