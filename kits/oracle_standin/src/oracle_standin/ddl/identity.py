"""What follows from a column definition once the table is known: an identity's sequence, a virtual column's type."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from oracle_standin.ddl.column import read_column
from oracle_standin.errors import OraError
from oracle_standin.sql.datatype import ANY_SCALE, LITERAL, NULL, Datatype, WireType
from oracle_standin.sql.expression import Compiler
from oracle_standin.sql.scope import Scope, SessionView, Source
from oracle_standin.store.table import Column, Table

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

_numbers = itertools.count(70001)
_TEXT_BYTES = 4000


def complete(database: Database, session: SessionView, table: Table, column: Column) -> None:
    """Gives text its character set, names the sequence of an identity, checks a virtual column.

    Raises ORA-00904, 30669 and 54012.
    """
    column.type = column.type.within(database.charset)
    if column.identity:
        if sum(bool(c.identity) for c in table.columns) > 1:
            raise OraError(30669, "table can have only one identity column")
        assert column.sequence is not None
        name = f"ISEQ$$_{next(_numbers)}"
        column.default_text = f'"{table.schema}"."{name}".nextval'
        database.sequences[table.schema, name] = column.sequence
    if column.virtual is None:
        return
    plain = [c for c in table.columns if c.virtual is None]
    source = Source(table.name, [(c.name, c.type, c.nullable) for c in plain])
    try:
        _, kind = Compiler(database, session, [], Scope([source])).compile(column.virtual)
    except OraError as error:
        if error.code == 904 and any(f'"{c.name}"' in error.message for c in table.columns):
            raise OraError(54012, "virtual column is referenced in a column expression") from None
        raise
    if column.type == NULL.within(database.charset):
        text = kind in (NULL, LITERAL) or kind.kind is WireType.VARCHAR
        column.type = Datatype(WireType.VARCHAR, size=_TEXT_BYTES) if text and not kind.size else kind
        if kind.kind is WireType.NUMBER and not kind.precision:
            column.type = Datatype(WireType.NUMBER, scale=ANY_SCALE)


ARCHIVE_STATE = "ORA_ARCHIVE_STATE"


def archive_column() -> Column:
    """The hidden column of ROW ARCHIVAL; rows in which it is not '0' are not seen."""
    column, _ = read_column(f"{ARCHIVE_STATE} VARCHAR2(4000) DEFAULT '0' NOT NULL")
    column.hidden = column.system = True
    return column
