"""TTC messages of the server: errors, status, column descriptions, rows.

The layout of each message follows what python-oracledb's published Thin code reads.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Value
from oracle_standin.sql.datatype import ANY_SCALE, NATIONAL, TEXT, TIMESTAMPS, Datatype, WireType
from oracle_standin.wire.release import FIELDS_12_2, FIELDS_20_1, FIELDS_23_1, FIELDS_23_1_EXT3, FIELDS_23_4
from oracle_standin.wire.wire import Writer, clr

ERROR, ROW_HEADER, PARAMETER, STATUS, WARNING, DESCRIBE = 4, 6, 8, 9, 15, 16
END_OF_RESPONSE, TOKEN = 29, 33
CHARSET_AL32UTF8 = 873
CHARSET_AL16UTF16 = 2000
_DEFAULT_TEXT_BYTES = 4000
_TRANSACTION_OPEN = 0x2


class Reply(Writer):
    """One reply; ``fields`` is the negotiated field version, which determines the optional fields."""

    __slots__ = ("fields",)

    def __init__(self, fields: int) -> None:
        super().__init__()
        self.fields = fields

    def status(self, transaction_open: bool) -> None:
        self.u8(STATUS).ub(_TRANSACTION_OPEN if transaction_open else 0, 0)

    def parameters(self, items: Sequence[tuple[str, str, int]]) -> None:
        """Keys, values and flags of a log-on."""
        self.u8(PARAMETER).ub(len(items))
        for key, value, flags in items:
            self.text(key).text(value).ub(flags)

    def warning(self, code: int, message: str) -> None:
        raw = message.encode()
        self.u8(WARNING).ub(code, len(raw), 0).clr(raw)

    def row_counts(self, counts: Sequence[int]) -> None:
        """Rows changed by each iteration of an array."""
        self.u8(PARAMETER).ub(0, 0, 0, 0, len(counts)).ub(*counts)

    def error(
        self,
        transaction_open: bool,
        error: OraError | None = None,
        cursor_id: int = 0,
        rowcount: int = 0,
        batch: Sequence[tuple[int, OraError]] = (),
    ) -> None:
        """The message that ends most calls; all zero on success. ``batch`` are rows and their errors."""
        code = error.code if error is not None else 0
        position = error.position if error is not None else 0
        self.u8(ERROR).ub(_TRANSACTION_OPEN if transaction_open else 0, 0, rowcount & 0xFFFFFFFF, code)
        self.ub(0, 0, cursor_id, position).u8(0, 0, 0, 0, 0, 0)
        self.ub(0, 0).u8(0).ub(0, 0)  # no row id
        self.ub(0).u8(0, 0).ub(0, 0, 0)
        self.ub(len(batch))
        if batch:
            # the byte before each array must not be 254, which would announce chunks
            self.u8(0xFD).ub(*[e.code for _, e in batch]).ub(len(batch))
            self.u8(0xFD).ub(*[row for row, _ in batch]).ub(len(batch)).u8(0xFD)
            for _, e in batch:
                raw = e.message.encode()
                self.ub(len(raw)).clr(raw).u8(0, 0)
        else:
            self.ub(0, 0)
        self.ub(code, rowcount)
        if self.fields >= FIELDS_20_1:
            self.ub(0, 0)
        if error is not None:
            self.clr((error.message + "\n").encode())

    def describe(self, columns: Sequence[tuple[str, Datatype, bool]]) -> None:
        """Names and types of a query's columns."""
        self.u8(DESCRIBE).clr(bytes(7) + b"\1" * 9).ub(1000, len(columns))
        if columns:
            self.u8(1)
        for position, (name, kind, nullable) in enumerate(columns):
            self._column(position + 1, name, kind, nullable)
        self.ub(0, 0, 0, 0, 0, 0)

    def _column(self, position: int, name: str, kind: Datatype, nullable: bool) -> None:
        wire, form = kind.kind.value
        precision = kind.precision if kind.kind is WireType.NUMBER else 0
        scale = kind.scale if kind.kind in TIMESTAMPS or kind.kind is WireType.NUMBER else 0
        if kind.kind is WireType.NUMBER and not precision and not scale:
            scale = ANY_SCALE
        size, characters = kind.byte_length, 0
        if kind.kind in TEXT | NATIONAL or kind.kind is WireType.RAW:
            size = 0 if kind.kind is WireType.LONG else size or _DEFAULT_TEXT_BYTES
            characters = kind.size or size
        self.u8(wire, 0, precision & 0xFF, scale & 0xFF).ub(size, 0, 0, 0, 0)
        charset = CHARSET_AL16UTF16 if kind.kind in NATIONAL else CHARSET_AL32UTF8
        self.ub(charset if form else 0).u8(form).ub(characters)
        if self.fields >= FIELDS_12_2:
            self.ub(0)
        self.u8(int(nullable), min(len(name), 255)).text(name).ub(0, 0, position, 0)
        if self.fields >= FIELDS_23_1:
            self.ub(0, 0)  # domain schema and name
        if self.fields >= FIELDS_23_1_EXT3:
            self.ub(0)  # annotations
        if self.fields >= FIELDS_23_4:
            self.ub(0).u8(0, 0)  # vector

    def rows(self, rows: Sequence[Sequence[Value]], longs: Collection[int] = ()) -> None:
        """Rows of bytes; ``longs`` are the numbers of LONG columns."""
        if not rows:
            return
        self.u8(ROW_HEADER, 0).ub(0, 0, 0, 0, 0, 0)
        parts = self.parts
        if longs:
            self._rows_with_longs(rows, longs)
            return
        for row in rows:
            parts.append(b"\7")
            for value in row:
                if isinstance(value, bytes):
                    size = len(value)
                    parts.append(bytes((size,)) + value if size <= 252 else clr(value))
                else:
                    parts.append(b"\0")

    def _rows_with_longs(self, rows: Sequence[Sequence[Value]], longs: Collection[int]) -> None:
        for row in rows:
            self.u8(7)
            for i, value in enumerate(row):
                self.clr(value if isinstance(value, bytes) else b"")
                if i in longs:
                    self.ub(0, 0)  # null indicator and return code
