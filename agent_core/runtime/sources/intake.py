"""Intake: what one source has handed over, and what failed on the way to the buffers."""

from __future__ import annotations

import threading
from collections import Counter


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
        "longest_gap_seconds",
        "refused_batches",
        "set_aside",
        "threads",
    )

    def __init__(self) -> None:
        self.collected = 0
        self.last_batch_ns: int | None = None
        self.last_at: float | None = None
        self.longest_gap_seconds = 0.0
        self.set_aside = 0
        self.refused_batches = 0
        self.failures: Counter[str] = Counter()
        self.threads: set[threading.Thread] = set()

    def seen(self, now: float) -> None:
        """The thread that calls this has called ``emit``."""
        if self.last_at is not None and now - self.last_at > self.longest_gap_seconds:
            self.longest_gap_seconds = now - self.last_at
        self.last_at = now
        thread = threading.current_thread()
        if thread not in self.threads:
            self.threads = {known for known in self.threads if known.is_alive()} | {thread}
