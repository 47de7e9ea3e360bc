"""Binding: what a column encoder is, and how rows are refused before the database sees them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol, TypeAlias

import oracledb

from agent_core.api import Batch
from oracle_sink.table.facts import Column

Bind: TypeAlias = str | float | int | Decimal | datetime | None
"""What is bound, and what a query gives back."""

InputSize: TypeAlias = int | oracledb.DbType
"""An argument of ``Cursor.setinputsizes``. Without it the driver binds a datetime as DATE and loses the fraction."""


class Refusal(NamedTuple):
    """Why a value cannot go into its column: an Oracle code where one fits, and a message in Oracle's words."""

    code: str
    message: str


Refusals = dict[int, Refusal]
"""By row number of the batch; the first refusal of a row stays."""

FUTURE = "FUTURE"
"""Code of a row stamped too far ahead."""

INEXACT = "INEXACT"
"""Code of a number that its column would change."""

CONFLICT = "CONFLICT"
"""Code of a row whose key is there with other content."""


class Encoder(Protocol):
    """Makes one column of bind values out of a batch."""

    @property
    def column(self) -> Column:
        """The column it fills."""

    @property
    def input_size(self) -> InputSize:
        """How the column is bound."""

    def encode(self, batch: Batch, refusals: Refusals) -> Sequence[Bind]:
        """One value a row. A row that the column cannot take is entered in ``refusals``; its value is any."""

    def same(self, bound: Bind, stored: Bind) -> bool:
        """True when the database calls what it stored for ``bound`` and ``stored`` equal ('' is NULL, NaN is NaN)."""


def null_refusal(column: Column) -> Refusal:
    """What the database says about NULL in a NOT NULL column."""
    return Refusal("ORA-01400", f'cannot insert NULL into ("{column.table}"."{column.name}")')
