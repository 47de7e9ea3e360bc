"""Facts: what the data dictionary says about the table, read when the first session is opened."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import oracledb

from agent_core.api import ConfigurationError
from oracle_sink.session.codes import NO_TABLE
from oracle_sink.session.errors import code_of
from oracle_sink.table.identifiers import TableName


class ColumnKind(Enum):
    """Column types the sink can fill, by DATA_TYPE of ALL_TAB_COLUMNS."""

    VARCHAR2 = "VARCHAR2"
    NVARCHAR2 = "NVARCHAR2"
    CHAR = "CHAR"
    NCHAR = "NCHAR"
    NUMBER = "NUMBER"
    FLOAT = "FLOAT"
    BINARY_FLOAT = "BINARY_FLOAT"
    BINARY_DOUBLE = "BINARY_DOUBLE"
    DATE = "DATE"
    TIMESTAMP = "TIMESTAMP"
    TIMESTAMP_TZ = "TIMESTAMP WITH TIME ZONE"
    TIMESTAMP_LTZ = "TIMESTAMP WITH LOCAL TIME ZONE"


TEXTS: Final = frozenset({ColumnKind.VARCHAR2, ColumnKind.NVARCHAR2, ColumnKind.CHAR, ColumnKind.NCHAR})
NUMBERS: Final = frozenset({ColumnKind.NUMBER, ColumnKind.FLOAT, ColumnKind.BINARY_FLOAT, ColumnKind.BINARY_DOUBLE})
TIMES: Final = frozenset({ColumnKind.DATE, ColumnKind.TIMESTAMP, ColumnKind.TIMESTAMP_TZ, ColumnKind.TIMESTAMP_LTZ})

_TIMESTAMP: Final = re.compile(r"TIMESTAMP\((\d)\)( WITH (?:LOCAL )?TIME ZONE)?")


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``kind`` is None for a type that the sink cannot fill.

    ``length`` counts characters if ``in_characters``, else bytes. ``precision`` and ``scale`` are None for a NUMBER
    without them; ``precision`` of a FLOAT counts bits. ``digits`` are those of a TIMESTAMP's fraction.
    """

    table: str
    name: str
    data_type: str
    kind: ColumnKind | None
    nullable: bool
    length: int = 0
    in_characters: bool = False
    precision: int | None = None
    scale: int | None = None
    digits: int = 0
    has_default: bool = False

    @property
    def sql(self) -> str:
        return f'"{self.name}"'

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


@dataclass(frozen=True, slots=True)
class Key:
    """A primary key, unique constraint or unique index. ``constraint`` is what ORA-00001 calls it: OWNER.NAME."""

    constraint: str
    columns: tuple[str, ...]
    primary: bool


@dataclass(frozen=True, slots=True)
class TableFacts:
    """The table under its resolved name. ``keys``: the primary key first."""

    table: TableName
    columns: tuple[Column, ...]
    keys: tuple[Key, ...]
    character_set: str

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)


_COLUMNS: Final = """
    SELECT column_name, data_type, data_length, data_precision, data_scale, nullable, char_used, char_length,
           data_default
    FROM all_tab_columns WHERE owner = :1 AND table_name = :2 ORDER BY column_id"""
_CONSTRAINTS: Final = """
    SELECT c.owner, c.constraint_name, c.constraint_type, k.column_name
    FROM all_constraints c
    JOIN all_cons_columns k ON k.owner = c.owner AND k.constraint_name = c.constraint_name
    WHERE c.owner = :1 AND c.table_name = :2 AND c.constraint_type IN ('P', 'U') AND c.status = 'ENABLED'
    ORDER BY c.constraint_type, c.constraint_name, k.position"""
_INDEXES: Final = """
    SELECT i.owner, i.index_name, k.column_name
    FROM all_indexes i
    JOIN all_ind_columns k
      ON k.index_name = i.index_name AND k.table_owner = i.table_owner AND k.table_name = i.table_name
    WHERE i.table_owner = :1 AND i.table_name = :2 AND i.uniqueness = 'UNIQUE' AND i.index_type = 'NORMAL'
    ORDER BY i.index_name, k.column_position"""
