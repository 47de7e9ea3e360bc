"""RateLimit: what repeats is let through now and then, with a count."""

from __future__ import annotations

import threading

from agent_core.api.clock import Clock

FAULT_INTERVAL_SECONDS = 60.0
"""A fault that lasts is one line per minute."""


class RateLimit:
    """Lets one event of each key through per interval; thread-safe.

    Keys are remembered permanently, so they come from the configuration or the code, never from data. A log line needs
    none: ``Log`` has its own, behind ``every=``.
    """

    def __init__(self, clock: Clock, interval_seconds: float = FAULT_INTERVAL_SECONDS) -> None:
        self._clock = clock
        self._interval = interval_seconds
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, int]] = {}

    def allow(self, key: str) -> int | None:
        """How many events of ``key`` were held back since the last one; None when this one is held back, too."""
        now = self._clock.monotonic()
        with self._lock:
            last, held_back = self._seen.get(key, (None, 0))
            if last is not None and now - last < self._interval:
                self._seen[key] = (last, held_back + 1)
                return None
            self._seen[key] = (now, 0)
        return held_back
