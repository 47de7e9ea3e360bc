"""The shape of a value: from a raw number or text to what a tag of a data type holds."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

from agent_core.api import DataType, TagSpec, Value, float32_to_shortest
from simulator_driver.signals import Raw

Shape = Callable[[Raw], Value]

_FLOAT32 = struct.Struct("<f")
_FLOAT32_MAX = (2.0 - 2.0**-23) * 2.0**127
_INTEGERS = {
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.UINT32: (0, 2**32 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT64: (0, 2**64 - 1),
}


def shape_of(tag: TagSpec, digits: int | None, wraps: bool) -> Shape:
    """How the tag's data type shapes a value.

    Integers are rounded and kept in range (``wraps``: begin anew at the other end), a bool is true unless it rounds to
    0, float32 comes as its shortest decimal, a string fits ``length_bytes``. ``digits`` rounds floats to that many
    decimals first.
    """
    data_type = tag.data_type
    if data_type is DataType.STRING:
        return _string(tag, digits)
    number = _rounded(digits)
    if data_type is DataType.BOOL:
        return lambda raw: round(number(raw)) != 0
    if data_type is DataType.FLOAT32:
        return lambda raw: _float32(number(raw))
    if data_type is DataType.FLOAT64:
        return lambda raw: float(number(raw))
    low, high = _INTEGERS[data_type]
    if wraps:
        span = high - low + 1
        return lambda raw: (round(number(raw)) - low) % span + low
    return lambda raw: min(max(round(number(raw)), low), high)


def written_value(tag: TagSpec, text: str) -> Raw:
    """The value that stands in the address itself. Raises ValueError when the data type has no such value."""
    if tag.data_type is DataType.STRING:
        return text
    try:
        value = _number(text)
    except ValueError:
        raise ValueError(f"{text!r} is no {tag.data_type}") from None
    low, high = _INTEGERS.get(tag.data_type, (-math.inf, math.inf))
    if tag.data_type in _INTEGERS and not low <= value <= high:
        raise ValueError(f"{text} is no {tag.data_type}: {low} to {high}")
    if tag.data_type is DataType.BOOL and not math.isfinite(value):
        raise ValueError(f"{text} is not a bool: 0 or 1")
    return value


def _number(text: str) -> float | int:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _rounded(digits: int | None) -> Callable[[Raw], float | int]:
    """Numbers only: ``written_value`` has kept texts out."""
    if digits is None:
        return lambda raw: raw if not isinstance(raw, str) else math.nan
    return lambda raw: round(raw, digits) if not isinstance(raw, str) else math.nan


def _float32(value: float) -> float:
    if abs(value) <= _FLOAT32_MAX:
        return float32_to_shortest(_FLOAT32.unpack(_FLOAT32.pack(value))[0])
    if math.isfinite(value):
        return math.copysign(float32_to_shortest(_FLOAT32_MAX), value)
    return value


def _string(tag: TagSpec, digits: int | None) -> Shape:
    length, encoding = tag.length_bytes, tag.encoding

    def shape(raw: Raw) -> str:
        if isinstance(raw, float):
            raw = f"{raw:g}" if digits is None else f"{raw:.{digits}f}"
        text = str(raw)
        return text.encode(encoding, "replace")[:length].decode(encoding, "ignore") if length else text

    return shape
