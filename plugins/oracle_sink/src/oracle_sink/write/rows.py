"""Rows: one batch as the rows that are bound, each key once, in the order of the keys.

All workers use the same order, so they never wait for each other's row locks in a circle; and it is the order of the
index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat

from agent_core.api import Batch
from oracle_sink.config import OnConflict
from oracle_sink.table.binding import CONFLICT, FUTURE, UNFIT, Bind, Encoder, Refusal, Refusals
from oracle_sink.table.layout import Layout

Row = tuple[Bind, ...]


class ConflictError(Exception):
    """Two records have the same key and different content, and ``on_conflict`` is ``fail``."""


@dataclass(frozen=True, slots=True)
class Rows:
    """What is bound. ``rows[i]`` comes from the record at ``positions[i]`` of the batch.

    ``followers``: records that are not bound because another one with the same key is; they share its fate.
    ``overwritten``: those of them that had other content and were replaced by a later record (``on_conflict: update``).
    ``refusals``: records that the table cannot hold.
    """

    rows: Sequence[Row]
    positions: Sequence[int]
    followers: Mapping[int, Sequence[int]]
    overwritten: frozenset[int]
    refusals: Refusals


def encode(batch: Batch, layout: Layout, on_conflict: OnConflict, latest_ns: int) -> Rows:
    """Make the rows. A record with a timestamp after ``latest_ns`` is refused. Raises ConflictError.

    Works on whole columns: there is no function call per value if all values of the batch are floats or ints.
    """
    refusals: Refusals = {}
    columns = [_column(encoder, batch, refusals) for encoder in layout.encoders]
    _refuse_future(batch, latest_ns, refusals)
    rows: list[Row] = list(zip(*columns, strict=True))
    count = len(rows)
    positions: Sequence[int] = range(count)
    if refusals:
        positions = [position for position in positions if position not in refusals]
        rows = [rows[position] for position in positions]
    width = layout.key_width
    if not width:
        return Rows(rows, positions, {}, frozenset(), refusals)
    keys = [row[:width] for row in rows]
    followers: dict[int, list[int]] = {}
    overwritten: set[int] = set()
    if len(set(keys)) < len(keys):
        positions, rows, keys = _merge(layout, on_conflict, positions, rows, keys, followers, overwritten, refusals)
    order = _order(layout, keys)
    if order is not None:
        rows = [rows[i] for i in order]
        positions = [positions[i] for i in order]
    return Rows(rows, positions, followers, frozenset(overwritten), refusals)


def _column(encoder: Encoder, batch: Batch, refusals: Refusals) -> Sequence[Bind]:
    """One column. A value that its encoder cannot even refuse costs its record, not the batch."""
    try:
        return encoder.encode(batch, refusals)
    except MemoryError:
        raise
    except Exception:  # a value's own methods may raise anything
        return _one_by_one(encoder, batch, refusals)


def _one_by_one(encoder: Encoder, batch: Batch, refusals: Refusals) -> Sequence[Bind]:
    column: list[Bind] = []
    for position in range(len(batch)):
        found: Refusals = {}
        try:
            (bind,) = encoder.encode(batch.slice(position, position + 1), found)
        except MemoryError:
            raise
        except Exception as error:
            value_type = type(batch.values[position]).__name__
            bind = None
            found[0] = Refusal(UNFIT, f"{encoder.column}: a {value_type} makes no value ({type(error).__name__})")
        if found:
            refusals.setdefault(position, found[0])
        column.append(bind)
    return column


def _order(layout: Layout, keys: Sequence[Row]) -> list[int] | None:
    """The indices that sort the keys; None if they are sorted."""
    if any(encoder.column.nullable for encoder in layout.encoders[: layout.key_width]):
        comparable = [tuple((part is not None, part) for part in key) for key in keys]
        return sorted(range(len(keys)), key=comparable.__getitem__)
    if all(map(tuple.__le__, keys, keys[1:])):
        return None
    return sorted(range(len(keys)), key=keys.__getitem__)


def _merge(
    layout: Layout,
    on_conflict: OnConflict,
    positions: Sequence[int],
    rows: Sequence[Row],
    keys: Sequence[Row],
    followers: dict[int, list[int]],
    overwritten: set[int],
    refusals: Refusals,
) -> tuple[list[int], list[Row], list[Row]]:
    """Keep one row per key, and note what becomes of the others."""
    kept: dict[Row, tuple[int, Row]] = {}
    for position, row, key in zip(positions, rows, keys, strict=True):
        if key not in kept:
            kept[key] = (position, row)
            continue
        first, present = kept[key]
        if layout.same(row, layout.content(present)):
            followers.setdefault(first, []).append(position)
        elif on_conflict is OnConflict.KEEP:
            refusals[position] = conflict(layout, row, layout.content(present), "an earlier record of the batch")
        elif on_conflict is OnConflict.UPDATE:
            kept[key] = (position, row)
            followers[position] = [*followers.pop(first, ()), first]
            overwritten.update(followers[position])
        else:
            raise ConflictError(
                conflict(layout, row, layout.content(present), "an earlier record of the batch").message
            )
    return [position for position, _ in kept.values()], [row for _, row in kept.values()], list(kept)


def conflict(layout: Layout, row: Row, present: Sequence[Bind], where: str) -> Refusal:
    """The refusal of a row whose key is in the table, or in the batch, with other content."""
    return Refusal(
        CONFLICT,
        f"{layout.shown(row)}: {where} has {layout.shown_content(present)}, "
        f"the new record {layout.shown_content(layout.content(row))}",
    )


def _refuse_future(batch: Batch, latest_ns: int, refusals: Refusals) -> None:
    stamps = batch.timestamps_ns
    if (stamps if isinstance(stamps, int) else max(stamps, default=latest_ns)) <= latest_ns:
        return
    limit = _utc(latest_ns)
    each = repeat(stamps, len(batch)) if isinstance(stamps, int) else stamps
    for position, stamp in enumerate(each):
        if stamp > latest_ns:
            refusals.setdefault(
                position, Refusal(FUTURE, f"its time is {_utc(stamp)}, later than {limit} (max_future)")
            )


def _utc(timestamp_ns: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=timestamp_ns // 1000)).isoformat()
