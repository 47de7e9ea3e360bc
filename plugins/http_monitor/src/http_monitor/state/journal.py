"""Journal: the last events worth an operator's eye, and the last rejected records."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from agent_core.api import Batch, Clock, Origin, Value, WriteOutcome

MAX_ENTRIES: Final = 200
MAX_REJECTED: Final = 500
MAX_REJECTED_PER_WRITE: Final = 20
"""A batch of which everything is refused must not cost the worker more than its budget."""
MERGE_SECONDS: Final = 60.0


class EntryKind(StrEnum):
    """What kind of event an entry is."""

    SINK_STATE = "sink_state"
    WRITE_FAILED = "write_failed"
    DIVERTED = "diverted"
    DROPPED = "dropped"
    REPLAY = "replay"
    DEVICE = "device"
    SOURCE_STATE = "source_state"
    OPERATOR_ACTION = "operator_action"
    LIFECYCLE = "lifecycle"


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One event, or ``count`` similar ones within a minute; ``records`` is the sum of their records."""

    kind: EntryKind
    subject: str
    message: str
    first_ns: int
    last_ns: int
    count: int = 1
    records: int = 0


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """One record that a sink refused for its content. If there is a fallback, it is in one of its files."""

    time_ns: int
    sink_id: str
    tag: str
    value: Value
    timestamp_ns: int
    origin: Origin
    code: str
    message: str


class Journal:
    """Thread-safe; newest last, bounded. Texts are kept as they came: whoever shows them takes the secrets out."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._entries: deque[JournalEntry] = deque(maxlen=MAX_ENTRIES)
        self._rejected: deque[RejectedRecord] = deque(maxlen=MAX_REJECTED)
        self.changes = 0
        """Grows with each entry and each write with rejected records."""

    def note(
        self, kind: EntryKind, subject: str, message: str, records: int = 0, *, count: int = 1, merge: bool = False
    ) -> None:
        """Add an entry; with ``merge`` the counts of a similar one of the last minute grow instead."""
        now = self._clock.time_ns()
        with self._lock:
            self.changes += 1
            entries = self._entries
            if merge:
                for index in range(len(entries) - 1, max(-1, len(entries) - 9), -1):
                    entry = entries[index]
                    if (entry.kind, entry.subject, entry.message) == (kind, subject, message):
                        if now - entry.first_ns < MERGE_SECONDS * 1e9:
                            entries[index] = replace(
                                entry, last_ns=now, count=entry.count + count, records=entry.records + records
                            )
                            return
                        break
            entries.append(JournalEntry(kind, subject, message, now, now, count, records))

    def rejected(self, sink_id: str, batch: Batch, outcome: WriteOutcome) -> None:
        """Remember the first records that a write refused."""
        now, stamps = self._clock.time_ns(), batch.stamps()
        found = []
        for position, code, message in outcome.rejected[:MAX_REJECTED_PER_WRITE]:
            origin = next(segment.origin for segment in batch.segments if segment.start <= position < segment.stop)
            found.append(
                RejectedRecord(
                    now,
                    sink_id,
                    batch.names[position],
                    batch.values[position],
                    stamps[position],
                    origin,
                    code,
                    message,
                )
            )
        with self._lock:
            self.changes += 1
            self._rejected.extend(found)

    def entries(self) -> tuple[JournalEntry, ...]:
        """Newest first, by the last time that it happened: the time that is shown."""
        with self._lock:
            newest_first = list(self._entries)[::-1]
        return tuple(sorted(newest_first, key=lambda entry: entry.last_ns, reverse=True))

    def rejected_records(self) -> tuple[RejectedRecord, ...]:
        """Newest first."""
        with self._lock:
            return tuple(reversed(self._rejected))
