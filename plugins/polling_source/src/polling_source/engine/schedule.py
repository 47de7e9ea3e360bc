"""Schedule: when a fixed group is due, on a grid that never drifts."""

from __future__ import annotations

import math


class Schedule:
    """Due times ``origin + k * interval`` for k = 0, 1, 2 ..., in monotonic seconds.

    A poll that comes late does not move the grid. When several due times have passed, the latest is kept and the
    others are skipped: polls are never bunched.
    """

    def __init__(self, origin: float, interval_seconds: float) -> None:
        self._origin = origin
        self.interval_seconds = interval_seconds
        self._next = 0

    @property
    def due(self) -> float:
        """When the next poll is due."""
        return self._origin + self._next * self.interval_seconds

    def take(self, now: float) -> int:
        """Take the due time that has come (``now >= due``); returns how many were skipped before it."""
        latest = max(self._next, math.floor((now - self._origin) / self.interval_seconds))
        skipped = latest - self._next
        self._next = latest + 1
        return skipped
