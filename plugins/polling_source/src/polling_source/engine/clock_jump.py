"""ClockJump: notices that somebody set the machine's clock."""

from __future__ import annotations

import threading
from typing import Final

from agent_core.api import Clock, Log

LEAST_SECONDS: Final = 1.0
"""Below this it may be NTP's slewing, or a busy machine between the two readings."""


class ClockJump:
    """Compares the wall clock with the monotonic one. Thread-safe.

    Schedules do not notice a jump, timestamps do: after one back, records carry times that were already used.
    """

    def __init__(self, clock: Clock, log: Log) -> None:
        self._clock = clock
        self._log = log
        self._lock = threading.Lock()
        self._offset_seconds: float | None = None

    def look(self) -> None:
        """Announce a jump since the last look."""
        offset_seconds = self._clock.time_ns() / 1e9 - self._clock.monotonic()
        with self._lock:
            known, self._offset_seconds = self._offset_seconds, offset_seconds
        if known is None or abs(offset_seconds - known) < LEAST_SECONDS:
            return
        self._log.warning(
            "wall clock jumped",
            by_seconds=round(offset_seconds - known, 3),
            every="wall clock",
            next_step="timestamps follow the clock: see that its time is right",
        )
