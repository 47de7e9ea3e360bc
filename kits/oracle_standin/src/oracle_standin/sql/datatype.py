"""Column and bind types: their wire numbers, their limits, and how a value becomes stored bytes.

Rows are stored in Oracle's internal formats, so a bound value that needs no conversion is stored as received.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TypeAlias

from sqlglot import exp

from oracle_standin.errors import OraError
from oracle_standin.sql.charset import Charset
from oracle_standin.sql.conversion import Settings, Value, to_datetime, to_float, to_number, to_text, type_name
from oracle_standin.wire import formats
from oracle_standin.wire.formats import UTC

Raw: TypeAlias = bytes | None
Row: TypeAlias = tuple[Raw, ...]

MAX_COLUMN_BYTES = 4000  # of VARCHAR2; of CHAR and RAW half of it
ANY_SCALE = -127  # NUMBER without precision and scale
_WIDE = decimal.Context(prec=80, rounding=decimal.ROUND_HALF_UP)


class WireType(enum.Enum):
    """A type with its wire number and character set form."""

    VARCHAR = (1, 1)
    NVARCHAR = (1, 2)
    NUMBER = (2, 0)
    LONG = (8, 1)  # in the dictionary; as a bind: strings beyond 32,767 bytes
    DATE = (12, 0)
    RAW = (23, 0)
    CHAR = (96, 1)
    NCHAR = (96, 2)
    FLOAT = (100, 0)
    DOUBLE = (101, 0)
    TIMESTAMP = (180, 0)
    TIMESTAMP_TZ = (181, 0)
    TIMESTAMP_LTZ = (231, 0)
    BOOLEAN = (252, 0)  # as a bind only


_BY_WIRE = {kind.value: kind for kind in WireType} | {(3, 0): WireType.NUMBER}
TEXT = frozenset({WireType.VARCHAR, WireType.CHAR, WireType.LONG})
NATIONAL = frozenset({WireType.NVARCHAR, WireType.NCHAR})  # in AL16UTF16
TIMESTAMPS = frozenset({WireType.TIMESTAMP, WireType.TIMESTAMP_TZ, WireType.TIMESTAMP_LTZ})
_FIXED_BYTES = {
    WireType.NUMBER: 22, WireType.DOUBLE: 8, WireType.FLOAT: 4, WireType.DATE: 7,
    WireType.TIMESTAMP: 11, WireType.TIMESTAMP_TZ: 13, WireType.TIMESTAMP_LTZ: 11,
}  # fmt: skip
_NAMES = {
    WireType.VARCHAR: "VARCHAR2", WireType.NVARCHAR: "NVARCHAR2", WireType.DOUBLE: "BINARY_DOUBLE",
    WireType.FLOAT: "BINARY_FLOAT",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Datatype:
    """A type with its limits. ``size`` counts characters with ``characters``, else bytes; 0 is unlimited.

    FLOAT is a NUMBER with a precision, in bits, and without a scale.
    ``charset`` is the database's for VARCHAR2 and CHAR, None for AL32UTF8. Text is stored in UTF-8 all the same.
    """

    kind: WireType
    size: int = 0
    precision: int = 0
    scale: int = 0
    characters: bool = False
    charset: Charset | None = None

    def within(self, charset: Charset | None) -> Datatype:
        """The same type in a database of that character set."""
        return self if charset is None or self.kind not in TEXT else replace(self, charset=charset)

    @property
    def name(self) -> str:
        """DATA_TYPE of ALL_TAB_COLUMNS."""
        suffix = {WireType.TIMESTAMP_TZ: " WITH TIME ZONE", WireType.TIMESTAMP_LTZ: " WITH LOCAL TIME ZONE"}
        if self.kind in TIMESTAMPS:
            return f"TIMESTAMP({self.scale}){suffix.get(self.kind, '')}"
        return "FLOAT" if self._is_float else _NAMES.get(self.kind, self.kind.name)

    @property
    def _is_float(self) -> bool:
        return self.kind is WireType.NUMBER and self.precision > 0 and self.scale == ANY_SCALE

    @property
    def byte_length(self) -> int:
        """DATA_LENGTH: what the column can hold, by the widest character of its character set."""
        if self.kind in NATIONAL:
            return self.size * 2
        widest = 4 if self.charset is None else self.charset.widest
        size = min(self.size * widest, MAX_COLUMN_BYTES) if self.characters else self.size
        return _FIXED_BYTES.get(self.kind) or size

    def decode(self, raw: Raw) -> Value:
        """Stored bytes to a value."""
        if raw is None:
            return None
        kind = self.kind
        if kind in TEXT:
            text = raw.decode("utf-8", "replace")
            return text if self.charset is None else self.charset.hold(text)
        if kind is WireType.NUMBER:
            return formats.decode_number(raw)
        if kind is WireType.TIMESTAMP_LTZ:  # stored in UTC
            return formats.decode_timestamp(raw).replace(tzinfo=UTC)
        if kind is WireType.DATE or kind in TIMESTAMPS:
            return formats.decode_timestamp(raw)
        if kind is WireType.DOUBLE or kind is WireType.FLOAT:
            return formats.decode_binary(raw, ">d" if kind is WireType.DOUBLE else ">f")
        if kind in NATIONAL:
            return raw.decode("utf-16-be", "replace")
        return raw if kind is WireType.RAW else raw[0] == 1

    def encode(self, value: Value, column: str, settings: Settings) -> Raw:
        """A value to stored bytes, with the conversions and limits of an assignment to ``column``."""
        if value is None or value == "":
            return None
        kind = self.kind
        if kind in TEXT:
            return self._encode_text(to_text(value, settings), column)
        if kind in NATIONAL:
            return self._encode_national(to_text(value, settings), column)
        if kind is WireType.NUMBER:
            return self._encode_number(to_number(value))
        if kind is WireType.DOUBLE or kind is WireType.FLOAT:
            # Oracle stores -0 as +0
            return formats.encode_binary(to_float(value) + 0.0, ">d" if kind is WireType.DOUBLE else ">f")
        if kind is WireType.RAW:
            if not isinstance(value, bytes):
                raise OraError(932, expected="BINARY", got=type_name(value))
            if self.size and len(value) > self.size:
                raise OraError(12899, name=column, actual=len(value), maximum=self.size)
            return value
        return self._encode_datetime(to_datetime(value, settings), settings)

    def _encode_text(self, text: str, column: str) -> bytes:
        if self.charset is None:
            raw = text.encode()
            size = len(raw)
        else:
            text = self.charset.hold(text)
            raw, size = text.encode(), self.charset.size(text)
        actual = len(text) if self.characters else size
        if self.size and actual > self.size:
            raise OraError(12899, name=column, actual=actual, maximum=self.size)
        if self.characters and size > MAX_COLUMN_BYTES:
            raise OraError(1461)
        return raw + b" " * (self.size - actual) if self.kind is WireType.CHAR else raw

    def _encode_national(self, text: str, column: str) -> bytes:
        raw = text.encode("utf-16-be", "replace")
        actual = len(raw) // 2
        if self.size and actual > self.size:
            raise OraError(12899, name=column, actual=actual, maximum=self.size)
        return raw + b"\0 " * (self.size - actual) if self.kind is WireType.NCHAR else raw

    def _encode_number(self, number: int | Decimal) -> bytes:
        if self._is_float:  # as many decimal digits as the bits are worth, rounded up
            digits = -int(-self.precision * 0.30103 // 1)
            number = decimal.Context(prec=digits, rounding=decimal.ROUND_HALF_UP).create_decimal(number)
        elif self.scale != ANY_SCALE:
            number = Decimal(number).quantize(Decimal(1).scaleb(-self.scale), context=_WIDE)
            if self.precision and abs(number) >= Decimal(10) ** (self.precision - self.scale):
                raise OraError(1438)
        try:
            return formats.encode_number(number)
        except (OverflowError, ValueError):
            raise OraError(1426) from None

    def _encode_datetime(self, value: dt.datetime, settings: Settings) -> bytes:
        if self.kind is WireType.DATE:
            return formats.encode_date(value)
        if self.scale < 6:
            unit: int = 10 ** (6 - self.scale)
            micros = (value.microsecond + unit // 2) // unit * unit
            value = value.replace(microsecond=0) + dt.timedelta(microseconds=micros)
        if self.kind is WireType.TIMESTAMP:
            return formats.encode_timestamp(value)
        aware = value if value.tzinfo else value.replace(tzinfo=settings.zone)
        if self.kind is WireType.TIMESTAMP_TZ:
            return formats.encode_timestamp_tz(aware)
        return formats.encode_timestamp(aware.astimezone(UTC))

    def encode_reply(self, value: Value, settings: Settings) -> Raw:
        """A value of a query's column as the client gets it; TIMESTAMP WITH LOCAL TIME ZONE in session time."""
        if self.kind is WireType.TIMESTAMP_LTZ and isinstance(value, dt.datetime):
            aware = value if value.tzinfo else value.replace(tzinfo=settings.zone)
            return formats.encode_timestamp(aware.astimezone(settings.zone))
        return Datatype(self.kind, scale=ANY_SCALE if self.kind is WireType.NUMBER else 9).encode(value, "", settings)


