"""Table: the SQL that creates, checks, reads and fills one table."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from agent_core.api import ConfigurationError
from sqlite_sink.row import Cell, Row

Key = tuple[str, str]
"""tag_name, timestamp."""

Content = tuple[Cell, str, str]
"""tag_value, value_type, quality: what is compared when the keys are equal. The origin is not compared."""

COLUMNS: Final = ("tag_name", "tag_value", "value_type", "timestamp", "quality", "source", "device", "group_name")
KEY: Final = ("timestamp", "tag_name")

# Before 3.32, SQLite takes 999 variables per statement; a key needs two.
_KEYS_PER_QUERY: Final = 400


def key_of(row: Row) -> Key:
    """What identifies a row."""
    return row[0], row[3]


def content_of(row: Row) -> Content:
    """What is compared."""
    return row[1], row[2], row[4]


class Table:
    """One table by name. ``name`` has passed the schema's pattern, so it can be quoted as an identifier."""

    def __init__(self, name: str, *, replaces: bool) -> None:
        """``replaces``: ``put`` overwrites a row with the same key instead of failing."""
        self.name = name
        values = f'INTO "{name}" ({", ".join(COLUMNS)}) VALUES ({", ".join("?" * len(COLUMNS))})'
        key = ", ".join(KEY)
        others = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS if column not in KEY)
        self._insert_new = f"INSERT {values} ON CONFLICT ({key}) DO NOTHING"
        self._put = f"INSERT {values}" + (f" ON CONFLICT ({key}) DO UPDATE SET {others}" if replaces else "")

    def create(self, connection: sqlite3.Connection) -> None:
        """Create missing tables and triggers. Raises ConfigurationError like ``check``."""
        self.check(connection)
        # The key begins with the time, so that a batch goes to neighbouring pages. With 3,500 tags and batches of 500,
        # a key that begins with the tag stores a sixth of the rows per second and writes 13 KB to disk per row instead
        # of 0.4 KB. Without rowid the key is the table, so a row is stored once. tag_value has no type, so SQLite keeps
        # each value as it was bound (sqlite.org/datatype3.html, section 3.1).
        connection.execute(
            f"""
            CREATE TABLE IF NOT EXISTS "{self.name}" (
                tag_name   TEXT NOT NULL,
                tag_value,
                value_type TEXT NOT NULL,
                timestamp  TEXT NOT NULL,
                quality    TEXT NOT NULL,
                source     TEXT,
                device     TEXT,
                group_name TEXT,
                PRIMARY KEY (timestamp, tag_name)
            ) WITHOUT ROWID
            """
        )
        # Maintained by triggers: a query for the latest row of a tag that is read once a day would read a day of rows.
        connection.execute(
            f"""
            CREATE TABLE IF NOT EXISTS "{self.name}_latest" (
                tag_name   TEXT NOT NULL PRIMARY KEY,
                tag_value,
                value_type TEXT NOT NULL,
                timestamp  TEXT NOT NULL,
                quality    TEXT NOT NULL,
                source     TEXT,
                device     TEXT,
                group_name TEXT
            ) WITHOUT ROWID
            """
        )
        others = ", ".join(f"{column} = excluded.{column}" for column in COLUMNS if column != "tag_name")
        for event in ("INSERT", "UPDATE"):
            connection.execute(
                f"""
                CREATE TRIGGER IF NOT EXISTS "{self.name}_latest_{event.lower()}" AFTER {event} ON "{self.name}"
                BEGIN
                    INSERT INTO "{self.name}_latest" ({", ".join(COLUMNS)})
                    VALUES ({", ".join(f"new.{column}" for column in COLUMNS)})
                    ON CONFLICT (tag_name) DO UPDATE SET {others} WHERE excluded.timestamp >= timestamp;
                END
                """  # noqa: S608
            )

    def check(self, connection: sqlite3.Connection) -> bool:
        """True if the table exists. Raises ConfigurationError if it has other columns or another key."""
        found = connection.execute("SELECT name, pk FROM pragma_table_info(?)", (self.name,)).fetchall()
        if not found:
            return False
        missing = [column for column in COLUMNS if column not in {name for name, _ in found}]
        if missing:
            raise ConfigurationError(
                f"table {self.name} exists and has no column {', '.join(missing)}; set another table:"
            )
        if {name for name, position in found if position} != set(KEY):
            raise ConfigurationError(
                f"table {self.name} exists and its primary key is not ({', '.join(KEY)}); set another table:"
            )
        return True

    def insert_new(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> int:
        """Insert the rows whose key is not in the table; returns how many."""
        return connection.executemany(self._insert_new, rows).rowcount

    def put(self, connection: sqlite3.Connection, row: Row) -> None:
        """Insert one row, or replace the one with its key."""
        connection.execute(self._put, row)

    def contents(self, connection: sqlite3.Connection, rows: Sequence[Row]) -> dict[Key, Content]:
        """What the table holds for the keys of ``rows``, without those it does not have."""
        keys = list({key_of(row) for row in rows})
        found: dict[Key, Content] = {}
        for start in range(0, len(keys), _KEYS_PER_QUERY):
            chunk = keys[start : start + _KEYS_PER_QUERY]
            query = (
                f"SELECT t.tag_name, t.timestamp, t.tag_value, t.value_type, t.quality "  # noqa: S608
                f'FROM (VALUES {", ".join(["(?, ?)"] * len(chunk))}) AS k CROSS JOIN "{self.name}" AS t '
                f"ON t.tag_name = k.column1 AND t.timestamp = k.column2"
            )
            parameters = [part for key in chunk for part in key]
            for name, timestamp, *content in connection.execute(query, parameters):
                found[name, timestamp] = (content[0], content[1], content[2])
        return found
