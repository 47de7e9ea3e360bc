"""Backoff: when a device that does not answer is tried again."""

from __future__ import annotations

from polling_source.config import BackoffConfig


class Backoff:
    """Counts failures in a row; all times are monotonic seconds. Used by the device's worker alone."""

    def __init__(self, config: BackoffConfig) -> None:
        self._config = config
        self._delay_seconds = config.initial
        self.failures = 0
        self.retry_at: float | None = None
        """When the device may be tried again; None while it answers."""
        self.down_since: float | None = None

    def failed(self, now: float) -> float:
        """The device did not answer; returns the seconds until it is tried again, twice as long each time."""
        if self.down_since is None:
            self.down_since = now
        delay_seconds = min(self._delay_seconds, self._config.max)
        self._delay_seconds = min(delay_seconds * 2, self._config.max)
        self.failures += 1
        self.retry_at = now + delay_seconds
        return delay_seconds

    def answered(self) -> None:
        """The device answered: start anew."""
        self._delay_seconds = self._config.initial
        self.failures = 0
        self.retry_at = self.down_since = None

    def holds(self, now: float) -> bool:
        """True while the device is to be left alone."""
        return self.retry_at is not None and now < self.retry_at
