"""The data dictionary views that a client of this database reads, with only the columns that it needs.

USER_ views show the user's own schema, ALL_ views (with OWNER first) also what was granted; the constraint and
index views have a row for each constraint the store keeps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Value
from oracle_standin.sql.datatype import ANY_SCALE, DATE, LONG, NATIONAL, NUMBER, TEXT, TIMESTAMPS, Datatype, WireType
from oracle_standin.sql.scope import SessionView
from oracle_standin.store.deferral import Deferrable
from oracle_standin.store.table import Check, Column, Table, Unique
from oracle_standin.store.view import View as UserView

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

Row: TypeAlias = tuple[Value, ...]
_TEXT = Datatype(WireType.VARCHAR, size=4000)


@dataclass(frozen=True, slots=True)
class View:
    """Columns and a function that makes the rows."""

    columns: list[tuple[str, Datatype]]
    rows: Callable[[Database, SessionView], Iterable[Sequence[Value]]]


def _columns(names: str) -> list[tuple[str, Datatype]]:
    """``A B:n C:d D:l``: text, number, date and LONG columns."""
    kinds = {"": _TEXT, "n": NUMBER, "d": DATE, "l": LONG}
    return [(name, kinds[kind]) for name, _, kind in (part.partition(":") for part in names.split())]


def _visible(database: Database, session: SessionView) -> list[Table]:
    granted = {(owner, name) for who, owner, name, _ in database.grants if who == session.user}
    return [t for t in database.tables.values() if t.schema == session.user or (t.schema, t.name) in granted]


def _visible_views(database: Database, session: SessionView) -> list[UserView]:
    granted = {(owner, name) for who, owner, name, _ in database.grants if who == session.user}
    return [v for v in database.views.values() if v.schema == session.user or (v.schema, v.name) in granted]


def _view_columns(database: Database, session: SessionView, view: UserView) -> list[tuple[str, Datatype, bool]]:
    """None for a view whose query is not valid any more."""
    try:
        return database.view_columns(view, session)
    except OraError:
        return []


def _tab_columns(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        yield from _columns_of(table)
    for view in _visible_views(database, session):
        yield from _columns_of(
            Table(view.schema, view.name, [Column(*column) for column in _view_columns(database, session, view)])
        )


def _columns_of(table: Table, every: bool = False) -> Iterable[Row]:
    """ALL_TAB_COLUMNS or, with what only the server uses, ALL_TAB_COLS."""
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


def _tab_cols(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        yield from _columns_of(table, every=True)


def _identities(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        for column in table.columns:
            if column.sequence is not None and column.default_text is not None:
                options = f"START WITH: {column.sequence.value}, INCREMENT BY: {column.sequence.increment}"
                name = column.default_text.split('"')[3]
                yield table.schema, table.name, column.name, column.identity, name, options


def _constraints(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        disabled = [d for d in table.disabled if isinstance(d, Unique)]
        for unique in (*table.uniques, *disabled):
            if unique.constraint:
                state = "DISABLED" if unique in disabled else "ENABLED"
                index = unique.name if unique not in disabled else None
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


def _views(database: Database, session: SessionView) -> Iterable[Row]:
    for view in _visible_views(database, session):
        yield view.schema, view.name, len(view.text), view.text, "Y" if view.guard == "READ ONLY" else "N"


def _objects(database: Database, session: SessionView) -> Iterable[Row]:
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


def _cons_columns(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        for unique in (*table.uniques, *table.disabled):
            if isinstance(unique, Unique) and unique.constraint:
                for position, column in enumerate(unique.columns):
                    yield table.schema, unique.name, table.name, table.columns[column].name, position + 1


def _indexes(database: Database, session: SessionView) -> Iterable[Row]:
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


def _ind_columns(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        for name, _, columns in _index_list(table):
            for position, column in enumerate(columns):
                yield table.schema, name, table.schema, table.name, column, position + 1, "ASC"


def _index_list(table: Table) -> Iterable[tuple[str, str, Sequence[str]]]:
    for unique in table.uniques:
        # a deferrable constraint has an index that lets doubles in
        yield (
            unique.name,
            "NONUNIQUE" if unique.deferrable else "UNIQUE",
            [table.columns[c].name for c in unique.columns],
        )
    for name, columns in table.indexes.items():
        yield name, "NONUNIQUE", columns


def _tables(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        temporary = "Y" if table.temporary else "N"
        partitioned = "NO" if table.partitioning is None else "YES"
        tablespace = "USERS" if table.partitioning is None else None
        yield table.schema, table.name, tablespace, "VALID", partitioned, temporary, table.count(None)


def _tab_partitions(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        for i, partition in enumerate(table.partitioning.partitions if table.partitioning is not None else ()):
            text, automatic = partition.high_value, "YES" if partition.automatic else "NO"
            yield table.schema, table.name, "NO", partition.name, 0, text, len(text), i + 1, "USERS", None, automatic


def _part_tables(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        if (by := table.partitioning) is not None:
            count = len(by.partitions) if by.interval is None else 1048575
            width = by.interval.text if by.interval is not None else None
            yield table.schema, table.name, by.kind, "NONE", count, 0, len(by.columns), "VALID", "USERS", width, "NO"


def _part_key_columns(database: Database, session: SessionView) -> Iterable[Row]:
    for table in _visible(database, session):
        for i, column in enumerate(table.partitioning.columns if table.partitioning is not None else ()):
            yield table.schema, table.name, "TABLE", table.columns[column].name, i + 1


def _tab_privs(database: Database, session: SessionView) -> Iterable[Row]:
    for grantee, owner, table, privilege in sorted(database.grants):
        if session.user in (grantee, owner):
            yield grantee, owner, table, owner, privilege, "NO"


def _user(database: Database, session: SessionView) -> Iterable[Row]:
    account = database.accounts[session.user]
    locked = account.created if account.locked else None
    yield account.name, 100, account.status, locked, account.expiry, "USERS", "TEMP", account.created, "DEFAULT"


def _nls_parameters(database: Database, session: SessionView) -> Iterable[Row]:
    fixed = {
        "NLS_LANGUAGE": "AMERICAN", "NLS_TERRITORY": "AMERICA", "NLS_NUMERIC_CHARACTERS": ".,",
        "NLS_CHARACTERSET": database.character_set, "NLS_NCHAR_CHARACTERSET": "AL16UTF16",
        "NLS_LENGTH_SEMANTICS": "BYTE", "NLS_RDBMS_VERSION": database.release.version_text,
    }  # fmt: skip
    return (fixed | session.settings.nls).items()


def _sessions(database: Database, session: SessionView) -> Iterable[Row]:
    for other in list(database.sessions):
        status = "ACTIVE" if other is session else "INACTIVE"
        yield (
            other.sid, other.serial, other.user, status, other.program, other.machine, other.module, other.action,
            other.os_user, other.terminal,
        )  # fmt: skip


_OWNED = {
    "TABLES": ("TABLE_NAME TABLESPACE_NAME STATUS PARTITIONED TEMPORARY NUM_ROWS:n", _tables),
    "TAB_COLUMNS": (
        """TABLE_NAME COLUMN_NAME DATA_TYPE DATA_LENGTH:n DATA_PRECISION:n DATA_SCALE:n NULLABLE COLUMN_ID:n
        DATA_DEFAULT:l CHAR_LENGTH:n CHAR_USED DEFAULT_ON_NULL IDENTITY_COLUMN DEFAULT_LENGTH:n""",
        _tab_columns,
    ),
    "TAB_COLS": (
        """TABLE_NAME COLUMN_NAME DATA_TYPE DATA_LENGTH:n DATA_PRECISION:n DATA_SCALE:n NULLABLE COLUMN_ID:n
        DATA_DEFAULT:l CHAR_LENGTH:n CHAR_USED DEFAULT_ON_NULL IDENTITY_COLUMN DEFAULT_LENGTH:n HIDDEN_COLUMN
        VIRTUAL_COLUMN SEGMENT_COLUMN_ID:n INTERNAL_COLUMN_ID:n USER_GENERATED""",
        _tab_cols,
    ),
    "TAB_IDENTITY_COLS": (
        "TABLE_NAME COLUMN_NAME GENERATION_TYPE SEQUENCE_NAME IDENTITY_OPTIONS",
        _identities,
    ),
    "CONSTRAINTS": (
        """CONSTRAINT_NAME CONSTRAINT_TYPE TABLE_NAME STATUS VALIDATED INDEX_NAME SEARCH_CONDITION:l DEFERRABLE
        DEFERRED""",
        _constraints,
    ),
    "CONS_COLUMNS": ("CONSTRAINT_NAME TABLE_NAME COLUMN_NAME POSITION:n", _cons_columns),
    "INDEXES": ("INDEX_NAME INDEX_TYPE TABLE_OWNER TABLE_NAME UNIQUENESS STATUS PARTITIONED", _indexes),
    "IND_COLUMNS": ("INDEX_NAME TABLE_OWNER TABLE_NAME COLUMN_NAME COLUMN_POSITION:n DESCEND", _ind_columns),
    "TAB_PARTITIONS": (
        """TABLE_NAME COMPOSITE PARTITION_NAME SUBPARTITION_COUNT:n HIGH_VALUE:l HIGH_VALUE_LENGTH:n
        PARTITION_POSITION:n TABLESPACE_NAME NUM_ROWS:n INTERVAL""",
        _tab_partitions,
    ),
    "PART_TABLES": (
        """TABLE_NAME PARTITIONING_TYPE SUBPARTITIONING_TYPE PARTITION_COUNT:n DEF_SUBPARTITION_COUNT:n
        PARTITIONING_KEY_COUNT:n STATUS DEF_TABLESPACE_NAME INTERVAL AUTOLIST""",
        _part_tables,
    ),
    "PART_KEY_COLUMNS": ("NAME OBJECT_TYPE COLUMN_NAME COLUMN_POSITION:n", _part_key_columns),
    "VIEWS": ("VIEW_NAME TEXT_LENGTH:n TEXT:l READ_ONLY", _views),
    "OBJECTS": ("OBJECT_NAME OBJECT_TYPE STATUS", _objects),
    "SEQUENCES": ("SEQUENCE_NAME", lambda database, session: database.sequences),
}
_FIXED = {
    "DUAL": View(_columns("DUMMY"), lambda database, session: [("X",)]),
    "USER_USERS": View(
        _columns("USERNAME USER_ID:n ACCOUNT_STATUS LOCK_DATE:d EXPIRY_DATE:d DEFAULT_TABLESPACE "
                 "TEMPORARY_TABLESPACE CREATED:d PROFILE"), _user),
    "USER_TS_QUOTAS": View(
        _columns("TABLESPACE_NAME BYTES:n MAX_BYTES:n BLOCKS:n MAX_BLOCKS:n DROPPED"),
        lambda database, session: [("USERS", 65536, -1, 8, -1, "NO")]),
    "USER_FREE_SPACE": View(
        _columns("TABLESPACE_NAME FILE_ID:n BLOCK_ID:n BYTES:n BLOCKS:n RELATIVE_FNO:n"),
        lambda database, session: [("USERS", 4, 128, 104857600, 12800, 4)]),
    "DBA_TABLESPACE_USAGE_METRICS": View(
        _columns("TABLESPACE_NAME USED_SPACE:n TABLESPACE_SIZE:n USED_PERCENT:n"),
        lambda database, session: [("USERS", 12800, 4194302, Decimal("0.3"))]),
    "USER_TAB_PRIVS": View(_columns("GRANTEE OWNER TABLE_NAME GRANTOR PRIVILEGE GRANTABLE"), _tab_privs),
    "ALL_TAB_PRIVS": View(
        _columns("GRANTOR GRANTEE TABLE_SCHEMA TABLE_NAME PRIVILEGE GRANTABLE"),
        lambda database, session: [(r[3], r[0], r[1], r[2], r[4], r[5]) for r in _tab_privs(database, session)]),
    "ALL_SYNONYMS": View(
        _columns("OWNER SYNONYM_NAME TABLE_OWNER TABLE_NAME DB_LINK"),
        lambda database, session: [(*name, *target, None) for name, target in database.synonyms.items()]),
    "SESSION_PRIVS": View(
        _columns("PRIVILEGE"),
        lambda database, session: [("CREATE SESSION",), ("CREATE TABLE",), ("CREATE SEQUENCE",)]),
    "NLS_DATABASE_PARAMETERS": View(_columns("PARAMETER VALUE"), _nls_parameters),
    "NLS_SESSION_PARAMETERS": View(_columns("PARAMETER VALUE"), _nls_parameters),
    "V$VERSION": View(
        _columns("BANNER BANNER_FULL BANNER_LEGACY CON_ID:n"),
        lambda database, session: [(b := database.release.banner,
                                    f"{b}\nVersion {database.release.version_text}", b, 0)]),
    "PRODUCT_COMPONENT_VERSION": View(
        _columns("PRODUCT VERSION VERSION_FULL STATUS"),
        lambda database, session: [(database.release.banner, f"{database.release.version[0]}.0.0.0.0",
                                    database.release.version_text, "Production")]),
    "V$INSTANCE": View(
        _columns("INSTANCE_NUMBER:n INSTANCE_NAME HOST_NAME VERSION STATUS DATABASE_STATUS"),
        lambda database, session: [(1, "standin", os.uname().nodename if hasattr(os, "uname") else "standin",
                                    database.release.version_text, "OPEN", "ACTIVE")]),
    "V$SESSION": View(
        _columns("SID:n SERIAL#:n USERNAME STATUS PROGRAM MACHINE MODULE ACTION OSUSER TERMINAL"), _sessions
    ),
}  # fmt: skip


_OWNER = {"IND_COLUMNS": "INDEX_OWNER", "TAB_PARTITIONS": "TABLE_OWNER", "SEQUENCES": "SEQUENCE_OWNER"}


def _owned(
    scope: str, owner: str, names: str, rows: Callable[[Database, SessionView], Iterable[Sequence[Value]]]
) -> View:
    if scope == "ALL":
        return View(_columns(f"{owner} {names}"), rows)
    return View(
        _columns(names),
        lambda database, session: [row[1:] for row in rows(database, session) if row[0] == session.user],
    )


_VIEWS = _FIXED | {
    f"{s}_{name}": _owned(s, _OWNER.get(name, "OWNER"), *what) for s in ("USER", "ALL") for name, what in _OWNED.items()
}


def view(name: str) -> View | None:
    """A view by name; DBA_ views are those of ALL_."""
    return _VIEWS.get(name) or _VIEWS.get(name.replace("DBA_", "ALL_", 1) if name.startswith("DBA_") else name)
