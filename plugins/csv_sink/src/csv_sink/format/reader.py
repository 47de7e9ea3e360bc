"""Reader: reads the records of a backup file and skips damaged lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto
from typing import BinaryIO, Final, NamedTuple

from agent_core.api import BadLine, ReplayBatch
from csv_sink.format.line import BatchBuilder

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NOT_UTF_8: Final = "it is not UTF-8; if a spreadsheet saved the file, save it as CSV UTF-8, or use the original file"

# One quote too many looks like a text that continues to the end of the file; this limits how far it is read.
_LONGEST_RECORD_BYTES: Final = 16 * 1024 * 1024


class Position(NamedTuple):
    """A place between two records: how many data records, physical lines and bytes are before it."""

    record: int
    line: int
    offset: int


BEGIN: Final = Position(0, 0, 0)


class Step(Enum):
    """What one step has read."""

    WHOLE = auto()
    """The header, or a record that was added."""

    UNTERMINATED = auto()
    """A record that was added, although the file ends without a line end."""

    DAMAGED = auto()
    """A line that cannot be read. The next physical line is tried as a record."""

    TORN = auto()
    """A line that cannot be read because the file ends within it."""


class Reader:
    """Reads one file from a position; records collect in ``builder``, damaged lines in ``bad_lines``.

    A damaged line counts as a record, so record numbers mean the same each time the file is read. ``damaged`` becomes
    True with the first one and stays True.
    """

    def __init__(self, file: BinaryIO, position: Position = BEGIN) -> None:
        self.position = position
        self.builder = BatchBuilder()
        self.bad_lines: list[BadLine] = []
        self.damaged = False
        self._file = file
        if position.offset:
            file.seek(0)
            with suppress(ValueError):  # reported when the file was first read
                self._arrange(file.readline())
        file.seek(position.offset)

    def step(self) -> Step | None:
        """Read one record; None at the end of the file."""
        first = self._file.readline()
        if not first:
            return None
        if self.position.offset == 0:
            return self._header(first)
        whole = self._rest(first)
        terminated = whole.endswith(b"\n") and whole.count(b'"') % 2 == 0
        try:
            self.builder.add(whole.decode("utf-8").removesuffix("\n").removesuffix("\r"))
        except ValueError as error:
            self._note_damage(self.position.line + 1, _NOT_UTF_8 if isinstance(error, UnicodeError) else str(error))
            # The quotes of a damaged record cannot be trusted: what they enclose may be good records.
            self._advance(first, records=1)
            self._file.seek(self.position.offset)
            return Step.DAMAGED if terminated else Step.TORN
        self._advance(whole, records=1)
        return Step.WHOLE if terminated else Step.UNTERMINATED

    def _header(self, line: bytes) -> Step:
        terminated = line.endswith(b"\n")
        wrong = False
        try:
            self._arrange(line)
        except ValueError as error:
            wrong = True
            self._note_damage(1, str(error))
        self._advance(line, records=0)
        return Step.WHOLE if terminated and not wrong else Step.DAMAGED if terminated else Step.TORN

    def _arrange(self, header: bytes) -> None:
        self.builder.arrange(header.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "replace").strip())

    def _rest(self, first: bytes) -> bytes:
        """The record that begins with a physical line: up to the line end outside quotes."""
        if first.count(b'"') % 2 == 0:
            return first
        lines, size_bytes, quotes = [first], len(first), 1
        while quotes % 2 and size_bytes < _LONGEST_RECORD_BYTES and (line := self._file.readline()):
            lines.append(line)
            size_bytes += len(line)
            quotes += line.count(b'"')
        return b"".join(lines)

    def _note_damage(self, line: int, message: str) -> None:
        self.bad_lines.append(BadLine(line, message))
        self.damaged = True

    def _advance(self, data: bytes, records: int) -> None:
        record, line, offset = self.position
        self.position = Position(record + records, line + data.count(b"\n"), offset + len(data))


def replay_batches(reader: Reader, from_record: int, max_records: int) -> Iterator[tuple[ReplayBatch, Position]]:
    """The records from number ``from_record`` on, in batches, each with the place where the next one begins."""
    while reader.position.record < from_record and reader.step() is not None:
        reader.bad_lines.clear()
        if len(reader.builder) >= max_records:
            reader.builder.take()
    reader.builder.take()
    while reader.step() is not None:
        if len(reader.builder) >= max_records or len(reader.bad_lines) >= max_records:
            yield _batch(reader), reader.position
    if reader.builder or reader.bad_lines:
        yield _batch(reader), reader.position


def _batch(reader: Reader) -> ReplayBatch:
    bad_lines = tuple(reader.bad_lines)
    reader.bad_lines.clear()
    return ReplayBatch(reader.builder.take(), reader.position.record, bad_lines)