VARCHAR = Datatype(WireType.VARCHAR)
LITERAL = Datatype(WireType.CHAR)
NULL = Datatype(WireType.VARCHAR, precision=1)  # of a literal NULL, which any other type replaces
NUMBER = Datatype(WireType.NUMBER, scale=ANY_SCALE)
DOUBLE = Datatype(WireType.DOUBLE)
DATE = Datatype(WireType.DATE)
TIMESTAMP = Datatype(WireType.TIMESTAMP, scale=6)
TIMESTAMP_TZ = Datatype(WireType.TIMESTAMP_TZ, scale=6)
LONG = Datatype(WireType.LONG)
NVARCHAR = Datatype(WireType.NVARCHAR)


def bind_type(wire: int, form: int, size: int) -> Datatype:
    """The type of a bind from its metadata. A bound local time is a plain timestamp: the column converts it.

    Raises ORA-03115 for a type the stand-in does not know (LOBs, objects, cursors, intervals, JSON, vectors).
    """
    kind = _BY_WIRE.get((wire, form)) or _BY_WIRE.get((wire, 0)) or _BY_WIRE.get((wire, 1))
    if kind is None:
        raise OraError(3115)
    if kind is WireType.TIMESTAMP_LTZ:
        kind = WireType.TIMESTAMP
    scale = ANY_SCALE if kind is WireType.NUMBER else 9 if kind in TIMESTAMPS else 0
    return Datatype(kind, size=size if kind in TEXT or kind is WireType.RAW else 0, scale=scale)


