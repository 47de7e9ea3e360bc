"""Batcher: the batch that each poll of a group makes."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from agent_core.api import BAD, EMPTY, GOOD, Batch, Origin, Segment, Value
from polling_source.config import BadRecords
from polling_source.engine.filter import TagFilter
from polling_source.reading.reading import Reading


class Batcher:
    """Turns readings into batches: which records of tags that cannot be read, and which of tags that report changes.

    When every record goes out, which is the usual poll, all batches share one tuple of names. Used by one thread.
    """

    def __init__(self, origin: Origin, names: Sequence[str], bad_records: BadRecords, tag_filter: TagFilter) -> None:
        self.suppressed = 0
        """Values that a deadband or on-change held back."""
        self.reported: frozenset[int] = frozenset()
        """The records that were BAD last time."""
        self._origin = origin
        self._names = tuple(names)
        self._bad_records = bad_records
        self._filter = None if tag_filter.is_empty else tag_filter
        self._all_good = bytes((GOOD,)) * len(self._names)
        self._all_bad = Reading([None] * len(self._names), range(len(self._names)))
        self._sequence = 0

    def batch(self, reading: Reading, now: float, time_ns: int) -> Batch:
        """The records of one poll, perhaps none.

        ``now``: monotonic seconds; ``time_ns``: for records without a time of their own.
        """
        qualities = reading.qualities or self._all_good
        if self._filter is None and not reading.bad and not self.reported:
            return self._build(self._names, reading.values, qualities, reading.timestamps_ns, time_ns)
        hidden = self._hide_bad(reading.bad)
        if len(hidden) == len(self._names):
            return EMPTY
        marked = bytearray(qualities)
        for position in reading.bad:
            marked[position] = BAD
        values = list(reading.values)
        if self._filter is not None:
            unchanged = self._filter.apply(values, marked, now)
            self.suppressed += len(unchanged)
            hidden |= unchanged
        if not hidden:
            return self._build(self._names, values, bytes(marked), reading.timestamps_ns, time_ns)
        positions = [position for position in range(len(self._names)) if position not in hidden]
        stamps = reading.timestamps_ns
        return self._build(
            tuple([self._names[position] for position in positions]),
            [values[position] for position in positions],
            bytes([marked[position] for position in positions]),
            None if stamps is None else array("q", [stamps[position] for position in positions]),
            time_ns,
        )

    def nothing_read(self, now: float, time_ns: int) -> Batch:
        """The records of a cycle in which the device was not even asked."""
        return self.batch(self._all_bad, now, time_ns)

    def _hide_bad(self, bad: Sequence[int]) -> set[int]:
        """The BAD records that are not to go out."""
        reported = self.reported
        if len(bad) != len(reported) or not reported.issuperset(bad):
            self.reported = frozenset(bad)
        if self._bad_records is BadRecords.EVERY_POLL:
            return set()
        return set(bad) if self._bad_records is BadRecords.NONE else set(reported.intersection(bad))

    def _build(
        self,
        names: tuple[str, ...],
        values: Sequence[Value],
        qualities: bytes,
        timestamps_ns: array[int] | None,
        time_ns: int,
    ) -> Batch:
        if not names:
            return EMPTY
        self._sequence += 1
        segments = (Segment(self._origin, self._sequence, 0, len(names)),)
        return Batch(names, tuple(values), time_ns if timestamps_ns is None else timestamps_ns, qualities, segments)
