"""Fakes with state: a sink, a fallback and an observer that remember what they were given."""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterator, Mapping

from agent_core.api import (
    EMPTY,
    BacklogFile,
    BadLine,
    Batch,
    Diversion,
    DivertReason,
    DropReason,
    Origin,
    ReplayBatch,
    SinkState,
    Value,
    WriteOutcome,
    hookimpl,
)
from agent_core.testing.suite.patience import PATIENCE_SECONDS

TEST_ORIGIN = Origin("line", "PLC01", "G1")

Behaviour = BaseException | Callable[[Batch], WriteOutcome]
"""What one call of a FakeSink does instead of storing: raise the error, or call the function."""


def batch_of(*values: Value, start_ns: int = 0, name: str = "T", origin: Origin = TEST_ORIGIN) -> Batch:
    """A batch with one record per value, all of one tag, one nanosecond apart."""
    stamps = array("q", range(start_ns, start_ns + len(values)))
    return Batch.of(origin, (name,) * len(values), values, stamps)


class FakeSink:
    """Keeps records in memory by (name, timestamp), so it is idempotent. Thread-safe.

    ``script`` holds behaviours for the next writes, ``open_script`` errors for the next opens; after them, everything
    works. ``written`` is every batch whose write returned, ``attempts`` counts every call.
    """

    idempotent = True

    def __init__(self) -> None:
        self.records: dict[tuple[str, int], Value] = {}
        self.written: list[Batch] = []
        self.script: deque[Behaviour] = deque()
        self.open_script: deque[BaseException] = deque()
        self.attempts = 0
        self.opens = 0
        self.closed = False
        self.changed = threading.Condition()

    def open(self) -> None:
        with self.changed:
            self.opens += 1
            self.changed.notify_all()
            if self.open_script:
                raise self.open_script.popleft()

    def write(self, batch: Batch) -> WriteOutcome:
        with self.changed:
            self.attempts += 1
            behaviour = self.script.popleft() if self.script else None
            self.changed.notify_all()
        if isinstance(behaviour, BaseException):
            raise behaviour
        outcome = behaviour(batch) if behaviour is not None else self.store(batch)
        with self.changed:
            self.written.append(batch)
            self.changed.notify_all()
        return outcome

    def store(self, batch: Batch) -> WriteOutcome:
        """Store the records; those that are already stored count as duplicates."""
        with self.changed:
            before = len(self.records)
            self.records.update(((record.name, record.timestamp_ns), record.value) for record in batch.records())
            inserted = len(self.records) - before
        return WriteOutcome(inserted, len(batch) - inserted)

    def close(self) -> None:
        self.closed = True

    def wait_until(self, condition: Callable[[FakeSink], bool], real_seconds: float = PATIENCE_SECONDS) -> None:
        """Return once ``condition(self)`` holds. Raises TimeoutError after ``real_seconds`` of real time."""
        with self.changed:
            if not self.changed.wait_for(lambda: condition(self), real_seconds):
                raise TimeoutError(f"still {self.attempts} attempts, {len(self.written)} written")


class FakeFallback(FakeSink):
    """A FallbackSink that remembers what was diverted, and why. ``script`` applies to ``divert``."""

    def __init__(self) -> None:
        super().__init__()
        self.diversions: list[tuple[Batch, Diversion]] = []

    def divert(self, batch: Batch, diversion: Diversion) -> None:
        self.write(batch)
        with self.changed:
            self.diversions.append((batch, diversion))
            self.changed.notify_all()

    def diverted(self) -> Mapping[DivertReason, Batch]:
        """All records by reason, in the order in which they came."""
        with self.changed:
            reasons = dict.fromkeys(diversion.reason for _, diversion in self.diversions)
            return {
                reason: Batch.join([batch for batch, why in self.diversions if why.reason is reason]) or EMPTY
                for reason in reasons
            }


class FakeBacklog(FakeFallback):
    """A FakeFallback that is Replayable: each diversion is a file, ``backup_N.csv`` or ``rejected_N.csv``."""

    def __init__(self) -> None:
        super().__init__()
        self.finished: list[str] = []
        self.bad_lines: tuple[BadLine, ...] = ()

    def backlog(self) -> list[BacklogFile]:
        with self.changed:
            return [
                BacklogFile(name, len(batch), len(batch), diversion.rejected)
                for n, (batch, diversion) in enumerate(self.diversions)
                if (name := f"{'rejected' if diversion.rejected else 'backup'}_{n}.csv") not in self.finished
            ]

    def read(self, file: str, from_record: int = 0, max_records: int = 500) -> Iterator[ReplayBatch]:
        batch, _ = self.diversions[int(file.partition("_")[2].removesuffix(".csv"))]
        for start in range(from_record, len(batch), max_records):
            stop = min(start + max_records, len(batch))
            yield ReplayBatch(batch.slice(start, stop), stop, self.bad_lines)

    def finish(self, file: str) -> None:
        with self.changed:
            self.finished.append(file)
            self.changed.notify_all()


class FakeObserver:
    """Remembers every event as ``(name, arguments)``. Thread-safe."""

    def __init__(self) -> None:
        self.events: list[tuple[str, tuple[object, ...]]] = []
        self.changed = threading.Condition()

    @hookimpl
    def agent_batch_collected(self, source_id: str, batch: Batch) -> None:
        self._note("batch_collected", source_id, batch)

    @hookimpl
    def agent_batch_delivered(
        self,
        sink_id: str,
        batch: Batch,
        outcome: WriteOutcome,
        attempt: int,
        elapsed_seconds: float,
        replayed_file: str | None,
    ) -> None:
        self._note("batch_delivered", sink_id, batch, outcome, attempt, elapsed_seconds, replayed_file)

    @hookimpl
    def agent_batch_failed(
        self, sink_id: str, batch: Batch, error: BaseException, attempt: int, retry_in_seconds: float | None
    ) -> None:
        self._note("batch_failed", sink_id, batch, error, attempt, retry_in_seconds)

    @hookimpl
    def agent_batch_diverted(self, sink_id: str, fallback_id: str, batch: Batch, reason: DivertReason) -> None:
        self._note("batch_diverted", sink_id, fallback_id, batch, reason)

    @hookimpl
    def agent_records_dropped(self, component_id: str, count: int, reason: DropReason) -> None:
        self._note("records_dropped", component_id, count, reason)

    @hookimpl
    def agent_sink_state_changed(
        self, sink_id: str, old: SinkState, new: SinkState, reason: str, next_probe_seconds: float | None
    ) -> None:
        self._note("sink_state_changed", sink_id, old, new, reason, next_probe_seconds)

    def named(self, name: str) -> list[tuple[object, ...]]:
        """The arguments of every event of that name so far."""
        with self.changed:
            return [arguments for event, arguments in self.events if event == name]

    def states(self) -> list[SinkState]:
        """The states that were entered, in order."""
        return [new for _, _, new, _, _ in self.named("sink_state_changed") if isinstance(new, SinkState)]

    def wait_for(self, name: str, count: int = 1, real_seconds: float = PATIENCE_SECONDS) -> list[tuple[object, ...]]:
        """The events of that name once there are ``count``. Raises TimeoutError after ``real_seconds`` of real time."""
        with self.changed:
            if not self.changed.wait_for(lambda: self._count(name) >= count, real_seconds):
                raise TimeoutError(f"{self._count(name)} of {count} events {name}")
        return self.named(name)

    def _count(self, name: str) -> int:
        return sum(event == name for event, _ in self.events)

    def _note(self, name: str, *arguments: object) -> None:
        with self.changed:
            self.events.append((name, arguments))
            self.changed.notify_all()
