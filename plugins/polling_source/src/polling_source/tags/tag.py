"""Tag rows: from the fields of a YAML entry or a CSV line to a TagSpec, every mistake named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeVar

from agent_core.api import ByteOrder, ConfigProblem, DataType, TagSpec, WordOrder
from polling_source.tags.rule import PLAIN, TagRule, parse_labels

FIELDS: Final = (
    "name",
    "address",
    "data_type",
    "length",
    "encoding",
    "scale",
    "offset",
    "word_order",
    "byte_order",
    "min",
    "max",
    "deadband",
    "deadband_percent",
    "on_change",
    "enum",
)
REQUIRED: Final = ("name", "address", "data_type")
LONGEST_STRING_BYTES: Final = 65_535
_LONGEST_TEXT: Final = 1000
"""Characters of a name or an address."""

DEFAULT_ENCODING: Final = "utf-8"
_SMALLEST: Final = 1e-15
_LARGEST: Final = 1e15
"""Bounds of scale and offset: far beyond any unit, and their ratios of whole numbers stay exact."""

YamlPath = tuple[str | int, ...]
"""The way to a value: ``("sources", 0, "config", "groups", 2)``."""

NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})
_FLAGS: Final = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tag was written: a line of a file, or a path in the YAML."""

    path: YamlPath = ()
    file: str | None = None
    line: int | None = None

    def problem(
        self, message: str, hint: str | None = None, *, key: str | None = None, warning: bool = False
    ) -> ConfigProblem:
        """A problem at this place; in the YAML, with the ``key`` below it."""
        path = (*self.path, key) if key and self.path else self.path
        return ConfigProblem(message, path=path, hint=hint, file=self.file, line=self.line, warning=warning)

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}"
            if self.file
            else "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in self.path).lstrip(".")
        )


@dataclass(frozen=True, slots=True)
class PlacedTag:
    """A tag, where it was written, and what becomes of its values."""

    spec: TagSpec
    place: Place
    rule: TagRule = PLAIN


def parse_tag(
    fields: Mapping[str, object], place: Place, columns: Mapping[str, str] = NO_NAMES
) -> PlacedTag | list[ConfigProblem]:
    """The tag that ``fields`` describe, or everything wrong with them.

    A field may be a text, as in a CSV file, or what YAML made of it; an empty one is not there. ``columns``: what the
    place calls a field, where it has another name for it.
    """
    row = _Row(fields, columns)
    name = row.text("name")
    address = row.text("address")
    data_type = row.data_type()
    length_bytes = row.length(data_type)
    spec = TagSpec(
        name=name,
        address=address,
        data_type=data_type or DataType.UINT16,
        length_bytes=length_bytes,
        encoding=row.encoding(data_type),
        scale=row.number("scale", data_type),
        offset=row.number("offset", data_type),
        word_order=row.choice("word_order", WordOrder),
        byte_order=row.choice("byte_order", ByteOrder),
    )
    rule = row.rule(spec)
    if row.errors:
        return [place.problem(error) for error in row.errors]
    return PlacedTag(spec, place, rule)


def tag_fields(tag: PlacedTag) -> dict[str, object]:
    """The fields of a tag that say more than their default, in the order of the columns."""
    spec, rule = tag.spec, tag.rule
    labels = None if rule.labels is None else ";".join(f"{number}={text}" for number, text in rule.labels.items())
    fields: dict[str, object | None] = {
        "name": spec.name,
        "address": spec.address,
        "data_type": spec.data_type.value,
        "length": spec.length_bytes or None,
        "encoding": spec.encoding if spec.length_bytes and spec.encoding != DEFAULT_ENCODING else None,
        "scale": spec.scale,
        "offset": spec.offset,
        "word_order": spec.word_order and spec.word_order.value,
        "byte_order": spec.byte_order and spec.byte_order.value,
        "min": rule.minimum,
        "max": rule.maximum,
        "deadband": rule.deadband,
        "deadband_percent": rule.deadband_percent,
        "on_change": True if rule.on_change else None,
        "enum": labels,
    }
    return {column: value for column, value in fields.items() if value is not None}


