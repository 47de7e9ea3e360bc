"""Row: what a record looks like in the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from agent_core.api import QUALITY_NAMES, Batch, Value

Cell = float | int | str | None
Row = tuple[str, Cell, str, str, str, str, str, str]
"""tag_name, tag_value, value_type, timestamp, quality, source, device, group_name."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT64: Final = range(-(2**63), 2**63)


def rows_of(batch: Batch) -> list[Row]:
    """One row per record, in the order of the batch."""
    cells = [_cell(value) for value in batch.values]
    return [
        (name, cell, value_type, stamp, QUALITY_NAMES[quality], *origin)
        for name, (cell, value_type), stamp, quality, origin in zip(
            batch.names, cells, _timestamps(batch), batch.qualities, batch.origins(), strict=True
        )
    ]


def timestamp_text(timestamp_ns: int) -> str:
    """ISO 8601 in UTC with nine fractional digits. The texts sort like the times: int64 ns end in the year 2262."""
    seconds, nanoseconds = divmod(timestamp_ns, 1_000_000_000)
    return f"{_second_text(seconds)}.{nanoseconds:09d}Z"


def _timestamps(batch: Batch) -> Sequence[str] | Iterator[str]:
    stamps = batch.timestamps_ns
    if isinstance(stamps, int):
        return (timestamp_text(stamps),) * len(batch)
    known = {stamp: timestamp_text(stamp) for stamp in set(stamps)}
    return map(known.__getitem__, stamps)


def _second_text(seconds: int) -> str:
    # Not datetime.fromtimestamp, which refuses times before 1970 on Windows.
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


def _cell(value: Value) -> tuple[Cell, str]:
    """The value in the form that SQLite stores best, and the name of its type.

    NaN becomes a text because SQLite stores it as NULL (sqlite.org/floatingpoint.html); an integer beyond int64 and
    a Decimal become texts because a REAL would round them.
    """
    if isinstance(value, bool):
        return int(value), "bool"
    if isinstance(value, float):
        return (value if value == value else "NaN"), "float"
    if isinstance(value, int):
        return (value if value in _INT64 else _digits(value)), "int"
    if isinstance(value, Decimal):
        return str(value), "decimal"
    if value is None:
        return None, "null"
    return value, "str"


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # longer than sys.get_int_max_str_digits()
        return hex(value)
