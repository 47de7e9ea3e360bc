"""RateLimit: a fault that repeats is logged now and then, with a count."""

from __future__ import annotations

import threading

from agent_core.api import Clock

FAULT_INTERVAL_SECONDS = 60.0
"""A fault that goes on is one line a minute."""


class RateLimit:
    """Lets one event of each key through per interval; thread-safe."""

    def __init__(self, clock: Clock, interval_seconds: float) -> None:
        self._clock = clock
        self._interval = interval_seconds
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, int]] = {}

    def allow(self, key: str) -> str | None:
        """What to append to this event's message, or None when it is to be kept quiet.

        The text is empty, or says how often the event was kept quiet since it was last let through.
        """
        now = self._clock.monotonic()
        with self._lock:
            last, quiet = self._seen.get(key, (None, 0))
            if last is not None and now - last < self._interval:
                self._seen[key] = (last, quiet + 1)
                return None
            self._seen[key] = (now, 0)
        return f" repeated={quiet}" if quiet else ""
