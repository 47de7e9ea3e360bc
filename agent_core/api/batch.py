"""Batch: the unit in which values travel, as columns."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain
from typing import Final, NamedTuple

Value = float | int | bool | str | Decimal | None
"""What a tag may hold. A ``str`` is valid Unicode without NUL or lone surrogates (``emit`` escapes the rest)."""

GOOD: Final = 192
UNCERTAIN: Final = 64
BAD: Final = 0
"""Quality bytes. Source: OPC Data Access 3.0, section 6.8, the two quality bits 0xC0."""

QUALITY_NAMES: Final = {GOOD: "GOOD", UNCERTAIN: "UNCERTAIN", BAD: "BAD"}
QUALITY_VALUES: Final = {name: value for value, name in QUALITY_NAMES.items()}

MIN_TIMESTAMP_NS: Final = -(2**63)
MAX_TIMESTAMP_NS: Final = 2**63 - 1
"""Inclusive bounds of a timestamp: UTC nanoseconds since 1970-01-01 in an int64."""


class Origin(NamedTuple):
    """Where records came from: ids as written in the YAML."""

    source: str
    device: str
    group: str


class Segment(NamedTuple):
    """Records ``start:stop`` of a batch come from ``origin``; ``sequence`` orders polls of one process, no more."""

    origin: Origin
    sequence: int
    start: int
    stop: int


class Record(NamedTuple):
    """One value of one tag at one time, for people who want one at a time. Never used on the hot path."""

    name: str
    value: Value
    timestamp_ns: int
    quality: int
    origin: Origin


@dataclass(frozen=True, slots=True, repr=False)
class Batch:
    """Immutable columns of equal length. Sinks, fallbacks and observers may hold the same one, so none can change it.

    ``timestamps_ns`` is one int when all records share it, else a read-only memoryview of int64 (format ``q``).
    ``qualities`` holds one byte per record: GOOD, UNCERTAIN or BAD. ``segments`` cover ``0:len`` in order, without
    gaps. A tag that could not be read has value None and quality BAD. Slicing and joining are C-speed and keep the
    segments.

    Columns may be given as other sequences, such as lists or ``array('q')``: they are copied once. TypeError, or
    OverflowError, for timestamps that are not int64.
    """

    names: tuple[str, ...]
    values: tuple[Value, ...]
    timestamps_ns: array[int] | memoryview[int] | int
    qualities: bytes
    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        stamps = self.timestamps_ns
        if not isinstance(stamps, int) and not _is_read_only(stamps):
            object.__setattr__(self, "timestamps_ns", _int64s(stamps))
        if type(self.names) is not tuple:
            object.__setattr__(self, "names", tuple(self.names))
        if type(self.values) is not tuple:
            object.__setattr__(self, "values", tuple(self.values))
        if type(self.segments) is not tuple:
            object.__setattr__(self, "segments", tuple(self.segments))
        if type(self.qualities) is not bytes:
            object.__setattr__(self, "qualities", bytes(iter(self.qualities)))

    def __len__(self) -> int:
        return len(self.names)

    def __hash__(self) -> int:
        return hash((self.names, self.segments))

    def __repr__(self) -> str:
        stamps = self.timestamps_ns if isinstance(self.timestamps_ns, int) else self.timestamps_ns.tolist()
        return f"Batch({self.names}, {self.values}, {stamps}, {self.qualities!r}, {self.segments})"

    @classmethod
    def of(
        cls,
        origin: Origin,
        names: Sequence[str],
        values: Sequence[Value],
        timestamps_ns: array[int] | memoryview[int] | int,
        qualities: bytes | None = None,
        sequence: int = 0,
    ) -> Batch:
        """Build a batch of one origin; without ``qualities`` all records are GOOD. ValueError on unequal lengths."""
        count = len(names)
        qualities = bytes((GOOD,)) * count if qualities is None else qualities
        stamps = count if isinstance(timestamps_ns, int) else len(timestamps_ns)
        if not count == len(values) == len(qualities) == stamps:
            raise ValueError(
                f"a batch needs columns of equal length: {count} names, {len(values)} values, "
                f"{stamps} timestamps, {len(qualities)} qualities"
            )
        segments = (Segment(origin, sequence, 0, count),) if count else ()
        return cls(tuple(names), tuple(values), timestamps_ns, qualities, segments)

    def slice(self, start: int, stop: int) -> Batch:
        """Records ``start:stop`` (0 <= start <= stop <= len), sharing what can be shared."""
        if start == 0 and stop == len(self.names):
            return self
        stamps = self.timestamps_ns
        return Batch(
            self.names[start:stop],
            self.values[start:stop],
            stamps if isinstance(stamps, int) else stamps[start:stop],
            self.qualities[start:stop],
            tuple(
                Segment(s.origin, s.sequence, max(s.start, start) - start, min(s.stop, stop) - start)
                for s in self.segments
                if s.start < stop and s.stop > start
            ),
        )

    def select(self, indices: Sequence[int]) -> Batch:
        """The records at ``indices`` (ascending), with segments to match."""
        stamps = self.stamps()
        segments: list[Segment] = []
        position, upto = 0, len(indices)
        for segment in self.segments:
            start = position
            while position < upto and indices[position] < segment.stop:
                position += 1
            if position > start:
                segments.append(Segment(segment.origin, segment.sequence, start, position))
        return Batch(
            tuple(self.names[i] for i in indices),
            tuple(self.values[i] for i in indices),
            array("q", (stamps[i] for i in indices)),
            bytes(self.qualities[i] for i in indices),
            tuple(segments),
        )

    def stamps(self) -> array[int] | memoryview[int]:
        """Timestamps as a sequence with one entry per record."""
        stamps = self.timestamps_ns
        return array("q", (stamps,)) * len(self.names) if isinstance(stamps, int) else stamps

    def origins(self) -> Iterator[Origin]:
        """The origin of each record, in their order."""
        for segment in self.segments:
            for _ in range(segment.start, segment.stop):
                yield segment.origin

    def records(self) -> Iterator[Record]:
        """The records one at a time."""
        return map(Record, self.names, self.values, self.stamps(), self.qualities, self.origins())

    @staticmethod
    def join(batches: Sequence[Batch]) -> Batch:
        """All records in the order given; EMPTY for none."""
        if len(batches) == 1:
            return batches[0]
        if not batches:
            return EMPTY
        shared = batches[0].timestamps_ns
        stamps: memoryview[int] | int
        if isinstance(shared, int) and all(batch.timestamps_ns == shared for batch in batches):
            stamps = shared
        else:
            stamps = memoryview(b"".join(batch.stamps() for batch in batches)).cast("q")
        segments: list[Segment] = []
        offset = 0
        for batch in batches:
            for origin, sequence, start, stop in batch.segments:
                segments.append(Segment(origin, sequence, start + offset, stop + offset))
            offset += len(batch.names)
        return Batch(
            tuple(chain.from_iterable(batch.names for batch in batches)),
            tuple(chain.from_iterable(batch.values for batch in batches)),
            stamps,
            b"".join(batch.qualities for batch in batches),
            tuple(segments),
        )


def _is_read_only(stamps: array[int] | memoryview[int]) -> bool:
    return type(stamps) is memoryview and type(stamps.obj) is bytes and stamps.format == "q"


def _int64s(stamps: array[int] | memoryview[int]) -> memoryview[int]:
    """A copy that nobody can write to."""
    column = stamps if isinstance(stamps, array) and stamps.typecode == "q" else array("q", stamps)
    return memoryview(column.tobytes()).cast("q")


EMPTY: Final = Batch((), (), 0, b"", ())
"""The batch without records; falsy, like every empty batch."""
