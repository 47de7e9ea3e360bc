"""Settings: a component's ``config:`` mapping as a frozen dataclass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, get_type_hints

T = TypeVar("T")

UNITS: Final = ("_seconds", "_bytes", "_records")
"""Ends of a field's name that its key need not have: ``interval`` fills ``interval_seconds``."""


def settings(kind: type[T], mapping: Mapping[str, object]) -> T:
    """Make the dataclass ``kind`` from ``mapping``, which has passed the schema and the core's conversions.

    Each field takes the key of its name, or of its name without the unit behind it (``UNITS``). Nested dataclasses,
    enums, tuples of these and unions with None are made from the field's type; everything else is taken as it is,
    when it is of that type. A key that is missing leaves a field at its default, or at None where the type allows it.

    Raises TypeError or ValueError, naming the field, for a mapping that does not fit: the schema and the dataclass
    differ. Keys without a field are left alone: the schema may have some that only a check reads.
    """
    hints = get_type_hints(kind)
    values: dict[str, object] = {}
    for field in fields(cast("Any", kind)):
        hint = hints[field.name]
        key = _key(field.name, mapping)
        if key is not None:
            values[field.name] = _convert(hint, mapping[key], f"{kind.__name__}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            if NoneType not in get_args(hint):
                raise TypeError(f"{kind.__name__}.{field.name}: no such key; the mapping has {', '.join(mapping)}")
            values[field.name] = None
    return kind(**values)


def _key(name: str, mapping: Mapping[str, object]) -> str | None:
    candidates = (name, *(name.removesuffix(unit) for unit in UNITS if name.endswith(unit)))
    return next((candidate for candidate in candidates if candidate in mapping), None)


def _convert(hint: object, value: object, where: str) -> object:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        if value is None and NoneType in arguments:
            return None
        kinds = [argument for argument in arguments if argument is not NoneType]
        if len(kinds) == 1:
            return _convert(kinds[0], value, where)
        if any(_fits(value, argument) for argument in kinds):
            return value
        raise _misfit(hint, value, where)
    if origin is tuple and isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(_convert(arguments[0], element, where) for element in value)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(value)
    if is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return settings(hint, value)
    if not _fits(value, hint):
        raise _misfit(hint, value, where)
    return float(cast("int", value)) if hint is float else value


def _fits(value: object, hint: object) -> bool:
    """True when a value of a mapping is of the type; type arguments (``Mapping[str, object]``) are not looked into."""
    if hint is Any or hint is object:
        return True
    kind = get_origin(hint) or hint
    assert isinstance(kind, type), f"settings cannot be read as {hint}"
    if kind is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if kind is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, kind)


def _misfit(hint: object, value: object, where: str) -> TypeError:
    """A secret may be where it does not belong, so the value itself is not shown."""
    return TypeError(f"{where} is {type(value).__name__}, not {getattr(hint, '__name__', hint)}")
