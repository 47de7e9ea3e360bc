"""ManualClock: time that moves only when a test says so."""

from __future__ import annotations

import threading
import time

from agent_core.testing.suite.patience import PATIENCE_SECONDS

START_NS = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z."""


class ManualClock:
    """A Clock owned by the test; thread-safe.

    ``advance`` moves both ``monotonic`` and ``time_ns``, and wakes every thread whose wait has ended by then.
    ``wait_for_waiters`` lets a test wait (in real time, bounded) until threads have begun to wait.
    """

    def __init__(self, start_ns: int = START_NS) -> None:
        self._changed = threading.Condition()
        self._now = 0.0
        self._offset_ns = start_ns
        self._waiters: list[tuple[float | None, threading.Condition]] = []

    def monotonic(self) -> float:
        with self._changed:
            return self._now

    def time_ns(self) -> int:
        with self._changed:
            return self._offset_ns + round(self._now * 1e9)

    def wait(self, condition: threading.Condition, timeout: float | None = None) -> bool:
        with self._changed:
            deadline = None if timeout is None else self._now + timeout
            if deadline is not None and deadline <= self._now:
                return False
            waiter = (deadline, condition)
            self._waiters.append(waiter)
            self._changed.notify_all()
        condition.wait()
        with self._changed:
            self._waiters.remove(waiter)
            return deadline is None or self._now < deadline

    def advance(self, seconds: float) -> None:
        """Move time on by ``seconds`` and wake the threads whose time-out has come."""
        with self._changed:
            self._now += seconds
            due = [condition for deadline, condition in self._waiters if deadline is not None and deadline <= self._now]
        for condition in due:
            with condition:
                condition.notify_all()

    def jump(self, seconds: float) -> None:
        """Set the wall clock forward or back, as an operator or NTP does; ``monotonic`` does not change."""
        with self._changed:
            self._offset_ns += round(seconds * 1e9)

    def wait_for_waiters(self, count: int = 1, real_seconds: float = PATIENCE_SECONDS) -> None:
        """Return once ``count`` threads wait on this clock. Raises TimeoutError after ``real_seconds`` of real time."""
        end = time.monotonic() + real_seconds
        with self._changed:
            while len(self._waiters) < count:
                left = end - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    raise TimeoutError(f"{len(self._waiters)} of {count} threads wait on the clock")

    def wait_for_a_wait_of(self, seconds: float, real_seconds: float = PATIENCE_SECONDS) -> None:
        """Return once a thread waits that has so long to go. Raises TimeoutError after ``real_seconds``."""
        end = time.monotonic() + real_seconds
        with self._changed:
            while not any(abs(left - seconds) < 1e-6 for left in self._left()):
                if not self._changed.wait(end - time.monotonic()):
                    raise TimeoutError(f"no thread waits for {seconds:g} s, but some for {self._left()}")

    def waiting_seconds(self) -> list[float]:
        """How long each waiter would still wait, shortest first; waiters without a time-out are left out."""
        with self._changed:
            return self._left()

    def _left(self) -> list[float]:
        return sorted(deadline - self._now for deadline, _ in self._waiters if deadline is not None)
