"""ALTER TABLE: columns, constraints and states. Every clause needs the table to itself (ORA-00054)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from oracle_standin.ddl.clauses import NAME, inside, pattern, qualified, split, word
from oracle_standin.ddl.column import is_constraint, read_change, read_column, read_constraint
from oracle_standin.ddl.constraint import constrain, drop_key, find, forbid_nulls, set_state
from oracle_standin.ddl.identity import archive_column, complete
from oracle_standin.ddl.partition import alter_partitions
from oracle_standin.ddl.table import add_column
from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Settings
from oracle_standin.sql.datatype import TEXT, TIMESTAMPS, Datatype, WireType
from oracle_standin.sql.expression import Compiler, Function
from oracle_standin.sql.scope import Frame, Scope, SessionView, Source
from oracle_standin.sql.statement import name_of
from oracle_standin.store.table import Column, Table

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

Clause = Callable[["Database", SessionView, Table, re.Match[str]], None]


def alter_table(database: Database, session: SessionView, match: re.Match[str]) -> None:
    """Runs one clause. Raises ORA-00054 while a transaction has rows of the table open."""
    table = database.find_table(match[1], session, "ALTER")
    clause = match[2].strip()
    if alter_partitions(table, clause, database, session):
        return None
    if table.pending:
        raise OraError(54)
    if database.in_use(table):
        raise OraError(14450, "attempt to access a transactional temp table already in use")
    for known, run in _CLAUSES:
        if (found := known.match(clause)) is not None:
            return run(database, session, table, found)
    raise OraError(3001, f"unimplemented feature: ALTER TABLE {' '.join(clause.split()[:2])}")


# ---------------------------------------------------------------------- columns


def _add(database: Database, session: SessionView, table: Table, match: re.Match[str]) -> None:
    text = match[1].strip()
    for item in split(inside(text)) if text.startswith("(") else [text]:
        if is_constraint(item):
            constrain(database, session, table, read_constraint(item))
            continue
        column, constraints = read_column(item)
        add_to_rows(database, session, table, column)
        for constraint in constraints:
            constrain(database, session, table, constraint)


def add_to_rows(database: Database, session: SessionView, table: Table, column: Column) -> None:
    """Adds a column; the rows that are there get its default. Raises ORA-01430 and ORA-01758."""
    if any(c.name == column.name for c in table.columns):
        raise OraError(1430, "column being added already exists in table")
    if not column.nullable and column.default is None and not column.identity and table.rows:
        raise OraError(1758, "table must be empty to add mandatory (NOT NULL) column")
    add_column(table, column)
    complete(database, session, table, column)
    value: Function = lambda frame: None  # noqa: E731
    if column.sequence is not None:
        sequence = column.sequence
        value = lambda frame: sequence.next()  # noqa: E731
    elif (written := column.virtual or column.default) is not None:
        source = Source(table.name, [(c.name, c.type, c.nullable) for c in table.columns], table)
        value = Compiler(database, session, [], Scope([source])).compile(written)[0]
    frame = Frame(session, (), 1)
    for rid, row in table.rows.items():
        frame.rows[0] = row or ()
        table.rows[rid] = (*(row or ()), column.type.encode(value(frame), column.name, Settings()))


def _archival(database: Database, session: SessionView, table: Table, match: re.Match[str]) -> None:
    if match[1] is None and table.archive_state is None:
        table.archive_state = len(table.columns)
        add_to_rows(database, session, table, archive_column())
    elif match[1] is not None and table.archive_state is not None:
        drop_column(table, table.archive_state)


def _modify(database: Database, session: SessionView, table: Table, match: re.Match[str]) -> None:
    text = match[1].strip()
    for item in split(inside(text)) if text.startswith("(") else [text]:
        change = read_change(item)
        i = table.position(change.name)
        column = table.columns[i]
        if change.type is not None:
            _forbid_loss(table, i, change.type)
            column.type = change.type.within(database.charset)
        if change.default_text is not None:
            column.default, column.default_text = change.default, change.default_text
        if change.nullable is not None:
            if change.nullable == column.nullable:
                state = "NULL" if column.nullable else "NOT NULL"
                code = 1451 if column.nullable else 1442
                raise OraError(code, f"column to be modified to {state} cannot be modified to {state}")
            if not change.nullable:
                forbid_nulls(table, i, 2296)
            column.nullable = change.nullable
        for constraint in change.constraints:
            constrain(database, session, table, constraint)


def _forbid_loss(table: Table, i: int, new: Datatype) -> None:
    """Raises ORA-01439, 01440, 01441 or 30082 for a type that the values might not fit."""
    old = table.columns[i].type
    values = [row[i] for row in table.rows.values() if row is not None and row[i] is not None]
    if not values or old == new:
        return
    if old.kind in TEXT and new.kind in TEXT:
        texts = [value.decode("utf-8", "replace") for value in values if value is not None]
        if any(len(t if new.characters else t.encode()) > new.size for t in texts):
            raise OraError(1441, "cannot decrease column length because some value is too big")
    elif old.kind is new.kind is WireType.NUMBER:
        digits = (new.precision or 40) - max(new.scale, 0), (old.precision or 40) - max(old.scale, 0)
        if digits[0] < digits[1] or new.scale < old.scale:
            raise OraError(1440, "column to be modified must be empty to decrease precision or scale")
    elif new.kind in TIMESTAMPS and old.kind in (new.kind, WireType.DATE):
        if old.kind in TIMESTAMPS and new.scale < old.scale:
            raise OraError(
                30082,
                "datetime/interval column to be modified must be empty to decrease fractional second or leading "
                "field precision",
            )
    elif old.kind is not new.kind or new.size < old.size:
        raise OraError(1439, "column to be modified must be empty to change datatype")


def _rename_column(database: Database, session: SessionView, table: Table, match: re.Match[str]) -> None:
    """Conditions of constraints follow; triggers, views and policies do not, and are invalid from then on."""
    old, new = word(match[1]), word(match[2])
    i = table.position(old)
    if any(c.name == new for c in table.columns):
        raise OraError(957)
    table.columns[i].name = new
    for check in table.checks:
        check.condition = _renamed(check.condition, old, new)
    for column in table.columns:
        if column.virtual is not None:
            column.virtual = _renamed(column.virtual, old, new)


def _renamed(condition: exp.Expr, old: str, new: str) -> exp.Expr:
    copy = condition.copy()
    for column in copy.find_all(exp.Column):
        if name_of(column) == old:
            column.set("this", exp.to_identifier(new, quoted=True))
    return copy


def _drop_columns(database: Database, session: SessionView, table: Table, match: re.Match[str]) -> None:
    for name in split(inside(match[1])) if match[1].startswith("(") else [match[1]]:
        drop_column(table, table.position(word(name)), "CASCADE" in match[0].upper())


def drop_column(table: Table, i: int, cascade: bool = False) -> None:
    """Raises ORA-12983, 12984 and 12991."""
    if len(table.columns) == 1:
        raise OraError(12983, "cannot drop all columns in a table")
    if table.partitioning is not None and i in table.partitioning.columns:
        raise OraError(12984, "cannot drop partitioning column")
    name = table.columns[i].name
    if any(c.virtual is not None and name in _names(c.virtual) for c in table.columns):
        raise OraError(54031, "column to be dropped is used in an expression for a virtual column")
    checks = [c for c in table.checks if name in _names(c.condition)]
    several = [c for c in checks if len(_names(c.condition)) > 1]
    if not cascade and (several or any(i in u.columns and len(u.columns) > 1 for u in table.uniques)):
        raise OraError(12991, "column is referenced in a multi-column constraint")
    table.checks[:] = [c for c in table.checks if c not in checks]
    table.uniques[:] = [u for u in table.uniques if i not in u.columns]
    table.indexes = {index: columns for index, columns in table.indexes.items() if name not in columns}
    if table.archive_state is not None:
        table.archive_state = None if i == table.archive_state else table.archive_state - (i < table.archive_state)
    del table.columns[i]
    for unique in table.uniques:
        unique.move(tuple(c - (c > i) for c in unique.columns))
    if table.partitioning is not None:
        table.partitioning.columns = tuple(c - (c > i) for c in table.partitioning.columns)
    for rid, row in table.rows.items():
        table.rows[rid] = (*(row or ())[:i], *(row or ())[i + 1 :])


def _names(node: exp.Expr) -> set[str]:
    """The columns of an expression."""
    return {name_of(column) for column in node.find_all(exp.Column)}


# ---------------------------------------------------------------------- constraints and states


def _drop_constraint(database: Database, session: SessionView, table: Table, match: re.Match[str]) -> None:
    drop_key(table, word(match[1]))


def _drop_primary_key(database: Database, session: SessionView, table: Table, match: re.Match[str]) -> None:
    drop_key(table, find(table, None).name)


def _state(database: Database, session: SessionView, table: Table, match: re.Match[str]) -> None:
    """ENABLE or DISABLE [NOVALIDATE] CONSTRAINT name or PRIMARY KEY; MODIFY CONSTRAINT name ENABLE ..."""
    words = match[0].upper().split()
    name = word(match["name"]) if match["name"] else find(table, None).name
    set_state(table, name, "ENABLE" in words, validate="NOVALIDATE" not in words)


def _rename(database: Database, session: SessionView, table: Table, match: re.Match[str]) -> None:
    key = (table.schema, qualified(match[1], session)[1])
    database.forbid_same_name(key)
    del database.tables[table.schema, table.name]
    table.name = key[1]
    database.tables[key] = table


def _read_only(database: Database, session: SessionView, table: Table, match: re.Match[str]) -> None:
    table.read_only = match[1].upper() == "ONLY"


def _move(database: Database, session: SessionView, table: Table, match: re.Match[str]) -> None:
    for unique in table.uniques:
        unique.unusable = bool(table.rows) and "ONLINE" not in match[0].upper()


def _nothing(database: Database, session: SessionView, table: Table, match: re.Match[str]) -> None:
    """Storage clauses are accepted and dropped."""


_CLAUSES: list[tuple[re.Pattern[str], Clause]] = [
    (pattern(r"RENAME COLUMN (WORD) TO (WORD)$"), _rename_column),
    (pattern(rf"RENAME TO ({NAME})$"), _rename),
    (pattern(r"DROP COLUMN (WORD)(?: CASCADE CONSTRAINTS)?$"), _drop_columns),
    (pattern(r"DROP\s*(\(.+\))(?: CASCADE CONSTRAINTS)?$"), _drop_columns),
    (pattern(r"DROP CONSTRAINT (WORD)\b.*$"), _drop_constraint),
    (pattern(r"DROP PRIMARY KEY\b.*$"), _drop_primary_key),
    (
        pattern(r"(?:ENABLE|DISABLE)(?: (?:NO)?VALIDATE)? (?:CONSTRAINT (?P<name>WORD)|PRIMARY KEY)\b.*$"),
        _state,
    ),
    (pattern(r"MODIFY CONSTRAINT (?P<name>WORD) (?:ENABLE|DISABLE)(?: (?:NO)?VALIDATE)?$"), _state),
    (pattern(r"ADD (.+)$"), _add),
    (pattern(r"ADD(\(.+)$"), _add),
    (pattern(r"MODIFY (.+)$"), _modify),
    (pattern(r"MODIFY(\(.+)$"), _modify),
    (pattern(r"(NO )?ROW ARCHIVAL$"), _archival),
    (pattern(r"READ (ONLY|WRITE)$"), _read_only),
    (pattern(r"MOVE\b.*$"), _move),
    (pattern(r"(?:NO)?(?:LOGGING|CACHE|PARALLEL|COMPRESS|MONITORING|INMEMORY|PCTFREE|INITRANS)\b.*$"), _nothing),
]
