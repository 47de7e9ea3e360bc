"""Numbered records: batches in which no two records are alike, for tests that count."""

from __future__ import annotations

from array import array

from agent_core.api import BAD, GOOD, Batch, Origin, Record
from agent_core.testing.clock import START_NS

ORIGINS = (Origin("line1", "PLC01", "LINE1_PROCESS1"), Origin("line1", "PLC02", "ORDER_START"))


class RecordMaker:
    """Makes batches whose records are numbered from 0 in the order in which they are made. For one thread.

    ``maker`` distinguishes the records of several makers. Batches differ in everything that a buffer has to keep:
    shared and individual timestamps, one and two origins, GOOD and BAD records.
    """

    def __init__(self, maker: int = 0) -> None:
        self._maker = maker
        self._batches = 0
        self.made = 0

    def batch(self, count: int) -> Batch:
        """The next ``count`` records as one batch."""
        first = self.made
        self.made += count
        self._batches += 1
        numbers = range(first, self.made)
        stamp = START_NS + self._batches * 1_000_000_000
        batch = Batch.of(
            ORIGINS[self._batches % 2],
            [f"M{self._maker}_{number}" for number in numbers],
            [None if number % 7 == 3 else number for number in numbers],
            stamp if self._batches % 3 else array("q", (stamp + number for number in numbers)),
            bytes(BAD if number % 7 == 3 else GOOD for number in numbers),
            sequence=self._batches,
        )
        if self._batches % 4 or count < 2:
            return batch
        head = Batch.of(ORIGINS[1], batch.names[:1], batch.values[:1], batch.stamps()[0], batch.qualities[:1])
        return Batch.join([head, batch.slice(1, count)])


def numbers(batch: Batch) -> list[int]:
    """The numbers of the records, in their order."""
    return [int(name.rpartition("_")[2]) for name in batch.names]


def records(batch: Batch) -> list[Record]:
    """The records, after a check that columns and segments match."""
    count = len(batch)
    assert len(batch.values) == len(batch.qualities) == len(batch.stamps()) == count, "columns of unequal length"
    edges = [edge for segment in batch.segments for edge in (segment.start, segment.stop)]
    assert [0, *edges[1::2]] == [*edges[::2], count], f"segments leave gaps: {batch.segments}"
    assert all(segment.start < segment.stop for segment in batch.segments), f"empty segment: {batch.segments}"
    return list(batch.records())
