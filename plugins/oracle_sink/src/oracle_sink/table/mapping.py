"""Mapping: ``columns:``, as far as it can be checked without the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from agent_core.api import settings
from oracle_sink.table.identifiers import parse_column, parse_sequence

_EXPRESSIONS: Final = ("SYSTIMESTAMP", "SYSDATE")
_NEXTVAL: Final = ".NEXTVAL"


class RecordField(StrEnum):
    """What of a record a column can hold."""

    NAME = "name"
    VALUE = "value"
    VALUE_NUMBER = "value_number"
    VALUE_TEXT = "value_text"
    VALUE_TYPE = "value_type"
    TIMESTAMP = "timestamp"
    TIMESTAMP_NS = "timestamp_ns"
    QUALITY = "quality"
    QUALITY_CODE = "quality_code"
    SOURCE = "source"
    DEVICE = "device"
    GROUP = "group"
    AGENT = "agent"


_VALUES: Final = frozenset({RecordField.VALUE, RecordField.VALUE_NUMBER, RecordField.VALUE_TEXT})


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """What ``columns:`` says of one column: a field, a constant or an expression; the other two are None."""

    field: RecordField | None = None
    time_zone: str | None = None
    constant: str | int | float | None = None
    expression: str | None = None


class MappingError(ValueError):
    """``columns:`` is wrong for any table. ``column`` is the key that is wrong, or None."""

    def __init__(self, message: str, column: str | None = None) -> None:
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, slots=True)
class Mapped:
    """One column: ``name`` as the dictionary has it, and a field, a constant or the SQL of an expression."""

    name: str
    field: RecordField | None = None
    zone: ZoneInfo | None = None
    constant: str | int | float | None = None
    expression: str | None = None

    @property
    def uses_sequence(self) -> bool:
        return self.expression is not None and self.expression.endswith(_NEXTVAL)


def read_mapping(columns: Mapping[str, object]) -> tuple[tuple[Mapped, ...], tuple[MappingError, ...]]:
    """The columns, and everything that is wrong with them."""
    found: list[Mapped] = []
    errors: list[MappingError] = []
    for column, spec in columns.items():
        try:
            mapped = _read(column, settings(ColumnSpec, spec if isinstance(spec, Mapping) else {"field": spec}))
        except ValueError as error:
            errors.append(MappingError(str(error), column))
            continue
        if any(mapped.name == other.name for other in found):
            errors.append(MappingError(f"column {mapped.name} is listed twice", column))
        found.append(mapped)
    fields = {mapped.field for mapped in found}
    if errors:  # what is missing may be what could not be read
        return tuple(found), tuple(errors)
    if RecordField.NAME not in fields:
        errors.append(MappingError("no column has the field name: different tags could not be told apart"))
    if not fields & _VALUES:
        errors.append(MappingError(f"no column has one of the fields {', '.join(sorted(_VALUES))}"))
    return tuple(found), tuple(errors)


def read_key(key: Sequence[str], mapping: Sequence[Mapped]) -> tuple[tuple[str, ...], tuple[tuple[int, str], ...]]:
    """The columns of ``key:``, and the position and text of everything that is wrong with them."""
    by_name = {mapped.name: mapped for mapped in mapping}
    found: list[str] = []
    errors: list[tuple[int, str]] = []
    for position, column in enumerate(key):
        try:
            name = parse_column(column)
        except ValueError as error:
            errors.append((position, str(error)))
            continue
        if name not in by_name:
            errors.append((position, f"{name} is not in columns:, so no row could be looked up by it"))
        elif by_name[name].expression is not None:
            errors.append((position, f"{name} is filled by the database, so it is not known before a row is stored"))
        elif name in found:
            errors.append((position, f"{name} is listed twice"))
        found.append(name)
    if found and not errors and all(by_name[name].field is None for name in found):
        errors.append((0, "only constants: all rows would have the same key"))
    return tuple(found), tuple(errors)


def _read(column: str, spec: ColumnSpec) -> Mapped:
    name = parse_column(column)
    if spec.expression is not None:
        return Mapped(name, expression=_expression(spec.expression))
    if spec.field is None:
        return Mapped(name, constant=spec.constant)
    if spec.time_zone is None:
        return Mapped(name, spec.field)
    if spec.field is not RecordField.TIMESTAMP:
        raise ValueError(f"time_zone: is for the field timestamp, not for {spec.field}")
    return Mapped(name, spec.field, zone=_zone(spec.time_zone))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):  # a bad key, a folder of zones, a zone that does not exist
        raise ValueError(f"unknown time_zone {name!r}; names look like Asia/Seoul") from None


def _expression(text: str) -> str:
    """The SQL of one of the permitted expressions; the name of a sequence is validated and quoted."""
    upper = text.strip().upper()
    if upper in _EXPRESSIONS:
        return upper
    if upper.endswith(_NEXTVAL):
        return f"{parse_sequence(text.strip()[: -len(_NEXTVAL)]).sql}{_NEXTVAL}"
    raise ValueError(f"expression {text!r} is not SYSTIMESTAMP, SYSDATE or SEQUENCE.NEXTVAL")
