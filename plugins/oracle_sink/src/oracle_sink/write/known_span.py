"""KnownSpan: a guess whether the rows of a batch are in the table already.

A row that the insert finds there costs the server an exception and a rolled-back row, several times what a row that
goes in costs. A replay of a backlog that was written before all but its last rows would pay that for hours. So once
most rows of a batch were there, batches of about the same time are looked up first and only what is missing is
inserted. A wrong guess costs the look-ups and nothing else; live rows have other times than replayed ones.
"""

from __future__ import annotations

from typing import Final

from agent_core.api import Batch

_MARGIN_NS: Final = 60 * 1_000_000_000


class KnownSpan:
    """The span of time of the last batch that was mostly there. Thread-safe: one reference is swapped."""

    def __init__(self) -> None:
        self._span: tuple[int, int] | None = None

    def expects(self, batch: Batch) -> bool:
        """True when the batch begins within the span, or shortly before or after it."""
        span = self._span
        return span is not None and span[0] - _MARGIN_NS <= _bounds(batch)[0] <= span[1] + _MARGIN_NS

    def learn(self, batch: Batch, duplicates: int) -> None:
        """Remember what came of a batch."""
        if 2 * duplicates > len(batch):
            self._span = _bounds(batch)
        elif self.expects(batch):
            self._span = None

    def suspect(self, batch: Batch) -> None:
        """The batch may have been committed without an answer."""
        self._span = _bounds(batch)


def _bounds(batch: Batch) -> tuple[int, int]:
    stamps = batch.timestamps_ns
    return (stamps, stamps) if isinstance(stamps, int) else (min(stamps), max(stamps))
