"""Intake: what one source has handed over, and what failed on the way to the buffers."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Final

LEAST_LIMIT_SECONDS: Final = 60.0
LIMIT_GAPS: Final = 3
"""A source may be silent for so many of its own gaps between two batches, and for a minute in any case."""

FIRST_LIMIT_SECONDS: Final = 600.0
"""How long it may be silent while its rhythm is not known."""

REMEMBERED_GAPS: Final = 16
REMEMBERED_SECONDS: Final = 7 * 86_400.0
"""Of the gaps that matter, those longer than a third of a minute, so many are remembered, for a week."""


class Intake:
    """Counters of one source. The pipeline's lock guards them.

    ``last_at`` and ``longest_gap_seconds`` are in the clock's monotonic seconds and count empty batches too: a source
    that has nothing to say may show in this way that it works. ``threads`` are those that called ``emit`` and, when
    they last did, were alive.
    """

    __slots__ = (
        "collected",
        "failures",
        "last_at",
        "last_batch_ns",
        "long_gaps",
        "longest_gap_seconds",
        "refused_batches",
        "set_aside",
        "signs",
        "threads",
    )

    def __init__(self) -> None:
        self.collected = 0
        self.last_batch_ns: int | None = None
        self.last_at: float | None = None
        self.longest_gap_seconds = 0.0
        self.long_gaps: tuple[tuple[float, float], ...] = ()
        """When each ended, and its seconds; replaced, so that it may be read without the lock."""
        self.signs = 0
        self.set_aside = 0
        self.refused_batches = 0
        self.failures: Counter[str] = Counter()
        self.threads: set[threading.Thread] = set()

    def seen(self, now: float) -> None:
        """The thread that calls this has called ``emit``."""
        self.signs += 1
        if self.last_at is not None:
            gap = now - self.last_at
            if gap > self.longest_gap_seconds:
                self.longest_gap_seconds = gap
            if gap * LIMIT_GAPS > LEAST_LIMIT_SECONDS:
                self.long_gaps = (*self.long_gaps[1 - REMEMBERED_GAPS :], (now, gap))
        self.last_at = now
        thread = threading.current_thread()
        if thread not in self.threads:
            self.threads = {known for known in self.threads if known.is_alive()} | {thread}

    def limit_seconds(self, now: float) -> float:
        """How long the source may be silent, by its own rhythm.

        That is the second longest of its gaps: a pause that it makes again and again counts, one outage does not.
        """
        if self.signs < 3:
            return max(FIRST_LIMIT_SECONDS, LIMIT_GAPS * self.longest_gap_seconds)
        gaps = sorted(gap for ended_at, gap in self.long_gaps if now - ended_at <= REMEMBERED_SECONDS)
        return max(LEAST_LIMIT_SECONDS, LIMIT_GAPS * gaps[-2] if len(gaps) > 1 else 0.0)
