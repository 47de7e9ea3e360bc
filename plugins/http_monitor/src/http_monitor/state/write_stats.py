"""WriteStats: how the writes of each sink go."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import deque
from dataclasses import dataclass
from typing import Final

from agent_core.api import Clock

WINDOW_SECONDS: Final = 300
"""What averages are taken over."""

BUCKET_BOUNDS_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Upper bounds of the histogram of write times; a write that takes longer is about to time out."""


@dataclass(frozen=True, slots=True)
class WriteSnapshot:
    """Counts since the start, and the same over the last WINDOW_SECONDS (``recent_``).

    ``buckets`` counts writes by time, one entry for each bound and one for the rest; not cumulative.
    """

    successful: int = 0
    failed: int = 0
    records: int = 0
    seconds: float = 0.0
    last_delivery_ns: int | None = None
    buckets: tuple[int, ...] = (0,) * (len(BUCKET_BOUNDS_SECONDS) + 1)
    recent_writes: int = 0
    recent_failed: int = 0
    recent_records: int = 0
    recent_seconds: float = 0.0
    recent_max_seconds: float = 0.0

    @property
    def total(self) -> int:
        return self.successful + self.failed


class _Slot:
    """What happened within one second."""

    __slots__ = ("failed", "max_seconds", "records", "second", "seconds", "writes")

    def __init__(self, second: int) -> None:
        self.second = second
        self.writes = self.failed = self.records = 0
        self.seconds = self.max_seconds = 0.0


class _SinkWrites:
    __slots__ = ("buckets", "failed", "last_delivery_ns", "records", "seconds", "slots", "successful")

    def __init__(self) -> None:
        self.successful = self.failed = self.records = 0
        self.seconds = 0.0
        self.last_delivery_ns: int | None = None
        self.buckets = [0] * (len(BUCKET_BOUNDS_SECONDS) + 1)
        self.slots: deque[_Slot] = deque(maxlen=WINDOW_SECONDS)


class WriteStats:
    """Thread-safe; ``delivered`` and ``failed`` are called in data threads, once a write: microseconds each."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._sinks: dict[str, _SinkWrites] = {}

    def delivered(self, sink_id: str, records: int, elapsed_seconds: float) -> None:
        """Count a write that returned."""
        second, now_ns = int(self._clock.monotonic()), self._clock.time_ns()
        bucket = bisect_left(BUCKET_BOUNDS_SECONDS, elapsed_seconds)
        with self._lock:
            writes = self._of(sink_id)
            writes.successful += 1
            writes.records += records
            writes.seconds += elapsed_seconds
            writes.last_delivery_ns = now_ns
            writes.buckets[bucket] += 1
            slot = self._slot(writes, second)
            slot.writes += 1
            slot.records += records
            slot.seconds += elapsed_seconds
            slot.max_seconds = max(slot.max_seconds, elapsed_seconds)

    def failed(self, sink_id: str) -> None:
        """Count a write that raised."""
        second = int(self._clock.monotonic())
        with self._lock:
            writes = self._of(sink_id)
            writes.failed += 1
            self._slot(writes, second).failed += 1

    def snapshot(self, sink_id: str) -> WriteSnapshot:
        """How the writes of one sink went; zeros for one that has not written."""
        oldest = int(self._clock.monotonic()) - WINDOW_SECONDS
        with self._lock:
            writes = self._sinks.get(sink_id)
            if writes is None:
                return WriteSnapshot()
            recent = [slot for slot in writes.slots if slot.second > oldest]
            return WriteSnapshot(
                successful=writes.successful,
                failed=writes.failed,
                records=writes.records,
                seconds=writes.seconds,
                last_delivery_ns=writes.last_delivery_ns,
                buckets=tuple(writes.buckets),
                recent_writes=sum(slot.writes for slot in recent),
                recent_failed=sum(slot.failed for slot in recent),
                recent_records=sum(slot.records for slot in recent),
                recent_seconds=sum(slot.seconds for slot in recent),
                recent_max_seconds=max((slot.max_seconds for slot in recent), default=0.0),
            )

    def _of(self, sink_id: str) -> _SinkWrites:
        writes = self._sinks.get(sink_id)
        if writes is None:
            writes = self._sinks[sink_id] = _SinkWrites()
        return writes

    def _slot(self, writes: _SinkWrites, second: int) -> _Slot:
        slots = writes.slots
        if not slots or slots[-1].second != second:
            slots.append(_Slot(second))
        return slots[-1]
