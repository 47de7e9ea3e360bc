"""Constraints of a table: adding, dropping, switching off and on."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from oracle_standin.ddl.column import Constraint
from oracle_standin.errors import OraError
from oracle_standin.sql.datatype import WireType
from oracle_standin.sql.expression import Compiler
from oracle_standin.sql.scope import Frame, Scope, SessionView, Source
from oracle_standin.store.table import Check, Table, Unique

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

_LONGEST_KEY = 6398
_numbers = itertools.count(8)


def constrain(database: Database, session: SessionView, table: Table, made: Constraint) -> None:
    """Adds a constraint. Raises ORA-02260, 00955, 14039, and of the rows that are there 02293, 02299 or 02437."""
    name = made.name or f"SYS_C{next(_numbers):03}"
    if made.kind == "CHECK":
        assert made.condition is not None
        check = Check(name, made.condition, made.deferrable, made.deferred, made.validated)
        if table.rows and made.validated:
            _validate(database, session, table, check)
        (table.checks if made.enabled else table.disabled).append(check)
        return
    positions = tuple(table.position(column) for column in made.columns)
    primary = made.kind == "PRIMARY KEY"
    if primary and any(u.primary for u in table.uniques):
        raise OraError(2260)
    forbid_index_name(database, table, name)
    unique = Unique(name, positions, primary, True)
    unique.local, unique.reverse, unique.validated = made.local, made.reverse, made.validated
    unique.deferrable, unique.deferred = made.deferrable, made.deferred
    for i in positions:
        if table.columns[i].type.kind is WireType.TIMESTAMP_TZ:
            raise OraError(2329, "column of datatype TIME/TIMESTAMP WITH TIME ZONE cannot be unique or a primary key")
    forbid_long_key(table, unique)
    require_partition_key(table, unique)
    if made.enabled:
        enforce(table, unique)
    else:
        table.disabled.append(unique)


def enforce(table: Table, unique: Unique) -> None:
    """Raises ORA-02437, or 02299, for doubles. With NOVALIDATE they may stay where the index is not unique.

    An index that begins with the columns of the key is used, as a server does, before one is made.
    """
    names = [table.columns[i].name for i in unique.columns]
    fitting = (name for name, columns in table.indexes.items() if sorted(columns[: len(names)]) == sorted(names))
    unique.index = next(fitting, None)
    if unique.primary:
        for i in unique.columns:
            forbid_nulls(table, i, 2437)
    twice = fill(table, unique)
    if twice and (unique.validated or not (unique.deferrable or unique.index)):
        reason = "primary key violated" if unique.primary else "duplicate keys found"
        raise OraError(2437 if unique.primary else 2299, f"cannot validate ({table.schema}.{unique.name}) - {reason}")
    if unique.primary:
        for i in unique.columns:
            table.columns[i].nullable = False
    table.overlapping = table.overlapping or twice
    table.uniques.append(unique)
    table.deferrable = table.deferrable or unique.deferrable


def fill(table: Table, unique: Unique) -> bool:
    """Indexes the rows that are there; True if a key is there twice."""
    twice = False
    unique.rids.clear()
    for rid, row in table.rows.items():
        key = None if row is None else unique.key(row)
        twice |= key is not None and unique.rids.setdefault(key, rid) != rid
    return twice


def forbid_nulls(table: Table, i: int, code: int) -> None:
    if any(row is not None and row[i] is None for row in table.rows.values()):
        raise OraError(code, f"cannot enable ({table.schema}.{table.columns[i].name}) - null values found")


def _validate(database: Database, session: SessionView, table: Table, check: Check) -> None:
    source = Source(table.name, [(c.name, c.type, c.nullable) for c in table.columns], table)
    condition = Compiler(database, session, [], Scope([source])).condition(check.condition)
    frame = Frame(session, (), 1)
    for row in table.rows.values():
        frame.rows[0] = row or ()
        if condition(frame) is False:
            raise OraError(2293, f"cannot validate ({table.schema}.{check.name}) - check constraint violated")


def find(table: Table, name: str | None) -> Unique | Check:
    """A constraint by name, or (None) the primary key. Raises ORA-02443, or 02441 without a primary key."""
    constraints: list[Unique | Check] = [*table.uniques, *table.checks, *table.disabled]
    for constraint in constraints:
        if constraint.name == name or (name is None and isinstance(constraint, Unique) and constraint.primary):
            return constraint
    if name is None:
        raise OraError(2441, "Cannot drop nonexistent primary key")
    raise OraError(2443, "Cannot drop constraint  - nonexistent constraint")


def drop_key(table: Table, name: str) -> None:
    """Drops a constraint; columns that only the primary key made NOT NULL may be null again."""
    constraint = find(table, name)
    _release(table, constraint)


def _release(table: Table, constraint: Unique | Check) -> None:
    if isinstance(constraint, Unique) and constraint.primary and constraint in table.uniques:
        for i in constraint.columns:
            table.columns[i].nullable = not table.columns[i].not_null
    table.uniques[:] = [u for u in table.uniques if u is not constraint]
    table.checks[:] = [c for c in table.checks if c is not constraint]
    table.disabled[:] = [d for d in table.disabled if d is not constraint]
    table.deferrable = any(u.deferrable for u in table.uniques)


def set_state(table: Table, name: str, enabled: bool, validate: bool) -> None:
    """ENABLE (with doubles only for NOVALIDATE and an index that is not unique) and DISABLE."""
    constraint = find(table, name)
    if not enabled:
        _release(table, constraint)
        table.disabled.append(constraint)
    elif constraint in table.disabled:
        constraint.validated = validate
        if isinstance(constraint, Unique):
            enforce(table, constraint)
        else:
            table.checks.append(constraint)
        table.disabled.remove(constraint)


def forbid_long_key(table: Table, unique: Unique) -> None:
    """Raises ORA-01450 for a key that an 8 KB block cannot hold: the columns' bytes and a length byte for each."""
    length = sum(table.columns[i].type.byte_length + 1 for i in unique.columns)
    if length > _LONGEST_KEY:
        raise OraError(1450, f"maximum key length ({_LONGEST_KEY}) exceeded")


def require_partition_key(table: Table, unique: Unique) -> None:
    """Raises ORA-14039 for a local index without the partitioning columns."""
    if unique.local and table.partitioning is not None and not set(table.partitioning.columns) <= set(unique.columns):
        raise OraError(14039)


def forbid_index_name(database: Database, table: Table, name: str) -> None:
    """Raises ORA-00955."""
    for other in [*database.tables.values(), table]:
        if other.schema == table.schema and (name in other.indexes or any(u.name == name for u in other.uniques)):
            raise OraError(955)
