"""ChunkQueue: records in order, kept as ranges of the batches they came in; no work per record before the cut."""

from __future__ import annotations

import heapq
from array import array
from collections import deque
from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple, TypeVar

from agent_core.api import EMPTY, Batch, Segment, Value

T = TypeVar("T")


class Chunk(NamedTuple):
    """Records ``start:stop`` of a batch.

    ``position`` counts the records pushed before the first of them, so chunks sort by it. ``appended_at`` is in
    monotonic seconds. A cut moves ``start`` and ``stop`` and does not copy the batch: cutting a long batch piece by
    piece costs no more than the pieces.
    """

    position: int
    appended_at: float
    batch: Batch
    start: int
    stop: int


class ChunkQueue:
    """First in, first out by position. Not thread-safe: the buffer has a lock."""

    __slots__ = ("_chunks", "_pushed", "records")

    def __init__(self) -> None:
        self._chunks: deque[Chunk] = deque()
        self._pushed = 0
        self.records = 0

    def oldest_at(self) -> float | None:
        """When the oldest record was appended; None if there is none."""
        return self._chunks[0].appended_at if self._chunks else None

    def push(self, batch: Batch, appended_at: float) -> None:
        """Put the records at the end."""
        count = len(batch)
        self._chunks.append(Chunk(self._pushed, appended_at, batch, 0, count))
        self._pushed += count
        self.records += count

    def cut(self, count: int) -> list[Chunk]:
        """Take out the ``count`` oldest records, or all when there are fewer; in order."""
        taken: list[Chunk] = []
        chunks = self._chunks
        wanted = min(count, self.records)
        self.records -= wanted
        while wanted:
            chunk = chunks.popleft()
            position, appended_at, batch, start, stop = chunk
            held = stop - start
            if held > wanted:
                middle = start + wanted
                taken.append(Chunk(position, appended_at, batch, start, middle))
                chunks.appendleft(Chunk(position + wanted, appended_at, batch, middle, stop))
                break
            taken.append(chunk)
            wanted -= held
        return taken

    def put_back(self, chunks: Sequence[Chunk]) -> None:
        """Put chunks back where they were cut out; leases may come back in any order."""
        if not self._chunks or chunks[-1].position < self._chunks[0].position:
            self._chunks.extendleft(reversed(chunks))
        else:
            self._chunks = deque(heapq.merge(self._chunks, chunks))
        self.records += sum(chunk.stop - chunk.start for chunk in chunks)


def join(chunks: Sequence[Chunk]) -> Batch:
    """The records of ``chunks`` as one batch; EMPTY for none.

    Equal to ``Batch.join`` of the slices, but in one pass and without a Batch for each: this is where a buffer spends
    its time.
    """
    if len(chunks) < 2:
        return chunks[0].batch.slice(chunks[0].start, chunks[0].stop) if chunks else EMPTY
    names: list[tuple[str, ...]] = []
    values: list[tuple[Value, ...]] = []
    stamps: list[array[int] | memoryview[int]] = []
    qualities: list[bytes] = []
    segments: list[Segment] = []
    offset = 0
    for _, _, batch, start, stop in chunks:
        names.append(batch.names[start:stop])
        values.append(batch.values[start:stop])
        stamp = batch.timestamps_ns
        stamps.append(array("q", (stamp,)) * (stop - start) if isinstance(stamp, int) else stamp[start:stop])
        qualities.append(batch.qualities[start:stop])
        shift = offset - start
        offset += stop - start
        for segment in batch.segments:
            origin, sequence, first, last = segment
            if first >= start and last <= stop:
                segments.append(Segment(origin, sequence, first + shift, last + shift) if shift else segment)
            elif first < stop and last > start:
                segments.append(Segment(origin, sequence, max(first, start) + shift, min(last, stop) + shift))
    times = memoryview(b"".join(stamps)).cast("q")
    return Batch(_concatenate(names), _concatenate(values), times, b"".join(qualities), tuple(segments))


def _concatenate(parts: list[tuple[T, ...]]) -> tuple[T, ...]:
    # Adding tuples copies the first ones repeatedly, but up to about this many parts it is twice as fast.
    return sum(parts, ()) if len(parts) <= 4 else tuple(chain.from_iterable(parts))
