"""DeviceWorker: the one thread that talks to one device, so that a dead device delays no other."""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Sequence
from typing import Final

from agent_core.api import Batch, Clock, DeviceUnreachable, Driver, DriverError, Emit
from polling_source.backoff import Backoff
from polling_source.config import BackoffConfig
from polling_source.group import PollGroup

REMIND_SECONDS: Final = 300.0
"""How often the log repeats that a device is still away."""

FLAP_SECONDS: Final = 10.0
"""A device that comes and goes faster than this is announced once."""


class DeviceWorker:
    """Polls the groups of one device when they are due.

    While the device does not answer, its cycles make BAD rows without a read. When the backoff is over, the group
    that failed first is polled as the probe; once that works, each group that missed a cycle is polled once, at once.
    """

    def __init__(
        self,
        device_id: str,
        driver: Driver,
        groups: Sequence[PollGroup],
        backoff: BackoffConfig,
        clock: Clock,
        logger: logging.Logger,
    ) -> None:
        self.id = device_id
        self.groups = tuple(groups)
        self._driver = driver
        self._backoff = Backoff(backoff)
        self._clock = clock
        self._logger = logger
        self._changed = threading.Condition()
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._emit: Emit | None = None
        self._owed: list[PollGroup] = []
        self._announced = False
        self._quiet_until = -math.inf
        self._remind_at = -math.inf

    def begin(self, emit: Emit) -> None:
        """Lay out the schedule from now on and set the receiver of batches, without a thread (``start`` adds it).

        Groups of one device begin one after the other, spread over the shortest interval.
        """
        self._emit = emit
        self._stopping = False
        now = self._clock.monotonic()
        intervals = [group.interval_seconds for group in self.groups if group.interval_seconds is not None]
        step = min(intervals, default=0.0) / max(len(intervals), 1)
        for number, group in enumerate(self.groups):
            group.begin(now + number * step)

    def start(self, emit: Emit) -> None:
        """Begin to poll in a thread of its own."""
        self.begin(emit)
        self._thread = threading.Thread(target=self._run, name=f"poll {self.id}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the worker to end after the poll under way."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the worker to end; False when it still runs. Its driver is closed then."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_seconds)
            if thread.is_alive():
                return False
            self._thread = None
        return True

    def close(self) -> None:
        """Close the driver, unless a worker that could not be stopped still uses it."""
        if self._thread is None:
            self._driver.close()

    def run_due(self) -> float | None:
        """Poll every group that is due, each once; returns the seconds until the next one is, None for never."""
        now = self._clock.monotonic()
        for group in sorted((group for group in self.groups if group.due <= now), key=lambda group: group.due):
            if self._stopping:
                return 0.0
            self._cycle(group)
        while self._owed and not self._stopping and not self._backoff.holds(self._clock.monotonic()):
            self._poll(self._owed[0])
        return self._seconds_to_next()

    def _seconds_to_next(self) -> float | None:
        next_at = min((group.due for group in self.groups), default=math.inf)
        if self._owed and self._backoff.retry_at is not None:
            next_at = min(next_at, self._backoff.retry_at)
        return None if next_at == math.inf else max(next_at - self._clock.monotonic(), 0.0)

    def _cycle(self, group: PollGroup) -> None:
        now = self._clock.monotonic()
        assert group.schedule
        group.missed += group.schedule.take(now)
        if not self._backoff.holds(now):
            self._poll(group)
            return
        if group not in self._owed:
            self._owed.append(group)
        self._send(group.fail(self._clock.time_ns()))

    def _poll(self, group: PollGroup) -> None:
        try:
            reading, batch = group.poll(self._clock.monotonic(), self._clock.time_ns())
            error = reading.error
        except Exception as defect:
            self._logger.exception("driver failed: device=%s group=%s", self.id, group.id)
            self._driver.close()
            error = DeviceUnreachable(f"{type(defect).__name__}: {defect}")
            batch = group.fail(self._clock.time_ns())
        if error is None:
            self._answered()
            if group in self._owed:
                self._owed.remove(group)
        else:
            self._failed(error)
            if group not in self._owed:
                self._owed.append(group)
        self._send(batch)

    def _send(self, batch: Batch) -> None:
        assert self._emit is not None
        if not batch:
            return
        try:
            self._emit(batch)
        except Exception:
            self._logger.exception("emit failed: device=%s rows=%d", self.id, len(batch))

    def _failed(self, error: DriverError) -> None:
        now = self._clock.monotonic()
        first = self._backoff.down_since is None
        retry_seconds = self._backoff.failed(now)
        if now < (self._quiet_until if first else self._remind_at):
            return
        self._logger.warning(
            "device %s: device=%s error=%s tries=%d retry_in=%.3gs",
            "unreachable" if first else "still unreachable",
            self.id,
            error,
            self._backoff.failures,
            retry_seconds,
        )
        self._announced = True
        self._remind_at = now + REMIND_SECONDS
        self._quiet_until = now + FLAP_SECONDS

    def _answered(self) -> None:
        if self._backoff.down_since is None:
            return
        if self._announced:
            away_seconds = self._clock.monotonic() - self._backoff.down_since
            self._logger.info("device answered again: device=%s after=%.3gs", self.id, away_seconds)
        self._announced = False
        self._backoff.answered()

    def _run(self) -> None:
        try:
            while True:
                seconds = self.run_due()
                with self._changed:
                    if self._stopping:
                        return
                    if seconds is None or seconds > 0:
                        self._clock.wait(self._changed, seconds)
        finally:
            self._driver.close()
