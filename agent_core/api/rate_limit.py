"""RateLimit: a fault that repeats is logged now and then, with a count."""

from __future__ import annotations

import threading

from agent_core.api.clock import Clock

FAULT_INTERVAL_SECONDS = 60.0
"""A fault that lasts is one line per minute."""


class Repeats(str):
    """How often an event was kept quiet since it was last let through, as `` repeated=3``; nothing for 0.

    The last argument of a log message that ends in ``%s``, directly behind its last field.
    """

    times: int

    def __new__(cls, count: int) -> Repeats:
        self = super().__new__(cls, f" repeated={count}" if count else "")
        self.times = count
        return self


class RateLimit:
    """Lets one event of each key through per interval; thread-safe.

    Keys are remembered permanently, so they come from the configuration or the code, never from data::

        if (repeats := self._faults.allow("read")) is not None:
            self._logger.warning("read failed: device=%s error=%s%s", device_id, error, repeats)
    """

    def __init__(self, clock: Clock, interval_seconds: float = FAULT_INTERVAL_SECONDS) -> None:
        self._clock = clock
        self._interval = interval_seconds
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[float, int]] = {}

    def allow(self, key: str) -> Repeats | None:
        """What to append to this event's message, or None when it is to be kept quiet."""
        now = self._clock.monotonic()
        with self._lock:
            last, quiet = self._seen.get(key, (None, 0))
            if last is not None and now - last < self._interval:
                self._seen[key] = (last, quiet + 1)
                return None
            self._seen[key] = (now, 0)
        return Repeats(quiet)