_SYNONYM: Final = """
    SELECT table_owner, table_name FROM all_synonyms
    WHERE synonym_name = :1 AND owner IN (:2, 'PUBLIC') AND db_link IS NULL ORDER BY DECODE(owner, 'PUBLIC', 1, 0)"""
_CHARACTER_SET: Final = "SELECT value FROM nls_database_parameters WHERE parameter = 'NLS_CHARACTERSET'"
_SCHEMA: Final = "SELECT SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') FROM dual"


def read_facts(connection: oracledb.Connection, table: TableName) -> TableFacts:
    """Read the dictionary with six queries, each limited by the connection's call time-out.

    Raises ConfigurationError if there is no such table, and what the driver raises.
    """
    with connection.cursor() as cursor:
        owner = table.owner or _text(cursor.execute(_SCHEMA).fetchone())
        found = TableName(owner, table.name)
        columns = _columns(cursor, found)
        if not columns:
            target = _synonym(cursor, table.name, owner)
            if target is not None:
                found = target
                columns = _columns(cursor, found)
        if not columns:
            raise ConfigurationError(
                f"table {table}: not found as {owner}.{table.name}; check table:, create it with a script in ddl/, or "
                "ask for SELECT and INSERT on it",
                code=NO_TABLE,
            )
        return TableFacts(found, columns, _keys(cursor, found), _text(cursor.execute(_CHARACTER_SET).fetchone()))


def _columns(cursor: oracledb.Cursor, table: TableName) -> tuple[Column, ...]:
    rows: Sequence[tuple[str, str, int, int | None, int | None, str, str | None, int | None, str | None]]
    rows = cursor.execute(_COLUMNS, [table.owner, table.name]).fetchall()
    columns = []
    for name, data_type, data_length, precision, scale, nullable, char_used, char_length, default in rows:
        kind, digits = _kind(data_type)
        national = kind in (ColumnKind.NVARCHAR2, ColumnKind.NCHAR)
        in_characters = char_used == "C" or national
        columns.append(
            Column(
                table=table.name,
                name=name,
                data_type=data_type,
                kind=kind,
                nullable=nullable == "Y",
                length=int((char_length if in_characters else data_length) or 0),
                in_characters=in_characters,
                precision=None if precision is None else int(precision),
                scale=None if scale is None else int(scale),
                digits=digits,
                has_default=default is not None and default.strip().upper() != "NULL",
            )
        )
    return tuple(columns)


def _kind(data_type: str) -> tuple[ColumnKind | None, int]:
    stamp = _TIMESTAMP.fullmatch(data_type)
    if stamp is not None:
        return ColumnKind("TIMESTAMP" + (stamp[2] or "")), int(stamp[1])
    try:
        return ColumnKind(data_type), 0
    except ValueError:
        return None, 0


def _keys(cursor: oracledb.Cursor, table: TableName) -> tuple[Key, ...]:
    columns: dict[str, list[str]] = {}
    primary: set[str] = set()
    for owner, name, constraint_type, column in cursor.execute(_CONSTRAINTS, [table.owner, table.name]).fetchall():
        columns.setdefault(f"{owner}.{name}", []).append(column)
        if constraint_type == "P":
            primary.add(f"{owner}.{name}")
    known = {tuple(sorted(names)) for names in columns.values()}
    # An index that enforces a constraint has the columns of the constraint, and ORA-00001 names the constraint.
    indexes: dict[str, list[str]] = {}
    for owner, name, column in cursor.execute(_INDEXES, [table.owner, table.name]).fetchall():
        indexes.setdefault(f"{owner}.{name}", []).append(column)
    for name, names in indexes.items():
        if name not in columns and tuple(sorted(names)) not in known:
            columns[name] = names
    keys = [Key(name, tuple(names), name in primary) for name, names in columns.items()]
    return tuple(sorted(keys, key=lambda key: not key.primary))


def _synonym(cursor: oracledb.Cursor, name: str, owner: str) -> TableName | None:
    try:
        row = cursor.execute(_SYNONYM, [name, owner]).fetchone()
    except oracledb.DatabaseError as error:
        if code_of(error) == NO_TABLE:
            return None
        raise
    return None if row is None else TableName(row[0], row[1])


def _text(row: tuple[str, ...] | None) -> str:
    return row[0] if row is not None else ""
