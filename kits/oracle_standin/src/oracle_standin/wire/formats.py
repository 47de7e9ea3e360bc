"""Oracle's internal formats of NUMBER, DATE, TIMESTAMP and BINARY_FLOAT/DOUBLE.

All of them order like bytes. Sources: python-oracledb's published encoders and the documented internal
representation (NUMBER: exponent byte biased by 193, base-100 digits plus one; negatives complemented to 101 with
a trailing 102; dates: century and year plus 100, time of day plus one).
"""

from __future__ import annotations

import datetime as dt
import decimal
import struct
from decimal import Decimal

UTC = dt.UTC
_WIDE = decimal.Context(prec=60)
_STORED = decimal.Context(prec=40, rounding=decimal.ROUND_HALF_UP)


def encode_number(value: int | float | Decimal) -> bytes:
    """NUMBER with up to 40 digits. Raises OverflowError or ValueError when it cannot be represented."""
    number = _STORED.create_decimal(repr(value) if isinstance(value, float) else value)
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError("not a finite number")
    text = "".join(map(str, digits)).lstrip("0")
    if not text:
        return b"\x80"
    point = len(text) + exponent
    text = text.rstrip("0")
    if point % 2:
        text, point = "0" + text, point + 1
    if len(text) % 2:
        text += "0"
    biased = point // 2 + 192
    if not 128 <= biased <= 255:
        raise OverflowError("numeric overflow")
    pairs = [int(text[i : i + 2]) for i in range(0, len(text), 2)]
    if sign:
        tail = b"\x66" if len(pairs) < 20 else b""
        return bytes((~biased & 0xFF,)) + bytes(101 - p for p in pairs) + tail
    return bytes((biased,)) + bytes(p + 1 for p in pairs)


def decode_number(raw: bytes) -> int | Decimal:
    """An int when integral, otherwise a Decimal."""
    first = raw[0]
    if len(raw) == 1:
        return 0 if first & 0x80 else Decimal("-1e126")
    mantissa = 0
    if first & 0x80:
        exponent, body = first - 193, raw[1:]
        for byte in body:
            mantissa = mantissa * 100 + byte - 1
    else:
        exponent, body = (~first & 0xFF) - 193, raw[1:-1] if raw[-1] == 102 else raw[1:]
        for byte in body:
            mantissa = mantissa * 100 + 101 - byte
        mantissa = -mantissa
    shift = (exponent - len(body) + 1) * 2
    if shift >= 0:
        return int(mantissa * 10**shift)
    return Decimal(mantissa).scaleb(shift, _WIDE).normalize(_WIDE)


def encode_date(value: dt.datetime) -> bytes:
    century, year = divmod(value.year, 100)
    day = (century + 100, year + 100, value.month, value.day)
    return bytes((*day, value.hour + 1, value.minute + 1, value.second + 1))


def encode_timestamp(value: dt.datetime) -> bytes:
    """7 bytes, or 11 with a fraction: a zero fraction must be left out, as the driver does, or keys would differ."""
    if value.microsecond:
        return encode_date(value) + (value.microsecond * 1000).to_bytes(4, "big")
    return encode_date(value)


def encode_timestamp_tz(value: dt.datetime) -> bytes:
    """13 bytes: the instant in UTC and the offset it was written with."""
    offset = value.utcoffset() or dt.timedelta(0)
    minutes = int(offset.total_seconds()) // 60
    sign = -1 if minutes < 0 else 1
    hours, minutes = divmod(abs(minutes), 60)
    instant = (value - offset).replace(tzinfo=None)
    fraction = (value.microsecond * 1000).to_bytes(4, "big")
    return encode_date(instant) + fraction + bytes((20 + sign * hours, 60 + sign * minutes))


def decode_timestamp(raw: bytes) -> dt.datetime:
    """DATE and TIMESTAMP of 7 or 11 bytes; 13 bytes give an aware value."""
    year = (raw[0] - 100) * 100 + raw[1] - 100
    micros = int.from_bytes(raw[7:11], "big") // 1000 if len(raw) >= 11 else 0
    value = dt.datetime(year, raw[2], raw[3], raw[4] - 1, raw[5] - 1, raw[6] - 1, micros)
    if len(raw) >= 13:
        offset = dt.timedelta(hours=raw[11] - 20, minutes=raw[12] - 60)
        return (value + offset).replace(tzinfo=dt.timezone(offset))
    return value


def encode_binary(value: float, layout: str) -> bytes:
    """BINARY_DOUBLE (layout ``>d``) or BINARY_FLOAT (``>f``): IEEE bytes changed so that they sort."""
    try:
        raw = struct.pack(layout, value)
    except OverflowError:
        raw = struct.pack(layout, float("inf") if value > 0 else float("-inf"))
    if raw[0] & 0x80:
        return bytes(~b & 0xFF for b in raw)
    return bytes((raw[0] | 0x80,)) + raw[1:]


def decode_binary(raw: bytes, layout: str) -> float:
    raw = bytes((raw[0] & 0x7F,)) + raw[1:] if raw[0] & 0x80 else bytes(~b & 0xFF for b in raw)
    value: float = struct.unpack(layout, raw)[0]
    return value
