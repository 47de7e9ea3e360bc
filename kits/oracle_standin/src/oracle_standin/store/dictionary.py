"""The data dictionary views that a client of this database reads, with only the columns that it needs.

USER_ views show the user's own schema, ALL_ views (with OWNER first) also what was granted; the constraint and
index views have a row for each constraint the store keeps.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

from oracle_standin.sql.conversion import Value
from oracle_standin.sql.datatype import DATE, LONG, NUMBER, Datatype, WireType
from oracle_standin.sql.scope import SessionView
from oracle_standin.store import description

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
    for other in filter(attrgetter("user"), list(database.sessions)):
        status = "ACTIVE" if other is session else "INACTIVE"
        yield (
            other.sid, other.serial, other.user, status, other.program, other.machine, other.module, other.action,
            other.os_user, other.terminal,
        )  # fmt: skip


_OWNED = {
    "TABLES": ("TABLE_NAME TABLESPACE_NAME STATUS PARTITIONED TEMPORARY NUM_ROWS:n", description.tables),
    "TAB_COLUMNS": (
        """TABLE_NAME COLUMN_NAME DATA_TYPE DATA_LENGTH:n DATA_PRECISION:n DATA_SCALE:n NULLABLE COLUMN_ID:n
        DATA_DEFAULT:l CHAR_LENGTH:n CHAR_USED DEFAULT_ON_NULL IDENTITY_COLUMN DEFAULT_LENGTH:n""",
        description.tab_columns,
    ),
    "TAB_COLS": (
        """TABLE_NAME COLUMN_NAME DATA_TYPE DATA_LENGTH:n DATA_PRECISION:n DATA_SCALE:n NULLABLE COLUMN_ID:n
        DATA_DEFAULT:l CHAR_LENGTH:n CHAR_USED DEFAULT_ON_NULL IDENTITY_COLUMN DEFAULT_LENGTH:n HIDDEN_COLUMN
        VIRTUAL_COLUMN SEGMENT_COLUMN_ID:n INTERNAL_COLUMN_ID:n USER_GENERATED""",
        description.tab_cols,
    ),
    "TAB_IDENTITY_COLS": (
        "TABLE_NAME COLUMN_NAME GENERATION_TYPE SEQUENCE_NAME IDENTITY_OPTIONS",
        description.identities,
    ),
    "CONSTRAINTS": (
        """CONSTRAINT_NAME CONSTRAINT_TYPE TABLE_NAME STATUS VALIDATED INDEX_NAME SEARCH_CONDITION:l DEFERRABLE
        DEFERRED""",
        description.constraints,
    ),
    "CONS_COLUMNS": ("CONSTRAINT_NAME TABLE_NAME COLUMN_NAME POSITION:n", description.cons_columns),
    "INDEXES": ("INDEX_NAME INDEX_TYPE TABLE_OWNER TABLE_NAME UNIQUENESS STATUS PARTITIONED", description.indexes),
    "IND_COLUMNS": ("INDEX_NAME TABLE_OWNER TABLE_NAME COLUMN_NAME COLUMN_POSITION:n DESCEND", description.ind_columns),
    "TAB_PARTITIONS": (
        """TABLE_NAME COMPOSITE PARTITION_NAME SUBPARTITION_COUNT:n HIGH_VALUE:l HIGH_VALUE_LENGTH:n
        PARTITION_POSITION:n TABLESPACE_NAME NUM_ROWS:n INTERVAL""",
        description.tab_partitions,
    ),
    "PART_TABLES": (
        """TABLE_NAME PARTITIONING_TYPE SUBPARTITIONING_TYPE PARTITION_COUNT:n DEF_SUBPARTITION_COUNT:n
        PARTITIONING_KEY_COUNT:n STATUS DEF_TABLESPACE_NAME INTERVAL AUTOLIST""",
        description.part_tables,
    ),
    "PART_KEY_COLUMNS": ("NAME OBJECT_TYPE COLUMN_NAME COLUMN_POSITION:n", description.part_key_columns),
    "VIEWS": ("VIEW_NAME TEXT_LENGTH:n TEXT:l READ_ONLY", description.views),
    "OBJECTS": ("OBJECT_NAME OBJECT_TYPE STATUS", description.objects),
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
