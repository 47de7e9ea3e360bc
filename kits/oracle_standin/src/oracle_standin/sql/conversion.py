"""Oracle's implicit and explicit conversions between values, and how values compare.

A SQL value is a ``str``, ``int``, ``Decimal``, ``float`` (BINARY_FLOAT/DOUBLE), ``datetime`` (aware for a time
zone), ``bytes`` (RAW), ``bool`` (a bound BOOLEAN) or None; the empty string does not exist, it is None.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import decimal
import re
import zoneinfo
from decimal import Decimal
from typing import TypeAlias

from oracle_standin.errors import OraError
from oracle_standin.wire.formats import UTC

Value: TypeAlias = str | int | Decimal | float | dt.datetime | dt.timedelta | bytes | bool | None

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_ELEMENT = re.compile(r'"[^"]*"|YYYY|RR|MON|MM|DD|HH24|HH12|HH|MI|SSXFF\d?|SS|FF\d?|AM|PM|TZH|TZM|TZR|.', re.I | re.S)
_WIDE = decimal.Context(prec=80)


class Settings:
    """What ALTER SESSION changes: the time zone, the NLS formats, and when deferrable constraints are checked."""

    __slots__ = ("archived", "constraints", "nls", "zone")

    def __init__(self) -> None:
        self.archived = False  # ROW ARCHIVAL VISIBILITY = ALL
        self.constraints = "DEFAULT"  # or IMMEDIATE or DEFERRED
        self.zone: dt.tzinfo = UTC
        self.nls = {
            "NLS_DATE_FORMAT": "DD-MON-RR",
            "NLS_TIMESTAMP_FORMAT": "DD-MON-RR HH.MI.SSXFF AM",
            "NLS_TIMESTAMP_TZ_FORMAT": "DD-MON-RR HH.MI.SSXFF AM TZR",
        }

    def alter(self, name: str, value: str) -> None:
        """Applies one ``ALTER SESSION SET name = value``."""
        if name == "TIME_ZONE":
            self.zone = parse_zone(value)
        elif name in ("CONSTRAINT", "CONSTRAINTS"):
            self.constraints = value.upper()
        elif name == "VISIBILITY":
            self.archived = value.upper() == "ALL"
        elif name.startswith("NLS_"):
            self.nls[name] = value


def parse_zone(text: str) -> dt.tzinfo:
    """``+09:00``, a region such as ``Asia/Seoul``, ``UTC`` or ``LOCAL``. Raises ORA-01882."""
    if text.upper() in ("UTC", "GMT", "LOCAL", "DBTIMEZONE", "ETC/UTC", "00:00"):
        return UTC
    found = re.fullmatch(r"([+-]?)(\d{1,2}):(\d{1,2})", text.strip())
    if found is None:
        with contextlib.suppress(zoneinfo.ZoneInfoNotFoundError, ValueError):
            return zoneinfo.ZoneInfo(text)
        raise OraError(1882, f"timezone region {text} not found")
    offset = dt.timedelta(hours=int(found[2]), minutes=int(found[3]))
    return dt.timezone(-offset if found[1] == "-" else offset)


def zone_text(zone: dt.tzinfo) -> str:
    if isinstance(zone, zoneinfo.ZoneInfo):
        return zone.key
    minutes = int((zone.utcoffset(None) or dt.timedelta(0)).total_seconds()) // 60
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02}:{rest:02}"


def format_datetime(value: dt.datetime, model: str) -> str:
    """TO_CHAR with a format model."""
    parts = {
        "YYYY": f"{value.year:04}", "RR": f"{value.year % 100:02}", "MM": f"{value.month:02}",
        "MON": _MONTHS[value.month - 1], "DD": f"{value.day:02}", "HH24": f"{value.hour:02}",
        "HH": f"{(value.hour + 11) % 12 + 1:02}", "HH12": f"{(value.hour + 11) % 12 + 1:02}",
        "MI": f"{value.minute:02}", "SS": f"{value.second:02}",
        "AM": "AM" if value.hour < 12 else "PM", "PM": "AM" if value.hour < 12 else "PM",
    }  # fmt: skip
    out = []
    for match in _ELEMENT.finditer(model):
        element = match[0].upper()
        if element[0] == '"':
            out.append(match[0][1:-1])
        elif "FF" in element:
            digits = int(element[-1]) if element[-1].isdigit() else 6
            out.append((parts["SS"] + "." if "X" in element else "") + f"{value.microsecond:06}000"[:digits])
        elif element.startswith("TZ"):
            text = zone_text(dt.timezone(value.utcoffset() or dt.timedelta(0)))
            out.append({"TZH": text[:3], "TZM": text[4:], "TZR": text}[element])
        else:
            out.append(parts.get(element, match[0]))
    return "".join(out)


def parse_datetime(text: str, model: str) -> dt.datetime:
    """TO_TIMESTAMP with a format model. Raises ORA-01843, ORA-01858, ORA-01830 or ORA-01861."""
    fields = {"YYYY": dt.date.today().year, "MM": 1, "DD": 1, "HH": 0, "MI": 0, "SS": 0, "FF": 0}
    offset: str | None = None
    afternoon: bool | None = None
    pos = 0

    def take(pattern: str) -> str:
        nonlocal pos
        found = re.compile(pattern, re.IGNORECASE).match(text, pos)
        if found is None:
            raise OraError(1858 if "d" in pattern else 1861)
        pos = found.end()
        return found[0]

    for match in _ELEMENT.finditer(model):
        element = match[0].upper()
        if pos >= len(text):
            break
        if element == "YYYY":
            fields["YYYY"] = int(take(r"\d{4}"))
        elif element == "RR":
            year = int(take(r"\d{4}|\d{2}"))
            fields["YYYY"] = year if year > 99 else year + (2000 if year < 50 else 1900)
        elif element == "MON":
            name = take(r"[a-z]+").upper()[:3] if text[pos].isalpha() else ""
            if name not in _MONTHS:
                raise OraError(1843)
            fields["MM"] = _MONTHS.index(name) + 1
        elif element in ("MM", "DD", "MI", "SS"):
            fields[element] = int(take(r"\d{1,2}"))
        elif element in ("HH", "HH12", "HH24"):
            fields["HH"] = int(take(r"\d{1,2}"))
        elif "FF" in element:
            if "X" in element:
                fields["SS"] = int(take(r"\d{1,2}"))
            found = re.compile(r"\.?(\d{1,9})").match(text, pos)
            if found is not None:
                fields["FF"] = int((found[1] + "000000")[:6])
                pos = found.end()
        elif element in ("AM", "PM"):
            afternoon = take(r"[ap]m").upper() == "PM"
        elif element in ("TZH", "TZR"):
            offset = take(r"[+-]?\d{1,2}:\d{2}|UTC|GMT" if element == "TZR" else r"[+-]?\d{1,2}")
        elif element == "TZM":
            offset = (offset or "+00") + ":" + take(r"\d{2}")
        elif text[pos].isalnum() and text[pos] != match[0].strip('"')[:1]:
            raise OraError(1861)
        else:
            pos += 1
    if text[pos:].strip():
        raise OraError(1830)
    hour = fields["HH"] if afternoon is None else fields["HH"] % 12 + (12 if afternoon else 0)
    try:
        value = dt.datetime(fields["YYYY"], fields["MM"], fields["DD"], hour, fields["MI"], fields["SS"], fields["FF"])
    except ValueError:
        raise OraError(1843 if not 1 <= fields["MM"] <= 12 else 1839, "date not valid for month specified") from None
    return value if offset is None else value.replace(tzinfo=parse_zone(offset if ":" in offset else offset + ":00"))


def type_name(value: Value) -> str:
    """What ORA-00932 calls the value's type."""
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int | Decimal):
        return "NUMBER"
    if isinstance(value, float):
        return "BINARY_DOUBLE"
    if isinstance(value, dt.datetime):
        return "TIMESTAMP"
    return "BINARY" if isinstance(value, bytes) else "CHAR"


