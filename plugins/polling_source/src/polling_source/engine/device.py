"""DeviceWorker: the one thread that uses one connection to one device, so that a dead device delays no other."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from agent_core.api import (
    Batch,
    Clock,
    DeviceUnreachable,
    DriverError,
    Emit,
    GroupMode,
    GroupStatus,
    Log,
    Pulse,
    TriggerResult,
)
from polling_source.config import BackoffConfig
from polling_source.engine.backoff import Backoff
from polling_source.engine.clock_jump import ClockJump
from polling_source.engine.group import STATE_LOG_SECONDS, PollGroup
from polling_source.engine.handshake import Ticket, TriggerBit
from polling_source.engine.outage_log import OutageLog
from polling_source.reading.defect import DriverFailed
from polling_source.reading.link import Link
from polling_source.reading.reading import Reading

RESTART_SECONDS: Final = 1.0
"""A worker that met a defect waits this long before it continues, so that it cannot spin."""

SILENT_INTERVALS: Final = 3
LEAST_SILENT_SECONDS: Final = 30.0
"""A worker should end a cycle, with or without an answer, within so many of its shortest interval, or this time."""


class DeviceWorker:
    """Polls the groups of one connection when they are due or asked for.

    While the device does not answer, its cycles make BAD records without a read. When the backoff is over, one group is
    polled (or its trigger bit looked at) as the probe, each time another, since it may be one group alone that gets no
    answer; once that works, each one that missed a cycle has its turn, at once. A poll that somebody asked for is tried
    whatever the backoff says.
    """

    def __init__(
        self,
        device_id: str,
        link: Link,
        groups: Sequence[PollGroup],
        backoff: BackoffConfig,
        clock: Clock,
        clock_jump: ClockJump,
        log: Log,
    ) -> None:
        self.id = device_id
        self.groups = tuple(groups)
        self._link = link
        self._driver = link.driver
        self._backoff = Backoff(backoff)
        self._clock = clock
        self._clock_jump = clock_jump
        self._log = log
        self._state_log = log.with_interval(STATE_LOG_SECONDS)
        self._outages = OutageLog(device_id, log)
        self._changed = threading.Condition()
        self._stopping = False
        self._busy: PollGroup | None = None
        self._thread: threading.Thread | None = None
        self._ended = False
        self._emit: Emit | None = None
        self._owed: list[PollGroup] = []
        self._trouble_at = -math.inf
        """When the device last did not answer, or answered again: monotonic seconds."""
        self._alive_at = 0.0
        """When a cycle last ended, or the schedule was laid out: monotonic seconds."""

    # -- life ---------------------------------------------------------------------------------------------------------

    def begin(self, emit: Emit) -> None:
        """Lay out the schedule from now on and set the receiver of batches, without a thread (``start`` adds it).

        Groups of one device begin one after the other, spread over the shortest interval.
        """
        self._emit = emit
        self._stopping = False
        self._alive_at = now = self._clock.monotonic()
        intervals = [group.interval_seconds for group in self.groups if group.interval_seconds is not None]
        step = min(intervals, default=0.0) / max(len(intervals), 1)
        for number, group in enumerate(self.groups):
            group.begin(now + number * step)

    def start(self, emit: Emit) -> None:
        """Begin to poll in a thread of its own."""
        self.begin(emit)
        self._ended = False
        self._thread = threading.Thread(target=self._run, name=f"poll {self.id}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask the worker to end after the poll under way."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the worker to end; False when it still runs. Its driver is closed then."""
        deadline = self._clock.monotonic() + timeout_seconds
        with self._changed:
            while self._thread is not None and not self._ended:
                if (left := deadline - self._clock.monotonic()) <= 0:
                    return False
                self._clock.wait(self._changed, left)
        self._thread = None
        return True

    def close(self) -> None:
        """Close the driver, unless a worker that could not be stopped still uses it."""
        if self._thread is None:
            self._close_driver()

    def _run(self) -> None:
        try:
            while not self._stopping:
                try:
                    self.run_due()
                    self._wait()
                except BaseException as error:  # SystemExit or CancelledError, too, would end the thread for good
                    self._restart_after(error)
        finally:
            with self._changed:
                for group in self.groups:
                    self._refuse(group, "the source was stopped")
            self._close_driver()
            with self._changed:
                self._ended = True
                self._changed.notify_all()

    def _restart_after(self, error: BaseException) -> None:
        with suppress(BaseException):  # nothing that a log handler does ends the worker either
            self._log.error("polling restarted", device=self.id, every=self.id, exc_info=error)
        until = self._clock.monotonic() + RESTART_SECONDS
        with self._changed:
            while not self._stopping and (left := until - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, left)

    def _wait(self) -> None:
        """Sleep until something is due. What was asked for since the last look is seen under the same lock."""
        with self._changed:
            if not self._stopping and not any(group.triggers.is_waiting for group in self.groups):
                self._clock.wait(self._changed, self._seconds_to_next(self._clock.monotonic()))

    def _close_driver(self) -> None:
        try:
            self._driver.close()
        except BaseException as error:
            self._log.error(
                "driver not closed", device=self.id, plugin=self._driver_plugin(), every=self.id, exc_info=error
            )

    def _driver_plugin(self) -> str:
        """The import package of the driver, which is the name of its plugin."""
        return type(self._driver).__module__.partition(".")[0]

    def pulse(self) -> Pulse | None:
        """When its thread last ended a cycle; None while it has no group to poll at an interval."""
        intervals = [
            group.interval_seconds
            for group in self.groups
            if group.mode is GroupMode.FIXED and group.running and group.interval_seconds is not None
        ]
        if not intervals:
            return None
        limit = max(SILENT_INTERVALS * min(intervals), LEAST_SILENT_SECONDS)
        return Pulse(max(0.0, self._clock.monotonic() - self._alive_at), limit, f"device {self.id}")

    # -- control: called from any thread ------------------------------------------------------------------------------

    def status(self, group: PollGroup) -> GroupStatus:
        """One group at this instant; waits for nothing."""
        with self._changed:
            return group.status(self._clock.monotonic(), self._backoff.retry_at is not None)

    def start_group(self, group: PollGroup) -> None:
        """Let the group poll again, at once if it is a fixed one; without effect when it runs."""
        with self._changed:
            if not group.running:
                self._alive_at = self._clock.monotonic()
                group.begin(self._alive_at)
                self._changed.notify_all()

    def stop_group(self, group: PollGroup, timeout_seconds: float) -> bool:
        """Let no poll begin; returns when the running one has ended, False when that took too long."""
        deadline = self._clock.monotonic() + timeout_seconds
        with self._changed:
            group.running = False
            self._refuse(group, "the group was stopped")
            while self._busy is group:
                left = deadline - self._clock.monotonic()
                if left <= 0:
                    return False
                self._clock.wait(self._changed, left)
        return True

    def ask(self, group: PollGroup) -> Ticket:
        """Ask for a poll of a handshake group; it begins after the poll that is under way."""
        now = self._clock.monotonic()
        with self._changed:
            if group.mode is not GroupMode.HANDSHAKE:
                message = f"group {group.id} is polled every {group.interval_seconds:g} s; only handshake groups wait"
                return Ticket(now, TriggerResult(False, 0, 0.0, message))
            if not group.running:
                return Ticket(now, TriggerResult(False, 0, 0.0, f"group {group.id} is stopped"))
            if self._stopping:
                return Ticket(now, TriggerResult(False, 0, 0.0, "the source was stopped"))
            ticket = group.triggers.ask(now)
            self._changed.notify_all()
            return ticket

    def trigger(self, group: PollGroup, timeout_seconds: float) -> TriggerResult:
        """Ask for a poll and wait for its result."""
        if self._thread is None:
            return TriggerResult(False, 0, 0.0, "the source does not run")
        ticket = self.ask(group)
        asked_at = self._clock.monotonic()
        with self._changed:
            while ticket.result is None:
                waited = self._clock.monotonic() - asked_at
                if waited >= timeout_seconds:
                    return TriggerResult(False, 0, waited, f"no result within {timeout_seconds:g} s; still polling")
                self._clock.wait(self._changed, timeout_seconds - waited)
            return ticket.result

    def _refuse(self, group: PollGroup, message: str) -> None:
        ticket = group.triggers.give_up()
        if ticket is not None:
            ticket.result = TriggerResult(False, 0, 0.0, message)
            self._changed.notify_all()

    # -- work: in the worker's thread ---------------------------------------------------------------------------------

    def run_due(self) -> float | None:
        """Poll every group that is asked for or due, each once; returns the seconds until the next is due or None."""
        self._clock_jump.look()
        now = self._clock.monotonic()
        self._serve_tickets()
        for group in sorted((group for group in self.groups if group.due <= now), key=lambda group: group.due):
            if self._stopping:
                return 0.0
            with self._working_on(group) as runs:
                if runs:
                    self._cycle(group)
                    self._alive_at = self._clock.monotonic()
            self._serve_tickets()
        self._pay_owed()
        self._link.rest()
        self._alive_at = now = self._clock.monotonic()
        for group in self.groups:
            group.watch(now)
        return self._seconds_to_next(now)

    def _seconds_to_next(self, now: float) -> float | None:
        next_at = min((min(group.due, group.stale_at) for group in self.groups), default=math.inf)
        if self._owed and self._backoff.retry_at is not None:
            next_at = min(next_at, self._backoff.retry_at)
        return None if next_at == math.inf else max(next_at - now, 0.0)

    @contextmanager
    def _working_on(self, group: PollGroup) -> Iterator[bool]:
        """Marks the group as being polled; False when it was stopped meanwhile."""
        with self._changed:
            runs = group.running
            self._busy = group if runs else None
        try:
            yield runs
        finally:
            with self._changed:
                self._busy = None
                self._changed.notify_all()

    def _serve_tickets(self) -> None:
        for group in self.groups:
            if not group.triggers.is_waiting or self._stopping:
                continue
            with self._working_on(group):
                with self._changed:
                    ticket = group.triggers.take()
                if ticket is not None:
                    result = self._poll(group)
                    with self._changed:
                        ticket.result = result

    def _pay_owed(self) -> None:
        """Probe when the backoff is over, and poll what was missed once the device answers."""
        while self._owed and not self._stopping and not self._backoff.holds(self._clock.monotonic()):
            group = self._owed[0]
            with self._working_on(group) as runs:
                if not runs or group.bit is not None:
                    self._owed.remove(group)
                if runs and group.bit is not None:
                    self._look_at_bit(group)
                elif runs:
                    self._poll(group)

    def _cycle(self, group: PollGroup) -> None:
        now = self._clock.monotonic()
        assert group.schedule
        group.skipped(group.schedule.take(now), now, self._trouble_at)
        if self._backoff.holds(now):
            group.missed += 1
            self._owe(group)
            if group.mode is GroupMode.FIXED:
                self._send(group.nothing_read(now, self._clock.time_ns()))
        elif group.mode is GroupMode.FIXED:
            self._poll(group)
        else:
            self._look_at_bit(group)

    def _look_at_bit(self, group: PollGroup) -> None:
        bit = group.bit
        assert bit
        if bit.reset_owed and not self._reset(group):
            return
        try:
            reading = bit.look(self._clock.monotonic(), self._clock.time_ns())
        except BaseException as defect:
            self._failed(group, DriverFailed.after(defect, self._driver))
            return
        if reading.error is not None:
            self._failed(group, reading.error)
            return
        if reading.answered_ns is not None:
            self._answered()
        bit.is_bad = bool(reading.bad)
        if bit.is_bad != bit.told_bad:
            self._tell_of_bit(group, bit, reading)
        if not bit.is_bad and bit.asks(bool(reading.values[0])):
            bit.polled(self._poll(group).success)
            self._reset(group)

    def _tell_of_bit(self, group: PollGroup, bit: TriggerBit, reading: Reading) -> None:
        if bit.is_bad:
            reason = reading.reason(reading.bad)
            told = self._state_log.warning(
                "trigger bit bad", group=group.id, bit=bit.tag.address, reason=reason, every=group.id
            )
        else:
            told = self._state_log.info("trigger bit good again", group=group.id, bit=bit.tag.address, every=group.id)
        if told:
            bit.told_bad = bit.is_bad

    def _reset(self, group: PollGroup) -> bool:
        """Reset the trigger bit, if that is owed. False when it could not be done; it stays owed."""
        bit = group.bit
        assert bit
        try:
            bit.reset()
        except DeviceUnreachable as error:
            self._failed(group, error)
        except DriverError as error:
            self._log.error("trigger bit not reset", group=group.id, bit=bit.tag.address, error=error, every=group.id)
        except BaseException as defect:
            self._failed(group, DriverFailed.after(defect, self._driver))
        return not bit.reset_owed

    def _poll(self, group: PollGroup) -> TriggerResult:
        begun = self._clock.monotonic()
        time_ns = self._clock.time_ns()
        tags_read, answered_ns, message = 0, None, ""
        try:
            reading, batch = group.poll(begun, time_ns)
            error, answered_ns = reading.error, reading.answered_ns
            tags_read = len(group) - len(reading.bad)
            if not tags_read:
                none = "its only tag could not" if len(group) == 1 else f"none of its {len(group)} tags could"
                message = f"{none} be read: {error or reading.reason(reading.bad)}"
        except BaseException as defect:
            error = DriverFailed.after(defect, self._driver)
            batch = group.nothing_read(begun, time_ns)
        duration_seconds = self._clock.monotonic() - begun
        if group in self._owed:
            self._owed.remove(group)
        if error is not None:
            self._failed(group, error)
            self._owe(group)
        elif answered_ns is not None:
            self._answered()
        if not self._send(batch):
            message = message or "emit failed"
        if error is not None:
            message = str(error)
        group.ended(self._clock.monotonic(), duration_seconds, message or None)
        return TriggerResult(not message, tags_read, duration_seconds, message)

    def _owe(self, group: PollGroup) -> None:
        """As soon as the device answers, a fixed group is to be polled and a trigger bit looked at."""
        if group.schedule is not None and group not in self._owed:
            self._owed.append(group)

    def _send(self, batch: Batch) -> bool:
        assert self._emit is not None
        if not batch:
            return True
        try:
            self._emit(batch)
        except BaseException as error:
            self._log.error("emit failed", device=self.id, records=len(batch), every=self.id, exc_info=error)
            return False
        return True

    def _failed(self, group: PollGroup, error: DriverError) -> None:
        """The device did not answer ``group``, or its driver raised what it must not."""
        if isinstance(error, DriverFailed):
            self._log.error(
                "driver failed",
                device=self.id,
                group=group.id,
                plugin=self._driver_plugin(),
                every=self.id,
                exc_info=error.__cause__,
            )
        now = self._trouble_at = self._clock.monotonic()
        retry_seconds = self._backoff.failed(now)
        self._outages.failed(now, error, self._backoff.failures, retry_seconds)

    def _answered(self) -> None:
        if self._backoff.down_since is not None:
            self._trouble_at = self._clock.monotonic()
            self._outages.answered(self._trouble_at - self._backoff.down_since)
            self._backoff.answered()
