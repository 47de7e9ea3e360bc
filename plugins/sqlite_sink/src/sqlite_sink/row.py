"""Row: what a record looks like in the table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from agent_core.api import QUALITY_NAMES, Batch, Rejection, Value

Cell = float | int | str | None
Row = tuple[str, Cell, str, str, str, str, str, str]
"""tag_name, tag_value, value_type, timestamp, quality, source, device, group_name."""

UNFIT: Final = "UNFIT"
"""Code of a record that cannot be stored."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_INT64: Final = range(-(2**63), 2**63)


class Rows(NamedTuple):
    """``rows[i]`` comes from the record at ``positions[i]``; the others cannot be stored, for these reasons."""

    rows: list[Row]
    positions: Sequence[int]
    refused: tuple[Rejection, ...]


def rows_of(batch: Batch) -> Rows:
    """One row per record that can be stored, in the order of the batch. One that cannot costs no other its row."""
    try:
        return Rows(_rows(batch), range(len(batch)), ())
    except MemoryError:
        raise
    except Exception:  # a value's own methods may raise anything
        return _one_by_one(batch)


def unfit_text(row: Row) -> str | None:
    """Why SQLite cannot store a row that it has refused with others; None if it is not this row's texts."""
    for cell in row:
        if isinstance(cell, str) and not cell.isascii():
            try:
                cell.encode()
            except UnicodeEncodeError as error:
                return f"a text is not valid Unicode: it has {cell[error.start : error.start + 1]!r}"
    return None


def _one_by_one(batch: Batch) -> Rows:
    rows: list[Row] = []
    positions: list[int] = []
    refused: list[Rejection] = []
    for position in range(len(batch)):
        try:
            rows += _rows(batch.slice(position, position + 1))
        except MemoryError:
            raise
        except Exception as error:
            what = f"a {type(batch.values[position]).__name__} makes no value ({type(error).__name__})"
            refused.append(Rejection(position, UNFIT, what))
        else:
            positions.append(position)
    return Rows(rows, positions, tuple(refused))


def _rows(batch: Batch) -> list[Row]:
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
    if not isinstance(value, str):
        raise TypeError(f"no value of a tag is a {type(value).__name__}")
    return value, "str"


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:  # longer than sys.get_int_max_str_digits()
        return hex(value)
