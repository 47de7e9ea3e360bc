"""Rows: one batch as the rows that are bound, each key once, in the order of the keys.

All workers use the same order, so they never wait for each other's row locks in a circle; and it is the order of the
index.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import NamedTuple

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
    ``rivals``: bound records that kept one of their key with other content from being bound.
    ``refusals``: records that the table cannot hold.
    """

    rows: Sequence[Row]
    positions: Sequence[int]
    followers: Mapping[int, Sequence[int]]
    overwritten: frozenset[int]
    rivals: frozenset[int]
    refusals: Refusals


def encode(
    batch: Batch, layout: Layout, on_conflict: OnConflict, latest_ns: int, refused: Mapping[int, Refusal] | None = None
) -> Rows:
    """Make the rows. A record with a timestamp after ``latest_ns`` is refused. Raises ConflictError.

    ``refused``: what is known not to go in, by position; another record may have its key.
    Works on whole columns: there is no function call per value if all values of the batch are floats or ints.
    """
    refusals: Refusals = dict(refused or {})
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
        return Rows(rows, positions, {}, frozenset(), frozenset(), refusals)
    keys = [row[:width] for row in rows]
    followers: dict[int, list[int]] = {}
    overwritten: set[int] = set()
    rivals: set[int] = set()
    if len(set(keys)) < len(keys):
        merged = _Merge(layout, on_conflict, followers, overwritten, rivals, refusals)
        positions, rows, keys = merged.one_per_key(positions, rows, keys)
    order = _order(layout, keys)
    if order is not None:
        rows = [rows[i] for i in order]
        positions = [positions[i] for i in order]
    return Rows(rows, positions, followers, frozenset(overwritten), frozenset(rivals), refusals)


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


class _Merge(NamedTuple):
    """Keeps one row per key, and notes what becomes of the others."""

    layout: Layout
    on_conflict: OnConflict
    followers: dict[int, list[int]]
    overwritten: set[int]
    rivals: set[int]
    refusals: Refusals

    def one_per_key(
        self, positions: Sequence[int], rows: Sequence[Row], keys: Sequence[Row]
    ) -> tuple[list[int], list[Row], list[Row]]:
        """The positions, rows and keys that are left."""
        layout, followers = self.layout, self.followers
        kept: dict[Row, tuple[int, Row]] = {}
        for position, row, key in zip(positions, rows, keys, strict=True):
            if key not in kept:
                kept[key] = (position, row)
                continue
            first, present = kept[key]
            if layout.same(row, layout.content(present)):
                followers.setdefault(first, []).append(position)
                continue
            refusal = conflict(layout, row, layout.content(present), "an earlier record of the batch")
            if self.on_conflict is OnConflict.FAIL:
                raise ConflictError(refusal.message)
            if self.on_conflict is OnConflict.KEEP:
                self.refusals[position] = refusal
                self.rivals.add(first)
            else:
                kept[key] = (position, row)
                followers[position] = [*followers.pop(first, ()), first]
                self.overwritten.update(followers[position])
                self.rivals.discard(first)
                self.rivals.add(position)
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
