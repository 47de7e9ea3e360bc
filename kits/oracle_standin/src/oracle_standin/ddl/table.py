"""CREATE TABLE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oracle_standin.ddl.clauses import closing, qualified, split
from oracle_standin.ddl.column import Constraint, is_constraint, read_column, read_constraint
from oracle_standin.ddl.constraint import constrain
from oracle_standin.ddl.identity import archive_column, complete
from oracle_standin.ddl.partition import read_partitioning
from oracle_standin.errors import OraError
from oracle_standin.sql.scope import SessionView
from oracle_standin.store.table import Column, Table

if TYPE_CHECKING:
    from oracle_standin.store.database import Database


def create(database: Database, session: SessionView, match: re.Match[str]) -> None:
    """CREATE TABLE; storage clauses are accepted and dropped."""
    temporary, exists, name, rest = match.groups()
    key = qualified(name, session)
    if key in database.tables and exists:
        return
    database.forbid_same_name(key)
    rest = rest.strip()
    if not rest.startswith("("):
        raise OraError(3001, "unimplemented feature: the stand-in has no CREATE TABLE AS SELECT")
    end = closing(rest)
    tail = rest[end:]
    table = Table(*key, columns=[], temporary=_temporary(temporary, tail))
    constraints = add_items(table, split(rest[1 : end - 1]))
    for column in table.columns:
        complete(database, session, table, column)
    if re.search(r"(?<!NO )\bROW\s+ARCHIVAL\b", tail, re.I):
        table.archive_state = len(table.columns)
        add_column(table, archive_column())
    table.partitioning = read_partitioning(table, tail, database, session)
    for constraint in constraints:
        constrain(database, session, table, constraint)
    database.tables[key] = table


def _temporary(kind: str | None, tail: str) -> str:
    """See :class:`Table`."""
    if not kind:
        return ""
    if re.search(r"PRESERVE\s+(ROWS|DEFINITION)", tail, re.I):
        return "preserve"
    return "drop" if kind.upper() == "PRIVATE" else "delete"


def add_items(table: Table, items: list[str]) -> list[Constraint]:
    """Adds the columns among ``items``; returns the constraints. Raises ORA-00957."""
    constraints: list[Constraint] = []
    for item in items:
        if is_constraint(item):
            constraints.append(read_constraint(item))
        elif not re.match(r"SUPPLEMENTAL\s+LOG\b", item, re.I):
            column, own = read_column(item)
            add_column(table, column)
            constraints += own
    return constraints


def add_column(table: Table, column: Column) -> None:
    if any(c.name == column.name for c in table.columns):
        raise OraError(957)
    table.columns.append(column)
