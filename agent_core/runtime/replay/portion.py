"""Portion: records of a backup file that are written at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from agent_core.api import BadLine, Batch, ReplayBatch
from agent_core.runtime.replay.record_filter import Choose

SKIPPED_AT_ONCE = 100_000
"""A portion ends after so many records, so that the position is stored although nothing was written."""


@dataclass(slots=True)
class Portion:
    """At most one write's worth of records, and what was skipped between them.

    ``start`` is the data record where it begins, ``stop`` the one after it; ``read`` counts the skipped records, too.
    """

    start: int
    stop: int
    read: int = 0
    wanted: int = 0
    bad_lines: list[BadLine] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)

    def batch(self) -> Batch:
        """The records to write, oldest first."""
        return Batch.join(self.batches)


def portions(parts: Iterable[ReplayBatch], start: int, choose: Choose, max_records: int) -> Iterator[Portion]:
    """Cut what was read from record ``start`` on into portions of at most ``max_records`` that ``choose`` lets pass."""
    portion = Portion(start, start)
    for part in parts:
        chosen = choose(part.batch)
        if portion.wanted + len(chosen) > max_records or portion.read >= SKIPPED_AT_ONCE:
            yield portion
            portion = Portion(portion.stop, portion.stop)
        if chosen:
            portion.batches.append(chosen)
        portion.wanted += len(chosen)
        portion.read += len(part.batch)
        portion.bad_lines.extend(part.bad_lines)
        portion.stop = part.next_record
        if portion.wanted >= max_records:  # read no further: a reader resumes cheaply where it stopped
            yield portion
            portion = Portion(portion.stop, portion.stop)
    if portion.stop != portion.start or portion.bad_lines:
        yield portion
