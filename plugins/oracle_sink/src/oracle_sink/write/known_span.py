"""KnownSpan: a guess whether the records of a batch are already in the table.

An insert that finds its key in the table costs the server an exception and a rolled-back row, several times as much as
one that succeeds. A replay of a backlog that was almost completely written before would pay that for hours. So after a
batch whose records were mostly in the table, batches of about the same time are looked up first, and only what is
missing is inserted. A wrong guess costs only the look-ups; live records have other times than replayed ones.

Records whose commit was not answered are looked up as well, whenever they come back: somebody may have dropped or
disabled the key since the columns were read, and then the database takes them twice.
"""

from __future__ import annotations

from collections import deque
from typing import Final

from agent_core.api import Batch

_MARGIN_NS: Final = 60 * 1_000_000_000
_MOST_UNANSWERED: Final = 64


class KnownSpan:
    """The time span of the last batch that was mostly in the table, and those of commits without an answer.

    Thread-safe: one reference is swapped, and a deque is appended to.
    """

    def __init__(self) -> None:
        self._span: tuple[int, int] | None = None
        self._unanswered: deque[tuple[int, int]] = deque(maxlen=_MOST_UNANSWERED)

    def expects(self, batch: Batch) -> bool:
        """True if the batch begins within the span, or shortly before or after it, or has times of such a commit."""
        span = self._span
        if span is None and not self._unanswered:
            return False
        first, last = _bounds(batch)
        if span is not None and span[0] - _MARGIN_NS <= first <= span[1] + _MARGIN_NS:
            return True
        return any(first <= end and last >= start for start, end in tuple(self._unanswered))

    def learn(self, batch: Batch, duplicates: int) -> None:
        """Remember the outcome of a batch."""
        if 2 * duplicates > len(batch):
            self._span = _bounds(batch)
        elif self._span is not None and self.expects(batch):
            self._span = None

    def suspect(self, batch: Batch) -> None:
        """The batch may have been committed, but the answer was lost."""
        if (span := _bounds(batch)) not in self._unanswered:
            self._unanswered.append(span)


def _bounds(batch: Batch) -> tuple[int, int]:
    stamps = batch.timestamps_ns
    return (stamps, stamps) if isinstance(stamps, int) else (min(stamps), max(stamps))
