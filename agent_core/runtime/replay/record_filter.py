"""RecordFilter: which records of a backup are replayed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from agent_core.api import MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS, Batch

Choose = Callable[[Batch], Batch]
"""Picks the records of a batch that are wanted; returns the batch itself when all are."""


@dataclass(frozen=True, slots=True)
class RecordFilter:
    """Records from ``from_ns`` on and before ``to_ns`` (UTC ns), of ``tags``, not older than so many seconds.

    ``tags`` are names or patterns (``LINE1_*``), case-sensitive; none of them means every tag.
    """

    from_ns: int | None = None
    to_ns: int | None = None
    tags: tuple[str, ...] = ()
    not_older_than_seconds: float | None = None

    @property
    def active(self) -> bool:
        """False when every record passes."""
        return self != RecordFilter()

    @property
    def key(self) -> str:
        """The same for the same filter, today and tomorrow."""
        return repr((self.from_ns, self.to_ns, sorted(self.tags), self.not_older_than_seconds))

    def at(self, now_ns: int) -> Choose:
        """The filter as it is at one moment."""
        from_ns = MIN_TIMESTAMP_NS if self.from_ns is None else self.from_ns
        to_ns = MAX_TIMESTAMP_NS + 1 if self.to_ns is None else self.to_ns
        if self.not_older_than_seconds is not None:
            from_ns = max(from_ns, now_ns - round(self.not_older_than_seconds * 1e9))

        @cache
        def matches(name: str) -> bool:
            return not self.tags or any(fnmatchcase(name, pattern) for pattern in self.tags)

        def choose(batch: Batch) -> Batch:
            if not batch:
                return batch
            stamps = batch.stamps()
            if not self.tags and from_ns <= min(stamps) and max(stamps) < to_ns:
                return batch
            wanted = [
                index
                for index, (name, stamp) in enumerate(zip(batch.names, stamps, strict=True))
                if from_ns <= stamp < to_ns and matches(name)
            ]
            return batch if len(wanted) == len(batch) else batch.select(wanted)

        return choose
