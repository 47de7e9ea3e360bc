"""Binding: what a column encoder is, and how records are refused before they reach the database."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol, TypeAlias

import oracledb

from agent_core.api import Batch
from oracle_sink.table.facts import Column

Bind: TypeAlias = str | float | int | Decimal | datetime | None
"""What is bound, and what a query returns."""

InputSize: TypeAlias = int | oracledb.DbType
"""An argument of ``Cursor.setinputsizes``. Without it, the driver binds a datetime as DATE and loses the fraction."""


class Refusal(NamedTuple):
    """Why a value cannot be stored in its column: an Oracle code if one fits, and a message in Oracle's words."""

    code: str
    message: str


Refusals = dict[int, Refusal]
"""By position in the batch; the first refusal of a record counts."""

FUTURE = "FUTURE"
"""Code of a record whose timestamp is too far ahead."""

INEXACT = "INEXACT"
"""Code of a number that its column would change."""

UNFIT = "UNFIT"
"""Code of a value of which no column value can be made at all."""

HIDDEN = "HIDDEN"
"""Code of a record whose key is taken in the table by a row that cannot be found."""

CONFLICT = "CONFLICT"
"""Code of a record whose key is in the table with other content."""


class Encoder(Protocol):
    """Makes one column of bind values from a batch."""

    @property
    def column(self) -> Column:
        """The column it fills."""

    @property
    def input_size(self) -> InputSize:
        """How the column is bound."""

    def encode(self, batch: Batch, refusals: Refusals) -> Sequence[Bind]:
        """One value per record. A record that the column cannot hold is added to ``refusals``, with any value."""

    def same(self, bound: Bind, stored: Bind) -> bool:
        """True if the database considers ``stored`` equal to what it stores for ``bound`` ('' is NULL, NaN is NaN)."""


def null_refusal(column: Column) -> Refusal:
    """The database's error for NULL in a NOT NULL column."""
    return Refusal("ORA-01400", f'cannot insert NULL into ("{column.table}"."{column.name}")')
