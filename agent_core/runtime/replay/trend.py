"""Trend: whether a backlog becomes smaller while nothing keeps it from being written back."""

from __future__ import annotations

from typing import Final

from agent_core.api import Clock

STUCK_SECONDS: Final = 600.0
"""A backlog that has not shrunk for so long needs somebody to look. One batch written back is enough to count anew."""


class Trend:
    """How long ago the backlog was last smaller than ever since the sink came up. Not thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._least: int | None = None
        self._since = 0.0

    def see(self, waiting_records: int, *, may_shrink: bool) -> None:
        """``may_shrink``: the sink is up, and the backlog is written back automatically."""
        if not may_shrink or not waiting_records:
            self._least = None
        elif self._least is None or waiting_records < self._least:
            self._least, self._since = waiting_records, self._clock.monotonic()

    def stuck_seconds(self) -> float:
        """For how long it has not shrunk, once that is too long; else 0.0."""
        seconds = 0.0 if self._least is None else self._clock.monotonic() - self._since
        return seconds if seconds >= STUCK_SECONDS else 0.0
