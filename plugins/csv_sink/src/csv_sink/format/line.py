"""Line: a record as a line of a backup file, and back.

The lines of a file end in LF; LF and CR within a text are quoted, so a line may run over several *physical* lines.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import repeat
from operator import itemgetter
from typing import Final

from agent_core.api import QUALITY_NAMES, QUALITY_VALUES, Batch, Origin, Rejection, Segment, Value
from csv_sink.format.field import parse_text, parse_value, split_line, text_field, value_fields
from csv_sink.format.timestamp import parse_timestamp, timestamp_text

COLUMNS: Final = (
    "timestamp",
    "tag_name",
    "tag_value",
    "value_type",
    "quality",
    "source",
    "device",
    "group",
    "insertion_attempt_time",
    "reason",
)
HEADER: Final = (",".join(COLUMNS) + "\n").encode()

LONGEST_RECORD_BYTES: Final = 4 * 1024 * 1024
"""A longer record is refused, and a longer line of a file is damaged: so a file can be read in bounded memory."""

_RECORDS_AT_A_TIME: Final = 8_192
"""About 1 MB of ordinary records."""

UNWRITABLE: Final = "UNWRITABLE"
"""Code of a record that makes no line."""

_SEMICOLONS: Final = "the columns are separated by semicolons, not commas; save it with commas or use the original file"

# More than any tag list has; a longer one is only slower.
_NAMES_REMEMBERED: Final = 65_536
_STAMPS_REMEMBERED: Final = 4_096


class LineWriter:
    """Turns batches into lines. Caches the tag names as text, because each poll has the same ones."""

    def __init__(self) -> None:
        self._name: Callable[[str], str] = lru_cache(_NAMES_REMEMBERED)(text_field)

    def write(
        self, batch: Batch, attempted_at_ns: int, reasons: str | Sequence[str]
    ) -> tuple[bytes, tuple[Rejection, ...]]:
        """The lines, and the records that make none: these cost no other record its line.

        In pieces, so that such a record is looked for among few, and a long batch is no longer than a record may be.
        """
        if len(batch) <= _RECORDS_AT_A_TIME:
            return self._piece(batch, attempted_at_ns, reasons)
        pieces: list[bytes] = []
        refused: list[Rejection] = []
        for start in range(0, len(batch), _RECORDS_AT_A_TIME):
            stop = min(start + _RECORDS_AT_A_TIME, len(batch))
            why = reasons if isinstance(reasons, str) else reasons[start:stop]
            data, without = self._piece(batch.slice(start, stop), attempted_at_ns, why)
            pieces.append(data)
            refused += [rejection._replace(position=rejection.position + start) for rejection in without]
        return b"".join(pieces), tuple(refused)

    def _piece(
        self, batch: Batch, attempted_at_ns: int, reasons: str | Sequence[str]
    ) -> tuple[bytes, tuple[Rejection, ...]]:
        try:
            data = self.lines(batch, attempted_at_ns, reasons)
        except MemoryError:
            raise
        except Exception:  # a value's own methods may raise anything
            return self._one_by_one(batch, attempted_at_ns, reasons)
        if len(data) > LONGEST_RECORD_BYTES:
            return self._one_by_one(batch, attempted_at_ns, reasons)
        return data, ()

    def _one_by_one(
        self, batch: Batch, attempted_at_ns: int, reasons: str | Sequence[str]
    ) -> tuple[bytes, tuple[Rejection, ...]]:
        lines: list[bytes] = []
        refused: list[Rejection] = []
        for position in range(len(batch)):
            reason = reasons if isinstance(reasons, str) else reasons[position : position + 1]
            try:
                line = self.lines(batch.select((position,)), attempted_at_ns, reason)
            except MemoryError:
                raise
            except Exception as error:
                value_type = type(batch.values[position]).__name__
                refused.append(
                    Rejection(position, UNWRITABLE, f"a {value_type} makes no text ({type(error).__name__})")
                )
                continue
            if len(line) > LONGEST_RECORD_BYTES:
                limit = f"{LONGEST_RECORD_BYTES >> 20} MiB"
                refused.append(Rejection(position, UNWRITABLE, f"a line of {len(line):,} bytes is longer than {limit}"))
                continue
            lines.append(line)
        return b"".join(lines), tuple(refused)

    def lines(self, batch: Batch, attempted_at_ns: int, reasons: str | Sequence[str]) -> bytes:
        """The records of a batch as UTF-8. ``reasons`` is one text for all records, or one per record.

        A text that is not valid Unicode breaks the contract of Batch; it is escaped rather than lost. Raises what a
        value raises that makes no text.
        """
        attempted_at = timestamp_text(attempted_at_ns)
        tails = repeat(text_field(reasons)) if isinstance(reasons, str) else map(text_field, reasons)
        places: list[str] = []
        for (source, device, group), _, start, stop in batch.segments:
            place = f"{text_field(source)},{text_field(device)},{text_field(group)},{attempted_at}"
            places.extend(repeat(place, stop - start))
        text = "".join(
            [
                f"{stamp},{name},{fields},{QUALITY_NAMES[quality]},{place},{tail}\n"
                for stamp, name, fields, quality, place, tail in zip(
                    _stamp_texts(batch),
                    map(self._name, batch.names),
                    map(value_fields, batch.values),
                    batch.qualities,
                    places,
                    tails,
                    strict=False,
                )
            ]
        )
        return text.encode("utf-8", "backslashreplace")


class BatchBuilder:
    """Collects lines of a file into batches. Not thread-safe."""

    def __init__(self) -> None:
        self._origins: dict[tuple[str, str, str], Origin] = {}
        self._stamp = lru_cache(_STAMPS_REMEMBERED)(parse_timestamp)
        self._origin: Origin | None = None
        self._width = len(COLUMNS)
        self._arranged: Callable[[Sequence[str]], Sequence[str]] | None = None
        self._names: list[str] = []
        self._values: list[Value] = []
        self._stamps = array("q")
        self._qualities = bytearray()
        self._segments: list[Segment] = []

    def __len__(self) -> int:
        return len(self._names)

    def arrange(self, header: str) -> None:
        """Read the following lines as a header (without its line end) says: in any order, with other columns between.

        Raises ValueError if it does not name each of ours once; lines are then read in the order of ``COLUMNS``.
        """
        names = split_line(header)
        if any(names.count(column) != 1 for column in COLUMNS):
            raise ValueError(_SEMICOLONS if _has_semicolons(header) else f"the header is not {','.join(COLUMNS)}")
        self._width = len(names)
        self._arranged = None if names == list(COLUMNS) else itemgetter(*map(names.index, COLUMNS))

    def add(self, line: str) -> None:
        """Add the record of one line (without its line end). On ValueError nothing is added."""
        fields: Sequence[str] = split_line(line)
        if len(fields) != self._width:
            wrong = f"{len(fields)} columns instead of {self._width}"
            raise ValueError(_SEMICOLONS if _has_semicolons(line) else wrong)
        if self._arranged is not None:
            fields = self._arranged(fields)
        stamp, name, value_text, value_type, quality_name, source, device, group, _, _ = fields
        timestamp_ns = self._stamp(stamp)
        value = parse_value(value_text, value_type)
        quality = QUALITY_VALUES.get(quality_name)
        if quality is None:
            raise ValueError(f"{quality_name[:40]!r} is not a quality; known: {', '.join(QUALITY_VALUES)}")
        place = (source, device, group)
        origin = self._origins.get(place)
        if origin is None:
            origin = self._origins[place] = Origin(*map(parse_text, place))
        if origin is not self._origin:
            self._end_segment()
            self._origin = origin
        self._names.append(parse_text(name))
        self._values.append(value)
        self._stamps.append(timestamp_ns)
        self._qualities.append(quality)

    def take(self) -> Batch:
        """The records added since the last call."""
        self._end_segment()
        batch = Batch(
            tuple(self._names), tuple(self._values), self._stamps, bytes(self._qualities), tuple(self._segments)
        )
        # From here on the array belongs to the batch.
        self._names, self._values, self._stamps = [], [], array("q")
        self._qualities, self._segments, self._origin = bytearray(), [], None
        return batch

    def _end_segment(self) -> None:
        start, stop = (self._segments[-1].stop if self._segments else 0), len(self._names)
        if stop > start and self._origin is not None:
            self._segments.append(Segment(self._origin, 0, start, stop))


def _has_semicolons(line: str) -> bool:
    return line.count(";") >= len(COLUMNS) - 1


def _stamp_texts(batch: Batch) -> Sequence[str] | map[str] | repeat[str]:
    stamps = batch.timestamps_ns
    if isinstance(stamps, int):
        return repeat(timestamp_text(stamps))
    texts = {stamp: timestamp_text(stamp) for stamp in dict.fromkeys(stamps)}
    return map(texts.__getitem__, stamps)
