"""Timeline: one point a second of what the chart draws, for 15 minutes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent_core.api import AgentStatus
from http_monitor.state.write_stats import WriteSnapshot

POINTS: Final = 900
RATE_SECONDS: Final = 10
"""Rates are averages over this many points: polls of one second would make a rate of one second flicker."""


@dataclass(frozen=True, slots=True)
class SinkPoint:
    """``write_seconds`` is the average time of the writes since the point before, None when there were none."""

    fill_pct: float
    write_seconds: float | None
    pending: int
    delivered: int


@dataclass(frozen=True, slots=True)
class ChartPoint:
    """``collected`` is the sum over all sources, and by source; since the start."""

    monotonic_seconds: float
    time_seconds: float
    collected: int
    records_per_second: float
    by_source: Mapping[str, int]
    sinks: Mapping[str, SinkPoint]


class Timeline:
    """Thread-safe. ``add`` is called once a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._points: deque[ChartPoint] = deque(maxlen=POINTS)
        self._written: dict[str, tuple[int, float]] = {}

    def add(
        self, monotonic_seconds: float, time_seconds: float, status: AgentStatus, writes: Mapping[str, WriteSnapshot]
    ) -> None:
        """Add the point of now; without effect when no time has passed."""
        with self._lock:
            if self._points and monotonic_seconds <= self._points[-1].monotonic_seconds:
                return
        collected = sum(source.collected for source in status.sources)
        sinks = {}
        for sink in status.sinks:
            snapshot = writes[sink.sink_id]
            count, seconds = self._written.get(sink.sink_id, (0, 0.0))
            self._written[sink.sink_id] = (snapshot.successful, snapshot.seconds)
            new = snapshot.successful - count
            capacity = max(1, sink.buffer.capacity_records)
            sinks[sink.sink_id] = SinkPoint(
                fill_pct=100.0 * sink.buffer.pending_records / capacity,
                write_seconds=(snapshot.seconds - seconds) / new if new else None,
                pending=sink.buffer.pending_records,
                delivered=sink.ledger.delivered,
            )
        with self._lock:
            last = self._points[-1] if self._points else None
            elapsed = status.uptime_seconds if last is None else monotonic_seconds - last.monotonic_seconds
            rate = (collected - (0 if last is None else last.collected)) / elapsed if elapsed > 0 else 0.0
            by_source = {source.source_id: source.collected for source in status.sources}
            self._points.append(ChartPoint(monotonic_seconds, time_seconds, collected, rate, by_source, sinks))

    def points(self) -> Sequence[ChartPoint]:
        """Oldest first."""
        with self._lock:
            return tuple(self._points)

    def recent(self) -> Sequence[ChartPoint]:
        """The points that rates are averages over, oldest first."""
        with self._lock:
            count = len(self._points)
            return [self._points[index] for index in range(max(0, count - RATE_SECONDS - 1), count)]


@dataclass(frozen=True, slots=True)
class Rates:
    """Records per second, averages over the last RATE_SECONDS; ``filling`` is negative while a buffer empties."""

    collected: float
    by_source: Mapping[str, float]
    delivered: Mapping[str, float]
    filling: Mapping[str, float]

    def into(self, inputs: Sequence[str]) -> float:
        """What these sources collect together."""
        return sum(self.by_source.get(source_id, 0.0) for source_id in inputs)

    @classmethod
    def of(cls, points: Sequence[ChartPoint]) -> Rates:
        """From points oldest first; zeros when there are fewer than two."""
        if len(points) < 2 or (elapsed := points[-1].monotonic_seconds - points[0].monotonic_seconds) <= 0:
            return cls(0.0, {}, {}, {})
        first, last = points[0], points[-1]
        return cls(
            collected=(last.collected - first.collected) / elapsed,
            by_source={key: (now - first.by_source.get(key, 0)) / elapsed for key, now in last.by_source.items()},
            delivered={
                key: (now.delivered - first.sinks[key].delivered) / elapsed
                for key, now in last.sinks.items()
                if key in first.sinks
            },
            filling={
                key: (now.pending - first.sinks[key].pending) / elapsed
                for key, now in last.sinks.items()
                if key in first.sinks
            },
        )
