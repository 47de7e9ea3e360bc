"""PollGroup: one group's tags, the batch that each poll makes of them, and what is known of the group."""

from __future__ import annotations

import logging
import math
from array import array
from collections.abc import Sequence
from typing import Final

from agent_core.api import BAD, EMPTY, GOOD, Batch, Origin, Segment, Value
from polling_source.config import BadRows
from polling_source.reading import Reader, Reading
from polling_source.schedule import Schedule

NAMES_IN_A_LOG_LINE: Final = 5


class PollGroup:
    """Used by its device's worker; other threads read the public attributes only."""

    def __init__(
        self,
        origin: Origin,
        reader: Reader,
        interval_seconds: float | None,
        bad_rows: BadRows,
        logger: logging.Logger,
    ) -> None:
        self.id = origin.group
        self.interval_seconds = interval_seconds
        self.schedule: Schedule | None = None
        self.running = True
        self.polls = 0
        self.failures = 0
        self.missed = 0
        self._origin = origin
        self._reader = reader
        self._bad_rows = bad_rows
        self._logger = logger
        self._names = tuple(tag.name for tag in reader.tags)
        self._all_good = bytes((GOOD,)) * len(self._names)
        self._all_bad = Reading((None,) * len(self._names), range(len(self._names)))
        self._reported: frozenset[int] = frozenset()
        self._sequence = 0

    def __len__(self) -> int:
        return len(self._names)

    @property
    def due(self) -> float:
        """When the next poll is due, in monotonic seconds; infinity when none is."""
        return self.schedule.due if self.schedule and self.running else math.inf

    def begin(self, origin: float) -> None:
        """Lay out the schedule from ``origin`` (monotonic seconds) on."""
        if self.interval_seconds is not None:
            self.schedule = Schedule(origin, self.interval_seconds)

    def poll(self, now: float, time_ns: int) -> tuple[Reading, Batch]:
        """Read once. Returns what came, and the rows to emit (perhaps none)."""
        self.polls += 1
        reading = self._reader.read(now, time_ns)
        if reading.error is None:
            self._log_bad_tags(reading)
        else:
            self.failures += 1
        return reading, self._batch(reading, time_ns)

    def fail(self, time_ns: int) -> Batch:
        """A cycle without a read, because the device does not answer: the rows to emit (perhaps none)."""
        self.failures += 1
        return self._batch(self._all_bad, time_ns)

    def _batch(self, reading: Reading, time_ns: int) -> Batch:
        bad, reported = reading.bad, self._reported
        if not bad and not reported:
            return self._build(
                self._names, reading.values, reading.qualities or self._all_good, reading.timestamps_ns, time_ns
            )
        if self._bad_rows is BadRows.EVERY_POLL:
            hidden: frozenset[int] = frozenset()
        elif self._bad_rows is BadRows.NONE:
            hidden = frozenset(bad)
        else:
            hidden = reported.intersection(bad)
        self._reported = reported if len(bad) == len(reported) == len(hidden) else frozenset(bad)
        if len(hidden) == len(self._names):
            return EMPTY
        qualities = bytearray(reading.qualities or self._all_good)
        for row in bad:
            qualities[row] = BAD
        if not hidden:
            return self._build(self._names, reading.values, bytes(qualities), reading.timestamps_ns, time_ns)
        rows = [row for row in range(len(self._names)) if row not in hidden]
        stamps = reading.timestamps_ns
        return self._build(
            tuple([self._names[row] for row in rows]),
            [reading.values[row] for row in rows],
            bytes([qualities[row] for row in rows]),
            None if stamps is None else array("q", [stamps[row] for row in rows]),
            time_ns,
        )

    def _build(
        self,
        names: tuple[str, ...],
        values: Sequence[Value],
        qualities: bytes,
        timestamps_ns: array[int] | None,
        time_ns: int,
    ) -> Batch:
        self._sequence += 1
        segments = (Segment(self._origin, self._sequence, 0, len(names)),)
        return Batch(names, tuple(values), time_ns if timestamps_ns is None else timestamps_ns, qualities, segments)

    def _log_bad_tags(self, reading: Reading) -> None:
        """Tell once of each tag that went bad although the device answers, and of those that came back."""
        bad, reported = reading.bad, self._reported
        if not bad and not reported:
            return
        new = [row for row in bad if row not in reported]
        if new:
            reason = next((reading.reasons[row] for row in new if row in reading.reasons), "its bytes mean nothing")
            self._logger.warning(
                "tags went bad: group=%s count=%d tags=%s reason=%s", self.id, len(new), self._some(new), reason
            )
        back = sorted(reported.difference(bad))
        if back and len(reported) < len(self._names):
            self._logger.info("tags came back: group=%s count=%d tags=%s", self.id, len(back), self._some(back))

    def _some(self, rows: Sequence[int]) -> str:
        names = ",".join(self._names[row] for row in rows[:NAMES_IN_A_LOG_LINE])
        return f"{names},..." if len(rows) > NAMES_IN_A_LOG_LINE else names
