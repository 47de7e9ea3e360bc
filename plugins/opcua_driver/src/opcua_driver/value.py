"""Values: from what asyncua decodes to what the agent carries."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final, cast

from asyncua.ua.uatypes import DataValue, Variant, VariantType

from agent_core.api import BAD, GOOD, UNCERTAIN, ItemReading, Value, float32s_to_shortest

SEVERITIES: Final = (GOOD, UNCERTAIN, BAD, BAD)
"""By the two highest bits of a status code (OPC 10000-4, section 7.39)."""

NO_NAMESPACE: Final = ItemReading(None, BAD, reason="the server has no such namespace")
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST: Final = datetime(1677, 9, 22, tzinfo=UTC)
LATEST: Final = datetime(2262, 4, 11, tzinfo=UTC)
"""Within what an int64 of nanoseconds holds. OPC UA's null date, 1601-01-01, is not."""


class UnfitValue(Exception):
    """The value is of a kind that a tag cannot hold."""


def to_readings(answers: Sequence[DataValue], elements: Sequence[int | None]) -> list[ItemReading]:
    """One reading for each answer. ``elements``: which one of an array is wanted."""
    values: list[Value] = []
    qualities: list[int] = []
    times_ns: list[int | None] = []
    reasons: dict[int, str] = {}
    floats: list[int] = []
    last_time: datetime | None = None
    last_ns: int | None = None
    for position, answer in enumerate(answers):
        status, variant, time = answer.StatusCode, answer.Value, answer.SourceTimestamp
        quality = GOOD if status is None else SEVERITIES[status.value >> 30]
        if time is not last_time and time != last_time:
            last_time, last_ns = time, to_ns(time)
        value: Value = None
        if quality == BAD or variant is None:
            reasons[position] = "no value" if status is None else status.name
        elif variant.VariantType is VariantType.Float and type(variant.Value) is float:
            floats.append(position)
            value = variant.Value
        else:
            try:
                value = to_value(variant, elements[position])
            except UnfitValue as unfit:
                reasons[position] = str(unfit)
        if value is None:
            quality = BAD
        elif quality == GOOD and last_ns is None and time is not None:
            quality = UNCERTAIN
        values.append(value)
        qualities.append(quality)
        times_ns.append(last_ns)
    shortest = float32s_to_shortest([cast(float, values[position]) for position in floats])
    for position, decimal in zip(floats, shortest, strict=True):
        values[position] = decimal
    readings = list(map(ItemReading, values, qualities, times_ns))
    for position, reason in reasons.items():
        readings[position] = readings[position]._replace(reason=reason)
    return readings


def to_ns(time: datetime | None) -> int | None:
    """UTC nanoseconds since 1970, or None when there is none or int64 cannot hold it."""
    if time is None or not EARLIEST <= time <= LATEST:
        return None
    since = time - EPOCH
    return (since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds) * 1000


def to_value(variant: Variant, element: int | None) -> Value:
    """One value that is not None. Raises UnfitValue."""
    kind, value = variant.VariantType, variant.Value
    if variant.is_array:
        value = _pick(value, element)
    elif element is not None:
        raise UnfitValue("no array, so leave out index=")
    if kind in NUMBERS:
        if isinstance(value, int | float):
            return float32s_to_shortest((value,))[0] if kind is VariantType.Float else value
        raise UnfitValue("no value")
    convert = TEXTS.get(kind)
    if convert is None:
        raise UnfitValue("no value" if value is None else f"a {kind.name}, which a tag cannot hold")
    return convert(value)


def _pick(array: object, element: int | None) -> object:
    """A server answers with the one element that was asked for, or with all of them when it does not know how."""
    if element is None or not isinstance(array, list):
        raise UnfitValue("an array; write index=0;... for its first element")
    if len(array) == 1:
        return array[0]
    if element >= len(array):
        raise UnfitValue(f"an array of {len(array)}")
    return array[element]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _attribute(name: str) -> Callable[[object], str]:
    return lambda value: _text(getattr(value, name, None))


def _time(value: object) -> str:
    if not isinstance(value, datetime):
        raise UnfitValue("no value")
    return value.isoformat().replace("+00:00", "Z")


def _hexadecimal(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else ""


NUMBERS: Final = frozenset(
    (
        VariantType.Boolean,
        VariantType.SByte,
        VariantType.Byte,
        VariantType.Int16,
        VariantType.UInt16,
        VariantType.Int32,
        VariantType.UInt32,
        VariantType.Int64,
        VariantType.UInt64,
        VariantType.Float,
        VariantType.Double,
    )
)
TEXTS: Final[dict[VariantType, Callable[[object], str]]] = {
    VariantType.String: _text,
    VariantType.DateTime: _time,
    VariantType.Guid: _text,
    VariantType.ByteString: _hexadecimal,
    VariantType.XmlElement: _attribute("Value"),
    VariantType.LocalizedText: _attribute("Text"),
    VariantType.QualifiedName: _attribute("Name"),
    VariantType.NodeId: lambda value: value.to_string() if hasattr(value, "to_string") else _text(value),
    VariantType.StatusCode: _attribute("name"),
}
