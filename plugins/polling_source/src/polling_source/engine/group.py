"""PollGroup: one group's tags, when they are due, and what is known of their polls."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from agent_core.api import Batch, GroupMode, GroupState, GroupStatus, Log, Origin
from polling_source.config import BadRecords, GroupConfig
from polling_source.engine.batcher import Batcher
from polling_source.engine.filter import TagFilter
from polling_source.engine.handshake import TriggerBit, Triggers
from polling_source.engine.schedule import Schedule
from polling_source.reading.reading import Reader, Reading
from polling_source.tags.rule import TagRule

NAMES_IN_A_LOG_LINE: Final = 5
STATE_LOG_SECONDS: Final = 10.0
"""What comes and goes faster than this is told with the last that was so, not each time."""

STALE_INTERVALS: Final = 3
LEAST_STALE_SECONDS: Final = 10.0
"""A fixed group is stale after this many intervals without a good poll, but not before this time."""


class PollGroup:
    """Used by its device's worker. Other threads read its status; ``running`` and ``triggers`` belong to the worker's
    lock.
    """

    def __init__(
        self,
        config: GroupConfig,
        source_id: str,
        reader: Reader,
        rules: Sequence[TagRule],
        bit: TriggerBit | None,
        bad_records: BadRecords,
        log: Log,
    ) -> None:
        """``rules``: one for each of the reader's tags."""
        self.id = config.id
        self.device_id = config.device
        self.mode = config.mode
        self.reader = reader
        self.bit = bit
        self.interval_seconds = config.interval
        self.schedule: Schedule | None = None
        self.triggers = Triggers()
        self.running = True
        self.polls = 0
        self.failed = 0
        self.missed = 0
        self._origin = Origin(source_id, config.device, config.id)
        self._log = log.with_interval(STATE_LOG_SECONDS)
        self._overrun_log = log
        self._overruns = 0
        self._told_bad: set[int] = set()
        self._told_stale = False
        self._names = tuple(tag.name for tag in reader.tags)
        self._batcher = Batcher(self._origin, self._names, bad_records, TagFilter(rules, config.resend))
        self._stale_seconds = _stale_seconds(config)
        self._good_at = 0.0
        self._is_stale = False
        self._last_poll_ns: int | None = None
        self._last_duration_seconds: float | None = None
        self._last_error: str | None = None

    def __len__(self) -> int:
        return len(self._names)

    @property
    def due(self) -> float:
        """When the next poll, or look at the trigger bit, is due: monotonic seconds, infinity for never."""
        return self.schedule.due if self.schedule and self.running else math.inf

    def begin(self, origin: float) -> None:
        """Poll from ``origin`` (monotonic seconds) on."""
        self.running = True
        self._good_at = origin
        self._is_stale = False
        if self.interval_seconds is not None:
            self.schedule = Schedule(origin, self.interval_seconds)

    def poll(self, now: float, time_ns: int) -> tuple[Reading, Batch]:
        """Read once. Returns what came, and the records to emit (perhaps none).

        Records without a timestamp of their own have that of the poll's last answer; without any answer, of its begin.
        """
        self.polls += 1
        self._last_poll_ns = time_ns
        reading = self.reader.read(now, time_ns)
        if reading.error is None:
            self._log_bad_tags(reading)
        return reading, self._batcher.batch(reading, now, reading.answered_ns or time_ns)

    def skipped(self, count: int, now: float, trouble_at: float) -> None:
        """So many due times went by before one was taken. Told, unless the device was away (last at ``trouble_at``)."""
        self.missed += count
        if not count or self.interval_seconds is None or trouble_at > now - (count + 1) * self.interval_seconds:
            return
        self._overruns += count
        if self._overrun_log.warning(
            "polls missed",
            group=self.id,
            missed=self._overruns,
            interval_seconds=self.interval_seconds,
            last_poll_seconds=self._last_duration_seconds,
            every=self.id,
            next_step="a longer interval, fewer requests (tagferry check --plan), or connections: 2 if the device can",
        ):
            self._overruns = 0

    def nothing_read(self, now: float, time_ns: int) -> Batch:
        """The records of a cycle in which nothing could be read."""
        return self._batcher.nothing_read(now, time_ns)

    def ended(self, now: float, duration_seconds: float, error: str | None) -> None:
        """Note how a poll ended."""
        self._last_duration_seconds = duration_seconds
        self._last_error = error
        if error is None:
            self._good_at = now
        else:
            self.failed += 1

    @property
    def stale_at(self) -> float:
        """When the alarm is due, unless a good poll comes before: monotonic seconds, infinity for never."""
        if self._stale_seconds is None or self._is_stale or not self.running:
            return math.inf
        return self._good_at + self._stale_seconds

    def watch(self, now: float) -> None:
        """Raise the alarm when the group has become stale, and call it off."""
        self._is_stale = self.is_stale(now)
        if self._is_stale == self._told_stale:
            return
        if self._is_stale:
            age = round(now - self._good_at)
            told = self._log.warning("group stale", group=self.id, age_seconds=age, every=self.id)
        else:
            told = self._log.info("group fresh again", group=self.id, every=self.id)
        if told:
            self._told_stale = self._is_stale

    def is_stale(self, now: float) -> bool:
        """True when it runs and had no good poll for as long as its limit."""
        return self.running and self._stale_seconds is not None and now >= self._good_at + self._stale_seconds

    def status(self, now: float, backing_off: bool) -> GroupStatus:
        """What is known at this instant."""
        state = GroupState.BACKING_OFF if backing_off else GroupState.RUNNING
        return GroupStatus(
            source_id=self._origin.source,
            group_id=self.id,
            device_id=self._origin.device,
            mode=self.mode,
            state=state if self.running else GroupState.STOPPED,
            interval_seconds=self.interval_seconds,
            tags=len(self._names),
            polls=self.polls,
            failed=self.failed,
            missed=self.missed,
            merged=self.triggers.merged,
            suppressed=self._batcher.suppressed,
            stale=self.is_stale(now),
            last_poll_ns=self._last_poll_ns,
            last_duration_seconds=self._last_duration_seconds,
            last_error=self._last_error,
        )

    def _log_bad_tags(self, reading: Reading) -> None:
        """Tell of each tag that went bad although the device answers, and of those that came back.

        Tags that change sooner than the limit lets a line through are in the next one, if they are still so then.
        """
        if not reading.bad and not self._told_bad:
            return
        bad = set(reading.bad)
        new, back = sorted(bad - self._told_bad), sorted(self._told_bad - bad)
        if new and self._log.warning(
            "tags bad",
            group=self.id,
            count=len(new),
            tags=self._some(new),
            reason=reading.reason(new),
            every=self.id,
        ):
            self._told_bad.update(new)
        if back and self._log.info(
            "tags good again", group=self.id, count=len(back), tags=self._some(back), every=self.id
        ):
            self._told_bad.difference_update(back)

    def _some(self, positions: Sequence[int]) -> str:
        names = ",".join(self._names[position] for position in positions[:NAMES_IN_A_LOG_LINE])
        return f"{names},..." if len(positions) > NAMES_IN_A_LOG_LINE else names


def _stale_seconds(config: GroupConfig) -> float | None:
    if config.stale_after is not None or config.mode is not GroupMode.FIXED or config.interval is None:
        return config.stale_after
    return max(STALE_INTERVALS * config.interval, LEAST_STALE_SECONDS)