class _Row:
    """The fields of one row; keeps the errors, so that all of them are told at once."""

    def __init__(self, fields: Mapping[str, object], columns: Mapping[str, str]) -> None:
        self._fields = fields
        self._columns = columns
        self.errors: list[str] = []

    def _get(self, column: str) -> object:
        value = self._fields.get(column)
        if isinstance(value, str):
            value = value.strip()
        return None if value == "" else value

    def _wrong(self, column: str, message: str) -> None:
        self.errors.append(f"column {self._columns.get(column, column)}: {message}")

    def text(self, column: str) -> str:
        value = self._get(column)
        if value is None:
            self._wrong(column, "is empty")
            return ""
        text = str(value)
        if len(text) > _LONGEST_TEXT:
            self._wrong(column, f"has {len(text)} characters, more than {_LONGEST_TEXT}")
            return ""
        if not text.isprintable():
            self._wrong(column, f"{text!r} has a character that cannot be printed")
        return text

    def data_type(self) -> DataType | None:
        text = self.text("data_type")
        if not text:
            return None
        try:
            return DataType.parse(text)
        except ValueError as error:
            self._wrong("data_type", str(error))
            return None

    def length(self, data_type: DataType | None) -> int:
        value = self._get("length")
        if value is None:
            if data_type is DataType.STRING:
                self._wrong("length", "a string needs its length in bytes")
            return 0
        try:
            length_bytes = int(str(value))
        except ValueError:
            length_bytes = 0
        if not 0 < length_bytes <= LONGEST_STRING_BYTES:
            self._wrong("length", f"{value!r} is not a number of bytes from 1 to {LONGEST_STRING_BYTES}")
        elif data_type is not None and data_type.size_bytes not in (None, length_bytes):
            self._wrong("length", f"{data_type} has {data_type.size_bytes} bytes, not {length_bytes}; leave it out")
        return length_bytes if data_type is DataType.STRING else 0

    def encoding(self, data_type: DataType | None) -> str:
        text = str(self._get("encoding") or DEFAULT_ENCODING)
        try:
            b"\0\0\0\0".decode(text)  # no empty text: bytes.decode does not look for the codec then
        except (LookupError, ValueError):  # ValueError: a name with a NUL, and the codec that refuses everything
            self._wrong(
                "encoding", f"{text!r} is not a text encoding; known are utf-8, ascii, shift_jis, euc_kr, cp949 ..."
            )
        return text if data_type is DataType.STRING else DEFAULT_ENCODING

    def number(self, column: str, data_type: DataType | None) -> float | None:
        value = self._get(column)
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(str(value))
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self._wrong(column, f"{value!r} is not a number")
        elif data_type in (DataType.BOOL, DataType.STRING):
            self._wrong(column, f"a {data_type} has no {column}")
        elif column == "scale" and number == 0:
            self._wrong(column, "0 would make every value 0")
        elif column in ("scale", "offset") and number and not _SMALLEST <= abs(number) <= _LARGEST:
            self._wrong(column, f"{value!r} is not between {_SMALLEST:g} and {_LARGEST:g}")
        return number

    def flag(self, column: str) -> bool:
        value = self._get(column)
        if value is None or isinstance(value, bool):
            return bool(value)
        text = str(value).lower()
        if text not in _FLAGS:
            self._wrong(column, f"{value!r} is neither true nor false")
        return _FLAGS.get(text, False)

    def labels(self, spec: TagSpec) -> dict[int, str] | None:
        value = self._get("enum")
        if value is None:
            return None
        if spec.data_type in (DataType.FLOAT32, DataType.FLOAT64, DataType.STRING) or spec.scale or spec.offset:
            self._wrong("enum", "only whole numbers as the device gives them, and bools, can stand for texts")
        try:
            return parse_labels(str(value))
        except ValueError as error:
            self._wrong("enum", str(error))
            return None

    def rule(self, spec: TagSpec) -> TagRule:
        rule = TagRule(
            labels=self.labels(spec),
            minimum=self.number("min", spec.data_type),
            maximum=self.number("max", spec.data_type),
            on_change=self.flag("on_change"),
            deadband=self.number("deadband", spec.data_type),
            deadband_percent=self.number("deadband_percent", spec.data_type),
        )
        if rule.minimum is not None and rule.maximum is not None and rule.minimum > rule.maximum:
            self._wrong("max", f"{rule.maximum:g} is less than min, {rule.minimum:g}")
        deadbands = (("deadband", rule.deadband), ("deadband_percent", rule.deadband_percent))
        for column, number in deadbands:
            if number is not None and number < 0:
                self._wrong(column, f"{number:g} is less than 0")
        if rule.labels is not None:
            for column, number in (("min", rule.minimum), ("max", rule.maximum), *deadbands):
                if number is not None:
                    self._wrong(column, f"a tag with texts for its numbers has no {column}")
        return PLAIN if rule == PLAIN else rule

    def choice(self, column: str, kind: type[E]) -> E | None:
        value = self._get(column)
        if value is None:
            return None
        try:
            return kind(str(value).lower())
        except ValueError:
            self._wrong(column, f"{value!r} is none of {', '.join(kind)}")
            return None
