"""RecordQueue: records in order; the oldest in memory as ranges of their batches, the others only counted."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from agent_core.api import Batch


class Entry:
    """A batch that is on disk under ``position``, the number of records before it.

    ``left`` are its records that the disk does not know to be gone, ``marked`` says that it knows of some.
    ``bytes_each`` is what a record of it takes on disk. ``appended_at`` is in monotonic seconds.
    """

    __slots__ = ("appended_at", "batch", "bytes_each", "left", "marked", "position")

    def __init__(
        self, position: int, batch: Batch, appended_at: float, bytes_each: float, left: int, marked: bool = False
    ) -> None:
        self.position = position
        self.batch = batch
        self.appended_at = appended_at
        self.bytes_each = bytes_each
        self.left = left
        self.marked = marked


class Chunk(NamedTuple):
    """Records ``start:stop`` of an entry's batch; ``position`` is that of the first of them, so chunks sort by it."""

    position: int
    entry: Entry
    start: int
    stop: int


class RecordQueue:
    """First in, first out by position. Not thread-safe: the buffer has a lock.

    ``hot_records`` are in memory and are always the oldest. Once there are ``memory_records`` of them, what comes next
    is *cold*: counted here and nowhere else in memory, until ``thaw`` brings it.
    """

    __slots__ = (
        "_chunks",
        "_memory_records",
        "cold_at",
        "cold_from",
        "cold_records",
        "cold_to",
        "hot_records",
        "partly_cold",
    )

    def __init__(self, memory_records: int) -> None:
        self._memory_records = memory_records
        self._chunks: deque[Chunk] = deque()
        self.hot_records = 0
        self.cold_records = 0
        self.cold_from = 0
        self.cold_to = 0
        self.cold_at = 0.0
        self.partly_cold: dict[int, Chunk] = {}

    @property
    def records(self) -> int:
        """All of them."""
        return self.hot_records + self.cold_records

    def oldest_at(self) -> float | None:
        """When the oldest record was appended; None if there is none."""
        if self._chunks:
            return self._chunks[0].entry.appended_at
        return self.cold_at if self.cold_records else None

    def push(self, chunk: Chunk) -> None:
        """Put what is kept of a batch that has just come at the end; that may be nothing."""
        count = chunk.stop - chunk.start
        if not self.cold_records and (not count or self.hot_records < self._memory_records):
            if count:
                self._chunks.append(chunk)
                self.hot_records += count
            return
        if not self.cold_records:
            self.cold_from, self.cold_at = chunk.entry.position, chunk.entry.appended_at
        if count < len(chunk.entry.batch):
            self.partly_cold[chunk.entry.position] = chunk  # the file learns later that the others are gone
        self.cold_records += count
        self.cold_to = chunk.entry.position + 1  # what lies behind it has not been pushed yet

    def known(self, found: Sequence[Chunk]) -> list[Chunk]:
        """What was read, without the records that are gone although the file has them still."""
        kept = (self.partly_cold.get(chunk.entry.position, chunk) for chunk in found)
        return [chunk for chunk in kept if chunk.start < chunk.stop]

    def thaw(self, chunks: Sequence[Chunk], cold_from: int, cold_at: float, cold_records: int) -> None:
        """The oldest cold records are in memory now; ``cold_...`` say what is left of the others."""
        self._chunks.extend(chunks)
        self.hot_records += sum(chunk.stop - chunk.start for chunk in chunks)
        self.cold_from, self.cold_at, self.cold_records = cold_from, cold_at, cold_records
        self.partly_cold = {position: chunk for position, chunk in self.partly_cold.items() if position >= cold_from}

    def cut(self, count: int) -> list[Chunk]:
        """Take out the ``count`` oldest records in memory, or all when there are fewer; in order."""
        taken: list[Chunk] = []
        chunks = self._chunks
        wanted = min(count, self.hot_records)
        self.hot_records -= wanted
        while wanted:
            chunk = chunks.popleft()
            position, entry, start, stop = chunk
            held = stop - start
            if held > wanted:
                middle = start + wanted
                taken.append(Chunk(position, entry, start, middle))
                chunks.appendleft(Chunk(position + wanted, entry, middle, stop))
                break
            taken.append(chunk)
            wanted -= held
        return taken

    def put_back(self, chunks: Sequence[Chunk]) -> None:
        """Put chunks back where they were cut out; leases may come back in any order."""
        if not self._chunks or chunks[-1].position < self._chunks[0].position:
            self._chunks.extendleft(reversed(chunks))
        else:
            self._chunks = deque(heapq.merge(self._chunks, chunks, key=lambda chunk: chunk.position))
        self.hot_records += sum(chunk.stop - chunk.start for chunk in chunks)


def join(chunks: Sequence[Chunk]) -> Batch:
    """The records of ``chunks`` as one batch; EMPTY for none."""
    return Batch.join([chunk.entry.batch.slice(chunk.start, chunk.stop) for chunk in chunks])
