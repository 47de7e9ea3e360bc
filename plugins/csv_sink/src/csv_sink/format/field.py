"""Field: one column of a line, quoted (RFC 4180) and safe to open in a spreadsheet; and back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final

from agent_core.api import Value

# A spreadsheet reads a cell that begins with one of these as a formula, or drops it. Source: OWASP, CSV Injection.
# The apostrophe is guarded too, so that reading can always remove one.
_GUARD: Final = "'"
_GUARDED: Final = ("=", "+", "-", "@", "'", "\t", "\r")
_QUOTED: Final = re.compile(r'[",\r\n]')
_NUMBER: Final = re.compile(r"[+-]?\d[\d.,]*(?:E[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_FIELD: Final = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\Z)')

# Python refuses to read or write more than 4300 decimal digits (or as few as 640: sys.set_int_max_str_digits), but has
# no limit for hexadecimal digits. 2048 bits are 617 digits.
_DECIMAL_BITS: Final = 2048


def text_field(text: str) -> str:
    """A column of free text."""
    if text.startswith(_GUARDED):
        text = _GUARD + text
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text


def parse_text(field: str) -> str:
    """The text of a field as ``split_line`` returns it."""
    return field.removeprefix(_GUARD)


def value_fields(value: Value) -> str:
    """The two columns ``tag_value,value_type``."""
    write = _WRITERS.get(type(value))
    return write(value) if write is not None else _unusual_fields(value)


def parse_value(field: str, value_type: str) -> Value:
    """The value of two fields as ``split_line`` returns them. Raises ValueError."""
    parse = _PARSERS.get(value_type)
    if parse is None:
        raise ValueError(f"{value_type[:40]!r} is not a value_type; known: {', '.join(_PARSERS)}")
    return parse(field)


def split_line(line: str) -> list[str]:
    """The fields of a line without its line end. Raises ValueError if the quotes do not match."""
    if '"' not in line:
        return line.split(",")
    fields: list[str] = []
    position = 0
    while (match := _FIELD.match(line, position)) is not None:
        quoted, plain, comma = match.groups()
        fields.append(plain if quoted is None else quoted.replace('""', '"'))
        if not comma:
            return fields
        position = match.end()
    raise ValueError(f"column {len(fields) + 1} is not quoted as in RFC 4180")


def _unusual_fields(value: Value) -> str:
    """A subclass is written as its base type. Anything else breaks the contract, but is not lost."""
    for kind in (bool, float, int, Decimal, str):
        if isinstance(value, kind):
            return _WRITERS[kind](kind(value))
    return _string_fields(repr(value))


def _float_fields(value: float) -> str:
    return f"{value!r},float"


def _int_fields(value: int) -> str:
    return f"{value if value.bit_length() <= _DECIMAL_BITS else hex(value)},int"


def _bool_fields(value: bool) -> str:
    return "true,bool" if value else "false,bool"


def _string_fields(value: str) -> str:
    return f"{text_field(value)},str"


def _decimal_fields(value: Decimal) -> str:
    return f"{value!s},decimal"


def _parse_int(field: str) -> int:
    try:
        return int(field, 16 if "x" in field else 10)
    except ValueError:
        rewritten = "; a spreadsheet has probably rewritten it and lost digits: use the original file"
        raise ValueError(f"{field[:40]!r} is not an int{rewritten if _NUMBER.fullmatch(field) else ''}") from None


def _parse_bool(field: str) -> bool:
    """Upper or lower case: a spreadsheet saves ``TRUE``."""
    lower = field.lower()
    if lower not in ("true", "false"):
        raise ValueError(f"{field[:40]!r} is not a bool; known: true, false")
    return lower == "true"


def _parse_decimal(field: str) -> Decimal:
    try:
        return Decimal(field)
    except InvalidOperation:
        raise ValueError(f"{field[:40]!r} is not a decimal") from None


def _parse_null(field: str) -> None:
    if field:
        raise ValueError(f"{field[:40]!r} is not empty, as null is")


_WRITERS: Final[Mapping[type, Callable[..., str]]] = {
    float: _float_fields,
    int: _int_fields,
    bool: _bool_fields,
    str: _string_fields,
    Decimal: _decimal_fields,
    type(None): lambda _: ",null",
}
_PARSERS: Final[Mapping[str, Callable[[str], Value]]] = {
    "float": float,
    "int": _parse_int,
    "bool": _parse_bool,
    "str": parse_text,
    "decimal": _parse_decimal,
    "null": _parse_null,
}
