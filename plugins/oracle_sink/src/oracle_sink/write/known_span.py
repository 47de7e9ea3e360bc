"""KnownSpan: a guess whether the records of a batch are already in the table.

An insert that finds its key in the table costs the server an exception and a rolled-back row, several times as much as
one that succeeds. A replay of a backlog that was almost completely written before would pay that for hours. So after a
batch whose records were mostly in the table, batches of about the same time are looked up first, and only what is
missing is inserted. A wrong guess costs only the look-ups; live records have other times than replayed ones.
"""

from __future__ import annotations

from typing import Final

from agent_core.api import Batch

_MARGIN_NS: Final = 60 * 1_000_000_000


class KnownSpan:
    """The time span of the last batch that was mostly in the table. Thread-safe: one reference is swapped."""

    def __init__(self) -> None:
        self._span: tuple[int, int] | None = None

    def expects(self, batch: Batch) -> bool:
        """True if the batch begins within the span, or shortly before or after it."""
        span = self._span
        return span is not None and span[0] - _MARGIN_NS <= _bounds(batch)[0] <= span[1] + _MARGIN_NS

    def learn(self, batch: Batch, duplicates: int) -> None:
        """Remember the outcome of a batch."""
        if 2 * duplicates > len(batch):
            self._span = _bounds(batch)
        elif self.expects(batch):
            self._span = None

    def suspect(self, batch: Batch) -> None:
        """The batch may have been committed, but the answer was lost."""
        self._span = _bounds(batch)


def _bounds(batch: Batch) -> tuple[int, int]:
    stamps = batch.timestamps_ns
    return (stamps, stamps) if isinstance(stamps, int) else (min(stamps), max(stamps))
