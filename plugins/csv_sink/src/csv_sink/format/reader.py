"""Reader: reads the records of a backup file and skips damaged lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from enum import Enum, auto
from typing import BinaryIO, Final, NamedTuple

from agent_core.api import BadLine, ReplayBatch
from csv_sink.format.line import LONGEST_RECORD_BYTES, BatchBuilder

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_NOT_UTF_8: Final = "it is not UTF-8; if a spreadsheet saved the file, save it as CSV UTF-8, or use the original file"

_TOO_LONG: Final = f"it is longer than {LONGEST_RECORD_BYTES >> 20} MiB"

# What a line without a record has: nothing, empty cells, or the Ctrl-Z that some programs end a text file with.
_BLANK: Final = b"\t\r\n ,\x1a"

# A longer line is skipped in pieces of this size.
_PIECE_BYTES: Final = 1024 * 1024

# A batch has no more records than the caller wants, and not many more bytes than this.
_BATCH_BYTES: Final = 8 * 1024 * 1024


class Position(NamedTuple):
    """A place between two records: how many data records, physical lines and bytes are before it.

    ``header``: the offset of the header that says how the following lines are read; joined files have several.
    """

    record: int
    line: int
    offset: int
    header: int = 0


BEGIN: Final = Position(0, 0, 0)


class Step(Enum):
    """What one step has read."""

    WHOLE = auto()
    """A record that was added."""

    BETWEEN = auto()
    """No record and no damage: a header, or a blank line."""

    UNTERMINATED = auto()
    """A record that was added, although the file ends without a line end."""

    DAMAGED = auto()
    """A line that cannot be read. The next physical line is tried as a record."""

    TORN = auto()
    """A line that cannot be read because the file ends within it."""


class Reader:
    """Reads one file from a position; records collect in ``builder``, damaged lines in ``bad_lines``.

    A damaged line counts as a record, so record numbers mean the same each time the file is read. ``damaged`` becomes
    True with the first one and stays True. Takes bounded memory, whatever the file holds.
    """

    def __init__(self, file: BinaryIO, position: Position = BEGIN) -> None:
        self.position = position
        self.builder = BatchBuilder()
        self.bad_lines: list[BadLine] = []
        self.damaged = False
        self._file = file
        if position.offset:
            file.seek(position.header)
            with suppress(ValueError):  # reported when the file was first read
                self._arrange(file.readline(LONGEST_RECORD_BYTES))
        file.seek(position.offset)

    def step(self) -> Step | None:
        """Read one record; None at the end of the file."""
        first = self._file.readline(LONGEST_RECORD_BYTES)
        if not first:
            return None
        if len(first) == LONGEST_RECORD_BYTES and not first.endswith(b"\n"):
            return self._skip_line(len(first))
        if not self.position.offset:
            return self._header(first)
        whole = self._rest(first)
        terminated = whole.endswith(b"\n") and whole.count(b'"') % 2 == 0
        try:
            self.builder.add(whole.decode("utf-8").removesuffix("\n").removesuffix("\r"))
        except ValueError as error:
            # The quotes of a damaged record cannot be trusted: what they enclose may be good records.
            self._file.seek(self.position.offset + len(first))
            if not first.strip(_BLANK):
                self._advance(first, records=0)
                return Step.BETWEEN
            if self._is_header(first):
                offset = self.position.offset
                self._advance(first, records=0)
                self.position = self.position._replace(header=offset)
                return Step.BETWEEN
            self._note_damage(self.position.line + 1, _NOT_UTF_8 if isinstance(error, UnicodeError) else str(error))
            self._advance(first, records=1)
            return Step.DAMAGED if terminated else Step.TORN
        self._advance(whole, records=1)
        return Step.WHOLE if terminated else Step.UNTERMINATED

    def _header(self, line: bytes) -> Step | None:
        """The first line that is not blank."""
        while not line.removeprefix(_BYTE_ORDER_MARK).strip(_BLANK):
            self._advance(line, records=0)
            if not (line := self._file.readline(LONGEST_RECORD_BYTES)):
                return None
        offset = self.position.offset
        try:
            self._arrange(line)
        except ValueError as error:
            self._note_damage(self.position.line + 1, str(error))
            wrong = True
        else:
            wrong = False
        self._advance(line, records=0)
        self.position = self.position._replace(header=offset)
        if not line.endswith(b"\n"):
            return Step.TORN
        return Step.DAMAGED if wrong else Step.BETWEEN

    def _is_header(self, line: bytes) -> bool:
        """True for a header, as in files that were joined: the lines after it are read as it says."""
        try:
            self._arrange(line)
        except ValueError:
            return False
        return True

    def _arrange(self, header: bytes) -> None:
        self.builder.arrange(header.removeprefix(_BYTE_ORDER_MARK).decode("utf-8", "replace").strip())

    def _rest(self, first: bytes) -> bytes:
        """The record that begins with a physical line: up to the line end outside quotes."""
        if first.count(b'"') % 2 == 0:
            return first
        # One quote too many looks like a text that continues to the end of the file.
        lines, room, quotes = [first], LONGEST_RECORD_BYTES - len(first), 1
        while quotes % 2 and room > 0 and (line := self._file.readline(room)):
            lines.append(line)
            room -= len(line)
            quotes += line.count(b'"')
        return b"".join(lines)

    def _skip_line(self, size_bytes: int) -> Step:
        """Pass over a line of which so many bytes were read: a damaged line, however long it is."""
        ended = False
        while not ended and (piece := self._file.readline(_PIECE_BYTES)):
            size_bytes += len(piece)
            ended = piece.endswith(b"\n")
        record, line, offset, header = self.position
        self._note_damage(line + 1, _TOO_LONG)
        self.position = Position(record + 1, line + ended, offset + size_bytes, header)
        return Step.DAMAGED if ended else Step.TORN

    def _note_damage(self, line: int, message: str) -> None:
        self.bad_lines.append(BadLine(line, message))
        self.damaged = True

    def _advance(self, data: bytes, records: int) -> None:
        record, line, offset, header = self.position
        self.position = Position(record + records, line + data.count(b"\n"), offset + len(data), header)


def replay_batches(reader: Reader, from_record: int, max_records: int) -> Iterator[tuple[ReplayBatch, Position]]:
    """The records from number ``from_record`` on, in batches, each with the place where the next one begins."""
    began = reader.position.offset
    while reader.position.record < from_record and reader.step() is not None:
        reader.bad_lines.clear()
        if len(reader.builder) >= max_records or reader.position.offset - began >= _BATCH_BYTES:
            reader.builder.take()
            began = reader.position.offset
    reader.builder.take()
    began = reader.position.offset
    while reader.step() is not None:
        enough = max_records <= max(len(reader.builder), len(reader.bad_lines))
        if enough or reader.position.offset - began >= _BATCH_BYTES:
            if reader.builder or reader.bad_lines:
                yield _batch(reader), reader.position
            began = reader.position.offset
    if reader.builder or reader.bad_lines:
        yield _batch(reader), reader.position


def _batch(reader: Reader) -> ReplayBatch:
    bad_lines = tuple(reader.bad_lines)
    reader.bad_lines.clear()
    return ReplayBatch(reader.builder.take(), reader.position.record, bad_lines)
