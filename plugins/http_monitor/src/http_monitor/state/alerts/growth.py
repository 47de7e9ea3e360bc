"""Growth: how much counters grew within the last minutes."""

from __future__ import annotations

from collections import deque
from typing import Final

WINDOW_SECONDS: Final = 300.0


class Growth:
    """Remembers when counters grew; used from one thread."""

    def __init__(self) -> None:
        self._totals: dict[str, int] = {}
        self._steps: dict[str, deque[tuple[float, int]]] = {}

    def update(self, counter: str, total: int, now_seconds: float) -> int:
        """Tell the current total; how much it grew within the window. The first total counts from zero."""
        grown = total - self._totals.get(counter, 0)
        self._totals[counter] = total
        steps = self._steps.setdefault(counter, deque())
        if grown > 0:
            steps.append((now_seconds, grown))
        while steps and steps[0][0] <= now_seconds - WINDOW_SECONDS:
            steps.popleft()
        return sum(step for _, step in steps)

    def pass_over(self, counter: str, total: int) -> None:
        """Tell the current total; what it grew by does not count, nor what it grew by before."""
        self._totals[counter] = total
        self._steps.pop(counter, None)
