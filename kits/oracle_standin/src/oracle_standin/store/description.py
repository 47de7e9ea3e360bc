"""What the data dictionary tells of tables and views: rows of its views, OWNER first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Value
from oracle_standin.sql.datatype import ANY_SCALE, NATIONAL, TEXT, TIMESTAMPS, Datatype, WireType
from oracle_standin.sql.scope import SessionView
from oracle_standin.store.deferral import Deferrable
from oracle_standin.store.table import Check, Column, Table, Unique
from oracle_standin.store.view import View

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

Row: TypeAlias = tuple[Value, ...]


def _visible(database: Database, session: SessionView) -> list[Table]:
    granted = {(owner, name) for who, owner, name, _ in database.grants if who == session.user}
    return [t for t in database.tables.values() if t.schema == session.user or (t.schema, t.name) in granted]


def _visible_views(database: Database, session: SessionView) -> list[View]:
    granted = {(owner, name) for who, owner, name, _ in database.grants if who == session.user}
    return [v for v in database.views.values() if v.schema == session.user or (v.schema, v.name) in granted]


def _view_columns(database: Database, session: SessionView, view: View) -> list[tuple[str, Datatype, bool]]:
    """None for a view whose query is not valid any more."""
    try:
        return database.view_columns(view, session)
    except OraError:
        return []


def tab_columns(database: Database, session: SessionView, every: bool = False) -> Iterable[Row]:
    """ALL_TAB_COLUMNS or, with what only the server uses, ALL_TAB_COLS: of tables and of views."""
    for table in _visible(database, session):
        yield from _columns_of(table, every)
    for view in _visible_views(database, session):
        columns = [Column(*column) for column in _view_columns(database, session, view)]
        yield from _columns_of(Table(view.schema, view.name, columns), every)


def tab_cols(database: Database, session: SessionView) -> Iterable[Row]:
    return tab_columns(database, session, every=True)


def _columns_of(table: Table, every: bool = False) -> Iterable[Row]:
    number = 0  # COLUMN_ID; an invisible column has none
    for i, column in enumerate(table.columns):
        kind = column.type
        numeric, text = kind.kind is WireType.NUMBER, kind.kind in TEXT | NATIONAL
        number += not column.hidden
        if column.system and not every:
            continue
        precision = kind.precision or None if numeric else None
        scale = kind.scale if (numeric and kind.scale != ANY_SCALE) or kind.kind in TIMESTAMPS else None
        row: Row = (
            table.schema, table.name, column.name, kind.name, kind.byte_length, precision, scale,
            "Y" if column.nullable else "N", None if column.hidden else number, column.default_text,
            kind.size if text else 0, ("C" if kind.characters else "B") if text else None,
            _yes(column.on_null), _yes(bool(column.identity)),
            len(column.default_text) if column.default_text else None,
        )  # fmt: skip
        if every:
            stored = None if column.virtual is not None else i + 1
            row += (_yes(column.hidden), _yes(column.virtual is not None), stored, i + 1, _yes(not column.system))
        yield row


def _yes(truth: bool) -> str:
    return "YES" if truth else "NO"


def identities(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        for column in table.columns:
            if column.sequence is not None and column.default_text is not None:
                options = f"START WITH: {column.sequence.value}, INCREMENT BY: {column.sequence.increment}"
                name = column.default_text.split('"')[3]
                yield table.schema, table.name, column.name, column.identity, name, options


def constraints(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        disabled = [d for d in table.disabled if isinstance(d, Unique)]
        for unique in (*table.uniques, *disabled):
            if unique.constraint:
                state = "DISABLED" if unique in disabled else "ENABLED"
                index = (unique.index or unique.name) if unique not in disabled else None
                kind = "P" if unique.primary else "U"
                valid = "VALIDATED" if unique.validated else "NOT VALIDATED"
                when = _deferral(unique)
                yield table.schema, unique.name, kind, table.name, state, valid, index, None, *when
        for check in (*table.checks, *[d for d in table.disabled if isinstance(d, Check)]):
            state = "ENABLED" if check in table.checks else "DISABLED"
            valid = "VALIDATED" if check.validated else "NOT VALIDATED"
            text = check.condition.sql("oracle")
            yield table.schema, check.name, "C", table.name, state, valid, None, text, *_deferral(check)
        for i, column in enumerate(table.columns):
            if not column.nullable and not any(u.primary and i in u.columns for u in table.uniques):
                text = f'"{column.name}" IS NOT NULL'
                name = f"SYS_CNN{i}_{table.name}"
                when = "NOT DEFERRABLE", "IMMEDIATE"
                yield table.schema, name, "C", table.name, "ENABLED", "VALIDATED", None, text, *when


def views(database: Database, session: SessionView) -> Iterable[Row]:
    for view in _visible_views(database, session):
        yield view.schema, view.name, len(view.text), view.text, "Y" if view.guard == "READ ONLY" else "N"


def objects(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        yield table.schema, table.name, "TABLE", "VALID"
        for name, _, _ in _index_list(table):
            yield table.schema, name, "INDEX", "VALID"
        for trigger in table.triggers:
            yield table.schema, trigger.name, "TRIGGER", "VALID"
    for view in _visible_views(database, session):
        yield view.schema, view.name, "VIEW", "VALID" if _view_columns(database, session, view) else "INVALID"
    for kind, objects in (("SYNONYM", database.synonyms), ("SEQUENCE", database.sequences)):
        for owner, name in objects:
            if owner in (session.user, "PUBLIC"):
                yield owner, name, kind, "VALID"


def _deferral(constraint: Deferrable) -> tuple[str, str]:
    """DEFERRABLE and DEFERRED of ALL_CONSTRAINTS."""
    return (
        "DEFERRABLE" if constraint.deferrable else "NOT DEFERRABLE",
        "DEFERRED" if constraint.deferred else "IMMEDIATE",
    )


def cons_columns(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        for unique in (*table.uniques, *table.disabled):
            if isinstance(unique, Unique) and unique.constraint:
                for position, column in enumerate(unique.columns):
                    yield table.schema, unique.name, table.name, table.columns[column].name, position + 1


def indexes(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        found = {unique.name: unique for unique in table.uniques}
        for name, uniqueness, _ in _index_list(table):
            unique = found.get(name)
            partitioned = unique is not None and unique.local and table.partitioning is not None
            kind = "NORMAL/REV" if unique is not None and unique.reverse else "NORMAL"
            # the partitions of a partitioned index have a status, the index itself has none
            status = "N/A" if partitioned else "UNUSABLE" if unique is not None and unique.unusable else "VALID"
            partitions = "YES" if partitioned else "NO"
            yield table.schema, name, kind, table.schema, table.name, uniqueness, status, partitions


def ind_columns(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        for name, _, columns in _index_list(table):
            for position, column in enumerate(columns):
                yield table.schema, name, table.schema, table.name, column, position + 1, "ASC"


def _index_list(table: Table) -> Iterable[tuple[str, str, Sequence[str]]]:
    for unique in table.uniques:
        if unique.index is not None:
            continue
        # a deferrable constraint has an index that lets doubles in
        yield (
            unique.name,
            "NONUNIQUE" if unique.deferrable else "UNIQUE",
            [table.columns[c].name for c in unique.columns],
        )
    for name, columns in table.indexes.items():
        yield name, "NONUNIQUE", columns


def tables(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        temporary = "Y" if table.temporary else "N"
        partitioned = "NO" if table.partitioning is None else "YES"
        tablespace = "USERS" if table.partitioning is None else None
        yield table.schema, table.name, tablespace, "VALID", partitioned, temporary, table.count(None)


def tab_partitions(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        for i, partition in enumerate(table.partitioning.partitions if table.partitioning is not None else ()):
            text, automatic = partition.high_value, "YES" if partition.automatic else "NO"
            yield table.schema, table.name, "NO", partition.name, 0, text, len(text), i + 1, "USERS", None, automatic


def part_tables(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        if (by := table.partitioning) is not None:
            count = len(by.partitions) if by.interval is None else 1048575
            width = by.interval.text if by.interval is not None else None
            yield table.schema, table.name, by.kind, "NONE", count, 0, len(by.columns), "VALID", "USERS", width, "NO"


def part_key_columns(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        for i, column in enumerate(table.partitioning.columns if table.partitioning is not None else ()):
            yield table.schema, table.name, "TABLE", table.columns[column].name, i + 1
