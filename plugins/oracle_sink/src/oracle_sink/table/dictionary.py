"""Dictionary: reads the facts about a table, in a time limit of its own.

Every query names the table and its owner on both sides of a join: without that, a join of the dictionary's views takes
minutes in a database with many objects. No LONG column is read: each costs another round trip.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import oracledb

from agent_core.api import ConfigurationError
from oracle_sink.session.codes import ABSENT, CALL_TIMEOUT, NO_TABLE
from oracle_sink.session.driver import DRIVER_ERRORS, limit_calls
from oracle_sink.session.errors import code_of, text_of
from oracle_sink.session.soundness import connection_is_lost
from oracle_sink.table.facts import Column, ColumnKind, Generated, Key, TableFacts
from oracle_sink.table.identifiers import TableName

DICTIONARY_SECONDS: Final = 60.0
"""For all queries of one reading together. Ordinary calls are short; a dictionary with many objects may be slow."""

_SYNONYMS: Final = 8
"""How many synonyms may lead to the table, one to the next."""

_NOT_THERE: Final = ABSENT | {"ORA-00904", "ORA-01031"}
"""A view that this release does not have, or that the account may not read."""

_ROLLBACKS: Final = 3

_TIMESTAMP: Final = re.compile(r"TIMESTAMP\((\d)\)( WITH (?:LOCAL )?TIME ZONE)?")

# Hidden virtual columns are those of function-based indexes and extended statistics.
_COLUMNS: Final = """
    SELECT column_name, data_type, data_length, data_precision, data_scale, nullable, char_used, char_length,
           default_length, virtual_column
    FROM all_tab_cols
    WHERE owner = :1 AND table_name = :2 AND (hidden_column = 'NO' OR virtual_column = 'NO')
    ORDER BY column_id"""
_IDENTITY: Final = """
    SELECT column_name FROM all_tab_identity_cols
    WHERE owner = :1 AND table_name = :2 AND generation_type = 'ALWAYS'"""
_CONSTRAINTS: Final = """
    SELECT c.owner, c.constraint_name, c.constraint_type, c.validated, k.column_name
    FROM all_constraints c
    JOIN all_cons_columns k
      ON k.owner = c.owner AND k.table_name = c.table_name AND k.constraint_name = c.constraint_name
    WHERE c.owner = :1 AND c.table_name = :2 AND k.owner = :3 AND k.table_name = :4
      AND c.constraint_type IN ('P', 'U') AND c.status = 'ENABLED'
    ORDER BY c.constraint_type, c.constraint_name, k.position"""
_INDEXES: Final = """
    SELECT i.owner, i.index_name, k.column_name
    FROM all_indexes i
    JOIN all_ind_columns k
      ON k.index_owner = i.owner AND k.index_name = i.index_name
      AND k.table_owner = i.table_owner AND k.table_name = i.table_name
    WHERE i.table_owner = :1 AND i.table_name = :2 AND k.table_owner = :3 AND k.table_name = :4
      AND i.uniqueness = 'UNIQUE' AND i.index_type IN ('NORMAL', 'NORMAL/REV')
    ORDER BY i.index_name, k.column_position"""
_SYNONYM: Final = """
    SELECT table_owner, table_name, db_link FROM all_synonyms
    WHERE synonym_name = :1 AND owner IN (:2, :3) ORDER BY DECODE(owner, 'PUBLIC', 1, 0)"""
_TEMPORARY: Final = "SELECT temporary FROM all_tables WHERE owner = :1 AND table_name = :2"
_CHARACTER_SET: Final = "SELECT value FROM nls_database_parameters WHERE parameter = 'NLS_CHARACTERSET'"
_SCHEMA: Final = "SELECT SYS_CONTEXT('USERENV', 'CURRENT_SCHEMA') FROM dual"


class Dictionary:
    """Queries that share one time limit. Make it with ``reading``."""

    def __init__(self, connection: oracledb.Connection, cursor: oracledb.Cursor, limit_seconds: float) -> None:
        self._connection = connection
        self._cursor = cursor
        self._deadline = time.monotonic() + limit_seconds

    def rows(self, sql: str, *binds: str | int) -> Sequence[tuple[Any, ...]]:
        """All rows of a query. Raises what the driver raises; DPY-4024 when the time is up."""
        left = self._deadline - time.monotonic()
        limit_calls(self._connection, max(1, round(left * 1000)))
        found: Sequence[tuple[Any, ...]] = self._cursor.execute(sql, list(binds)).fetchall()
        return found

    def rows_if_there(self, sql: str, *binds: str | int) -> Sequence[tuple[Any, ...]] | None:
        """The rows, or None if this release has no such view or the account may not read it."""
        try:
            return self.rows(sql, *binds)
        except oracledb.DatabaseError as error:
            if code_of(error) in _NOT_THERE:
                return None
            raise


@contextmanager
def limited(connection: oracledb.Connection, seconds: float) -> Iterator[None]:
    """Limit each call in the block; afterwards the connection has the call time-out that it had."""
    before = connection.call_timeout
    try:
        limit_calls(connection, max(1, round(seconds * 1000)))
        yield
    finally:
        limit_calls(connection, before)


def works_again(connection: oracledb.Connection, error: BaseException) -> bool:
    """True if the session can be used after the error. After a call time-out, its break may hit the next call."""
    code = code_of(error)
    if code != CALL_TIMEOUT:
        return not connection_is_lost(code, text_of(error))
    for _ in range(_ROLLBACKS):
        try:
            connection.rollback()
        except DRIVER_ERRORS:
            continue
        return True
    return False


@contextmanager
def reading(connection: oracledb.Connection, limit_seconds: float = DICTIONARY_SECONDS) -> Iterator[Dictionary]:
    """Ask the dictionary; afterwards the connection has the call time-out that it had."""
    with limited(connection, limit_seconds), connection.cursor() as cursor:
        cursor.arraysize = cursor.prefetchrows = 1001
        yield Dictionary(connection, cursor, limit_seconds)


def read_facts(
    connection: oracledb.Connection, table: TableName, limit_seconds: float = DICTIONARY_SECONDS
) -> TableFacts:
    """Read what the dictionary says, in ``limit_seconds`` for all of it.

    Raises ConfigurationError if there is no such table or it is a temporary one, and what the driver raises.
    """
    with reading(connection, limit_seconds) as dictionary:
        found, columns = _resolved(dictionary, table)
        if list(dictionary.rows_if_there(_TEMPORARY, str(found.owner), found.name) or ()) == [("Y",)]:
            raise ConfigurationError(
                f"table {table}: {found} is a temporary table, which forgets its rows when a transaction or a session "
                "ends; set table: to an ordinary one"
            )
        keys = _keys(dictionary, found)
        return TableFacts(found, columns, keys, _text(dictionary.rows(_CHARACTER_SET)))


def _resolved(dictionary: Dictionary, table: TableName) -> tuple[TableName, tuple[Column, ...]]:
    """The table or view that a name means, through synonyms, and its columns."""
    owner = table.owner or _text(dictionary.rows(_SCHEMA))
    found = TableName(owner, table.name)
    public = "PUBLIC" if table.owner is None else owner
    for _ in range(_SYNONYMS + 1):
        columns = _columns(dictionary, found)
        if columns:
            return found, columns
        target = dictionary.rows_if_there(_SYNONYM, found.name, str(found.owner), public)
        if not target:
            break
        target_owner, target_name, link = target[0]
        if link is not None:
            raise ConfigurationError(
                f"table {table}: {found} is a synonym for a table of another database ({link}); point dsn: at that "
                "database"
            )
        # The target's owner is the synonym's own creator if the target is a public synonym.
        found, public = TableName(target_owner, target_name), "PUBLIC"
    else:
        raise ConfigurationError(f"table {table}: more than {_SYNONYMS} synonyms, or a loop of them, lead to {found}")
    led = "" if (found.owner, found.name) == (owner, table.name) else f", which leads to {found}"
    raise ConfigurationError(
        f"table {table}: not found as {owner}.{table.name}{led}; check table:, create it with a script in ddl/, or "
        "ask for SELECT and INSERT on it",
        code=NO_TABLE,
    )


def _columns(dictionary: Dictionary, table: TableName) -> tuple[Column, ...]:
    owner = str(table.owner)
    rows = dictionary.rows(_COLUMNS, owner, table.name)
    if not rows:
        return ()
    identities = {name for (name,) in dictionary.rows_if_there(_IDENTITY, owner, table.name) or ()}
    return tuple(_column(table, row, identities) for row in rows)


def _column(table: TableName, row: tuple[Any, ...], identities: set[str]) -> Column:
    name, data_type, data_length, precision, scale, nullable, char_used, char_length, default_length, virtual = row
    kind, digits = _kind(data_type)
    in_characters = char_used == "C" or kind in (ColumnKind.NVARCHAR2, ColumnKind.NCHAR)
    identity = Generated.ALWAYS if name in identities else None
    return Column(
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
        has_default=bool(default_length),
        generated=Generated.VIRTUAL if virtual == "YES" else identity,
    )


def _kind(data_type: str) -> tuple[ColumnKind | None, int]:
    stamp = _TIMESTAMP.fullmatch(data_type)
    if stamp is not None:
        return ColumnKind("TIMESTAMP" + (stamp[2] or "")), int(stamp[1])
    try:
        return ColumnKind(data_type), 0
    except ValueError:
        return None, 0


def _keys(dictionary: Dictionary, table: TableName) -> tuple[Key, ...]:
    """The primary key first, then unique constraints, then unique indexes."""
    binds = (str(table.owner), table.name) * 2
    columns: dict[str, list[str]] = {}
    primary: set[str] = set()
    old: set[str] = set()
    for owner, name, constraint_type, validated, column in dictionary.rows(_CONSTRAINTS, *binds):
        columns.setdefault(f"{owner}.{name}", []).append(column)
        if constraint_type == "P":
            primary.add(f"{owner}.{name}")
        if validated != "VALIDATED":
            old.add(f"{owner}.{name}")
    known = {tuple(sorted(names)) for names in columns.values()}
    # An index that enforces a constraint has the columns of the constraint, and ORA-00001 names the constraint.
    indexes: dict[str, list[str]] = {}
    for owner, name, column in dictionary.rows(_INDEXES, *binds):
        indexes.setdefault(f"{owner}.{name}", []).append(column)
    for name, names in indexes.items():
        if name not in columns and tuple(sorted(names)) not in known:
            columns[name] = names
    keys = [Key(name, tuple(names), name in primary, name not in old) for name, names in columns.items()]
    return tuple(sorted(keys, key=lambda key: not key.primary))


def _text(rows: Sequence[tuple[Any, ...]]) -> str:
    return str(rows[0][0]) if rows else ""