def column_type(node: exp.DataType) -> Datatype:
    """The type of a column definition or a CAST. Raises ORA-00902 for an unknown one."""
    numbers = [int(p.name) if p.name.isdigit() else 0 for p in node.expressions]
    match node.this:
        case exp.DType.VARCHAR | exp.DType.CHAR:
            kind = WireType.CHAR if node.this is exp.DType.CHAR else WireType.VARCHAR
            unit = node.expressions[0].args.get("expression") if node.expressions else None
            if not numbers and kind is WireType.VARCHAR:
                raise OraError(906, "missing left parenthesis")
            characters = unit is not None and unit.name.upper() == "CHAR"
            return _checked_size(Datatype(kind, size=numbers[0] if numbers else 1, characters=characters))
        case exp.DType.NVARCHAR | exp.DType.NCHAR:
            if not numbers and node.this is exp.DType.NVARCHAR:
                raise OraError(906, "missing left parenthesis")
            kind = WireType.NVARCHAR if node.this is exp.DType.NVARCHAR else WireType.NCHAR
            return _checked_size(Datatype(kind, size=numbers[0] if numbers else 1, characters=True))
        case exp.DType.DECIMAL:
            if not numbers:
                return NUMBER
            return number_type(numbers[0] or 38, numbers[1] if len(numbers) > 1 else 0)
        case exp.DType.INT:
            return Datatype(WireType.NUMBER, precision=38)
        case exp.DType.DOUBLE:
            return DOUBLE
        case exp.DType.FLOAT:
            return Datatype(WireType.FLOAT)
        case exp.DType.DATE:
            return DATE
        case exp.DType.TIMESTAMP | exp.DType.TIMESTAMPTZ | exp.DType.TIMESTAMPLTZ:
            names = {exp.DType.TIMESTAMPTZ: WireType.TIMESTAMP_TZ, exp.DType.TIMESTAMPLTZ: WireType.TIMESTAMP_LTZ}
            if numbers and numbers[0] > 9:
                raise OraError(30088, "datetime/interval precision is out of range")
            return Datatype(names.get(node.this, WireType.TIMESTAMP), scale=numbers[0] if numbers else 6)
        case exp.DType.USERDEFINED if str(node.args.get("kind")).upper() == "RAW" and numbers:
            return _checked_size(Datatype(WireType.RAW, size=numbers[0]))
    raise OraError(902)


def number_type(precision: int, scale: int) -> Datatype:
    """NUMBER(precision, scale). Raises ORA-01727 and ORA-01728."""
    if not 1 <= precision <= 38:
        raise OraError(1727, "numeric precision specifier is out of range (1 to 38)")
    if not -84 <= scale <= 127:
        raise OraError(1728, "numeric scale specifier is out of range (-84 to 127)")
    return Datatype(WireType.NUMBER, precision=precision, scale=scale)


def _checked_size(kind: Datatype) -> Datatype:
    """Raises ORA-01723 and, with MAX_STRING_SIZE = STANDARD, ORA-00910."""
    if kind.size == 0:
        raise OraError(1723, "zero-length columns are not allowed")
    widest = MAX_COLUMN_BYTES if kind.kind in (WireType.VARCHAR, WireType.NVARCHAR) else MAX_COLUMN_BYTES // 2
    if kind.size * (2 if kind.kind in NATIONAL else 1) > widest:
        raise OraError(910, "specified length too long for its datatype")
    return kind
