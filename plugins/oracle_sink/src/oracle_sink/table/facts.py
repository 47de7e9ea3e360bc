"""Facts: what the data dictionary says about the table."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

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


class Generated(Enum):
    """How the database alone fills a column, as its DDL says it."""

    VIRTUAL = "a virtual column"
    ALWAYS = "GENERATED ALWAYS AS IDENTITY"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. ``kind`` is None for a type that the sink cannot fill.

    ``length`` counts characters if ``in_characters``, else bytes. ``precision`` and ``scale`` are None for a NUMBER
    without them; ``precision`` of a FLOAT counts bits. ``digits`` are those of a TIMESTAMP's fraction. ``generated``:
    an INSERT must not name the column.
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
    generated: Generated | None = None

    @property
    def sql(self) -> str:
        return f'"{self.name}"'

    def __str__(self) -> str:
        return f"{self.table}.{self.name}"


@dataclass(frozen=True, slots=True)
class Key:
    """A primary key, unique constraint or unique index. ``constraint`` is what ORA-00001 calls it: OWNER.NAME.

    Not ``validated`` (NOVALIDATE): rows that were there before it may have the same key twice. ``declared``: only
    ``key:`` says so, not the dictionary.
    """

    constraint: str
    columns: tuple[str, ...]
    primary: bool
    validated: bool = True
    declared: bool = False


@dataclass(frozen=True, slots=True)
class TableFacts:
    """The table under its resolved name. ``keys``: the primary key first."""

    table: TableName
    columns: tuple[Column, ...]
    keys: tuple[Key, ...]
    character_set: str

    def column(self, name: str) -> Column | None:
        return next((column for column in self.columns if column.name == name), None)
