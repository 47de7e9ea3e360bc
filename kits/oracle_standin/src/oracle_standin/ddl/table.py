"""CREATE TABLE, and the constraints that it and ALTER TABLE add."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

from oracle_standin.ddl.clauses import closing, qualified, split
from oracle_standin.ddl.column import Constraint, is_constraint, read_column, read_constraint
from oracle_standin.ddl.partition import read_partitioning
from oracle_standin.errors import OraError
from oracle_standin.sql.scope import SessionView
from oracle_standin.store.table import Check, Column, Table, Unique

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

_constraint_numbers = itertools.count(8)


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
    table.partitioning = read_partitioning(table, tail, database, session)
    for constraint in constraints:
        constrain(database, table, constraint)
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


def constrain(database: Database, table: Table, made: Constraint) -> None:
    """Adds a constraint. Raises ORA-02260, 00955, 14039, and of the rows that are there 02293, 02299 or 02437."""
    name = made.name or f"SYS_C{next(_constraint_numbers):03}"
    if made.kind == "CHECK":
        assert made.condition is not None
        table.checks.append(Check(name, made.condition, made.deferrable, made.deferred))
        return
    positions = tuple(table.position(column) for column in made.columns)
    primary = made.kind == "PRIMARY KEY"
    if primary and any(u.primary for u in table.uniques):
        raise OraError(2260)
    forbid_index_name(database, table, name)
    unique = Unique(name, positions, primary, True)
    unique.local, unique.reverse, unique.validated = made.local, made.reverse, made.validated
    unique.deferrable, unique.deferred = made.deferrable, made.deferred
    table.deferrable = table.deferrable or made.deferrable
    require_partition_key(table, unique)
    if primary:
        for i in positions:
            table.columns[i].nullable = False
    table.uniques.append(unique)


def require_partition_key(table: Table, unique: Unique) -> None:
    """Raises ORA-14039 for a local index without the partitioning columns."""
    if unique.local and table.partitioning is not None and not set(table.partitioning.columns) <= set(unique.columns):
        raise OraError(14039)


def forbid_index_name(database: Database, table: Table, name: str) -> None:
    """Raises ORA-00955."""
    for other in [*database.tables.values(), table]:
        if other.schema == table.schema and (name in other.indexes or any(u.name == name for u in other.uniques)):
            raise OraError(955)
