"""Clock: the only way the core and its plugins read time or wait, so that tests can own it."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """Thread-safe. ``monotonic`` drives schedules and time-outs, ``time_ns`` stamps data; never mix the two."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary start; never goes back."""

    def time_ns(self) -> int:
        """UTC nanoseconds since the epoch; may jump when the machine's clock is set."""

    def wait(self, condition: threading.Condition, timeout: float | None = None) -> bool:
        """Wait on ``condition`` (whose lock the caller holds) for at most ``timeout`` seconds of this clock's time.

        Returns False when the time ran out. Like ``Condition.wait`` it may return early: call it in a loop.
        """


class SystemClock:
    """The machine's clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def time_ns(self) -> int:
        return time.time_ns()

    def wait(self, condition: threading.Condition, timeout: float | None = None) -> bool:
        return condition.wait(timeout)
