"""TagTable: the current value of every tag, and a short history of each."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from agent_core.api import GOOD, Batch, Origin, Value

MAX_NOTED_BATCHES: Final = 4096
"""Between two folds, at one fold a second. Beyond it the oldest are not shown."""

HISTORY_POINTS: Final = 60
HISTORY_CELLS: Final = 600_000
"""Bounds the memory of the history to some 20 MB: with more than 10,000 tags it becomes shorter."""


@dataclass(frozen=True, slots=True)
class CurrentTag:
    """One tag now. ``trend`` is oldest first, one entry a sample; None where there was no number."""

    name: str
    value: Value
    quality: int
    timestamp_ns: int
    origin: Origin
    trend: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class TagPage:
    """``tags`` of the ``matching`` ones among ``total`` tags."""

    tags: tuple[CurrentTag, ...]
    matching: int
    total: int


class _OriginTags:
    """Columns keyed by tag name. A dict keeps its order and only grows, so entry n of every sample is the same tag."""

    __slots__ = ("names", "qualities", "samples", "stamps", "values")

    def __init__(self) -> None:
        self.values: dict[str, Value] = {}
        self.qualities: dict[str, int] = {}
        self.stamps: dict[str, int] = {}
        self.samples: deque[tuple[Value, ...]] = deque()
        self.names: tuple[str, ...] = ()


class TagTable:
    """Thread-safe. ``note`` takes no lock and costs the same for a batch of any size; ``fold`` reads, once a second.

    A poll makes batches that share one name tuple, so of several batches between two folds only the last is read.
    """

    def __init__(self) -> None:
        # A deque's append and popleft are atomic, so a data thread never waits for the one that reads.
        self._noted: deque[Batch] = deque(maxlen=MAX_NOTED_BATCHES)
        self._lock = threading.Lock()
        self._origins: dict[Origin, _OriginTags] = {}
        self._total = 0

    def note(self, batch: Batch) -> None:
        """Keep ``batch`` for the next fold. Called in data threads."""
        self._noted.append(batch)

    def fold(self) -> None:
        """Bring the columns up to date."""
        with self._lock:
            noted = self._noted
            batches = [noted.popleft() for _ in range(len(noted))]
            last: dict[int, Batch] = {}
            for batch in batches:
                # The list keeps every name tuple alive, so an id is one tuple's own.
                last.pop(id(batch.names), None)
                last[id(batch.names)] = batch
            for batch in last.values():
                self._read(batch)
            if last:
                self._total = sum(len(tags.values) for tags in self._origins.values())

    def sample(self) -> None:
        """Add one point to every tag's history."""
        with self._lock:
            points = min(HISTORY_POINTS, HISTORY_CELLS // max(1, self._total))
            for tags in self._origins.values():
                tags.samples.append(tuple(tags.values.values()))
                while len(tags.samples) > points:
                    tags.samples.popleft()

    @property
    def total(self) -> int:
        """How many tags have been seen."""
        return self._total

    def not_good(self) -> int:
        """How many tags are BAD or UNCERTAIN now."""
        with self._lock:
            return sum(
                len(tags.qualities) - list(tags.qualities.values()).count(GOOD) for tags in self._origins.values()
            )

    def page(
        self, search: str = "", group: str = "", *, only_not_good: bool = False, offset: int = 0, limit: int = 100
    ) -> TagPage:
        """Tags whose name, device or group contains ``search``, in the order they were first seen."""
        wanted = search.strip().lower()
        with self._lock:
            found: list[CurrentTag] = []
            matching = 0
            for origin, tags in self._origins.items():
                if group and origin.group != group:
                    continue
                indices = self._matching(origin, tags, wanted, only_not_good)
                start = max(0, offset - matching)
                shown = indices[start : start + limit - len(found)]
                found += [self._tag(origin, tags, index) for index in shown]
                matching += len(indices)
            return TagPage(tuple(found), matching, self._total)

    def _matching(self, origin: Origin, tags: _OriginTags, wanted: str, only_not_good: bool) -> Sequence[int]:
        if len(tags.names) != len(tags.values):
            tags.names = tuple(tags.values)
        indices: Sequence[int] = range(len(tags.names))
        if wanted and wanted not in origin.group.lower() and wanted not in origin.device.lower():
            names = tags.names
            indices = [index for index in indices if wanted in names[index].lower()]
        if only_not_good:
            qualities = list(tags.qualities.values())
            indices = [index for index in indices if qualities[index] != GOOD]
        return indices

    def _tag(self, origin: Origin, tags: _OriginTags, index: int) -> CurrentTag:
        name = tags.names[index]
        return CurrentTag(
            name,
            tags.values[name],
            tags.qualities[name],
            tags.stamps[name],
            origin,
            tuple(_number(sample[index]) if index < len(sample) else None for sample in tags.samples),
        )

    def _read(self, batch: Batch) -> None:
        for origin, part in _parts(batch):
            tags = self._origins.get(origin)
            if tags is None:
                tags = self._origins[origin] = _OriginTags()
            names, stamps = part.names, part.timestamps_ns
            tags.values.update(zip(names, part.values, strict=True))
            tags.qualities.update(zip(names, part.qualities, strict=True))
            if isinstance(stamps, int):
                tags.stamps.update(dict.fromkeys(names, stamps))
            else:
                tags.stamps.update(zip(names, stamps, strict=True))


def _parts(batch: Batch) -> Iterator[tuple[Origin, Batch]]:
    for segment in batch.segments:
        yield segment.origin, batch.slice(segment.start, segment.stop)


def _number(value: Value) -> float | None:
    if isinstance(value, (bool, int, float)):
        try:
            number = float(value)
        except OverflowError:
            return None
        return number if number - number == 0 else None  # neither infinite nor NaN
    return None