def plain(number: Decimal) -> int | Decimal:
    """An int when integral."""
    return int(number) if number == number.to_integral_value() else number


def number_text(value: int | Decimal | float) -> str:
    """TO_CHAR of a number without a format: ``.5``, not ``0.5``."""
    if isinstance(value, int):
        return str(value)
    if value != value:
        return "Nan"
    if value in (float("inf"), float("-inf")):
        return "Inf" if value > 0 else "-Inf"
    number = Decimal(repr(value)) if isinstance(value, float) else value
    text = format(number.normalize(_WIDE), "f") if number else "0"
    if text.startswith("0."):
        return text[1:]
    return "-" + text[2:] if text.startswith("-0.") else text


def to_text(value: Value, settings: Settings) -> str:
    """The implicit conversion to VARCHAR2 of a value that is not None."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int | float | Decimal):
        return number_text(value)
    if isinstance(value, dt.datetime):
        if value.tzinfo is not None:
            return format_datetime(value, settings.nls["NLS_TIMESTAMP_TZ_FORMAT"])
        return format_datetime(value, settings.nls["NLS_TIMESTAMP_FORMAT" if value.microsecond else "NLS_DATE_FORMAT"])
    return value.hex().upper() if isinstance(value, bytes) else str(value)


def to_number(value: Value) -> int | Decimal:
    """The implicit conversion to NUMBER. Raises ORA-01722, ORA-01426 or ORA-00932."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, Decimal):
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise OraError(1426)
        return to_number(Decimal(repr(value)))
    if isinstance(value, str):
        if not re.fullmatch(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*", value):
            raise OraError(1722)
        number = Decimal(value.strip())
        return int(number) if number == number.to_integral_value() and abs(number) < 10**40 else number
    raise OraError(932, expected="NUMBER", got=type_name(value))


def to_float(value: Value) -> float:
    """The implicit conversion to BINARY_DOUBLE. Raises ORA-01722 or ORA-00932."""
    if isinstance(value, int | float | Decimal | str):
        try:
            return float(value)
        except ValueError:
            raise OraError(1722) from None
    raise OraError(932, expected="BINARY_DOUBLE", got=type_name(value))


def to_datetime(value: Value, settings: Settings) -> dt.datetime:
    """The implicit conversion to a date or timestamp; text is read by the session's formats."""
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, str):
        try:
            return parse_datetime(value, settings.nls["NLS_TIMESTAMP_FORMAT"])
        except OraError:
            return parse_datetime(value, settings.nls["NLS_DATE_FORMAT"])
    raise OraError(932, expected="DATE", got=type_name(value))


def compare(left: Value, right: Value, settings: Settings) -> int:
    """-1, 0 or 1 for two values that are not None; NaN equals NaN and is greater than any number."""
    if isinstance(left, dt.datetime) or isinstance(right, dt.datetime):
        a, b = to_datetime(left, settings), to_datetime(right, settings)
        if (a.tzinfo is None) != (b.tzinfo is None):
            a = a if a.tzinfo else a.replace(tzinfo=settings.zone)
            b = b if b.tzinfo else b.replace(tzinfo=settings.zone)
        return (a > b) - (a < b)
    if isinstance(left, bool) != isinstance(right, bool) and isinstance(left, str) != isinstance(right, str):
        left, right = to_text(left, settings), to_text(right, settings)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if isinstance(left, bytes) and isinstance(right, bytes):
        return (left > right) - (left < right)
    if isinstance(left, float) or isinstance(right, float):
        x, y = to_float(left), to_float(right)
        if x != x or y != y:
            return (x != x) - (y != y)
        return (x > y) - (x < y)
    m, n = to_number(left), to_number(right)
    return (m > n) - (m < n)
