"""RowFilter: which rows of a backup are replayed."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from agent_core.api import MAX_TIMESTAMP_NS, MIN_TIMESTAMP_NS, Batch


@dataclass(frozen=True, slots=True)
class RowFilter:
    """Rows from ``from_ns`` on and before ``to_ns`` (UTC ns), of ``tags``, not older than so many seconds.

    ``tags`` are names or patterns (``LINE1_*``), case-sensitive; none of them means every tag.
    """

    from_ns: int | None = None
    to_ns: int | None = None
    tags: tuple[str, ...] = ()
    not_older_than_seconds: float | None = None

    @property
    def active(self) -> bool:
        """False when every row passes."""
        return self != RowFilter()

    @property
    def key(self) -> str:
        """The same for the same filter, today and tomorrow."""
        return repr((self.from_ns, self.to_ns, sorted(self.tags), self.not_older_than_seconds))

    def at(self, now_ns: int) -> RowSelection:
        """The filter as it is at one moment."""
        return RowSelection(self, now_ns)


class RowSelection:
    """Applies a filter to batches; remembers what it found out about tag names. Not thread-safe."""

    def __init__(self, wanted: RowFilter, now_ns: int) -> None:
        oldest = MIN_TIMESTAMP_NS
        if wanted.not_older_than_seconds is not None:
            oldest = now_ns - round(wanted.not_older_than_seconds * 1e9)
        self._from_ns = max(oldest, MIN_TIMESTAMP_NS if wanted.from_ns is None else wanted.from_ns)
        self._to_ns = MAX_TIMESTAMP_NS + 1 if wanted.to_ns is None else wanted.to_ns
        self._tags = wanted.tags
        self._known: dict[str, bool] = {}

    def of(self, batch: Batch) -> Batch:
        """The rows that pass; ``batch`` itself when all do."""
        if not batch:
            return batch
        stamps = batch.stamps()
        from_ns, to_ns = self._from_ns, self._to_ns
        in_time = from_ns <= min(stamps) and max(stamps) < to_ns
        if in_time and not self._tags:
            return batch
        wanted = [
            row
            for row, (name, stamp) in enumerate(zip(batch.names, stamps, strict=True))
            if from_ns <= stamp < to_ns and (not self._tags or self._matches(name))
        ]
        return batch if len(wanted) == len(batch) else batch.select(wanted)

    def _matches(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = any(fnmatchcase(name, pattern) for pattern in self._tags)
        return known
