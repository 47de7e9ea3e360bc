"""Tag rows: from the fields of a YAML entry or a CSV line to a TagSpec, every mistake named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeVar

from agent_core.api import ByteOrder, ConfigProblem, DataType, TagSpec, WordOrder

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
)
REQUIRED: Final = ("name", "address", "data_type")
DEFAULT_ENCODING: Final = "utf-8"
_SMALLEST: Final = 1e-15
_LARGEST: Final = 1e15
"""Bounds of scale and offset: far beyond any unit, and their ratios of whole numbers stay exact."""

YamlPath = tuple[str | int, ...]
"""The way to a value: ``("sources", 0, "config", "groups", 2)``."""

E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tag was written: a line of a file, or a path in the YAML."""

    path: YamlPath = ()
    file: str | None = None
    line: int | None = None

    def problem(self, message: str, hint: str | None = None, warning: bool = False) -> ConfigProblem:
        """A problem at this place."""
        return ConfigProblem(message, path=self.path, hint=hint, file=self.file, line=self.line, warning=warning)

    def __str__(self) -> str:
        return (
            f"{self.file}:{self.line}"
            if self.file
            else "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in self.path).lstrip(".")
        )


@dataclass(frozen=True, slots=True)
class PlacedTag:
    """A tag and where it was written."""

    spec: TagSpec
    place: Place


class FieldError(ValueError):
    """One field of one row is wrong."""

    def __init__(self, column: str, message: str) -> None:
        super().__init__(f"column {column}: {message}")


def parse_tag(fields: Mapping[str, object], place: Place) -> PlacedTag | list[ConfigProblem]:
    """The tag that ``fields`` describe, or everything wrong with them.

    A field may be a text, as in a CSV file, or what YAML made of it; an empty one is not there.
    """
    row = _Row(fields)
    name = row.text("name")
    address = row.text("address")
    data_type = row.data_type()
    length_bytes = row.length(data_type)
    spec = TagSpec(
        name=name,
        address=address,
        data_type=data_type or DataType.UINT16,
        length_bytes=length_bytes,
        encoding=row.encoding(),
        scale=row.number("scale", data_type),
        offset=row.number("offset", data_type),
        word_order=row.choice("word_order", WordOrder),
        byte_order=row.choice("byte_order", ByteOrder),
    )
    if row.errors:
        return [place.problem(str(error)) for error in row.errors]
    return PlacedTag(spec, place)


class _Row:
    """The fields of one row; keeps the errors, so that all of them are told at once."""

    def __init__(self, fields: Mapping[str, object]) -> None:
        self._fields = fields
        self.errors: list[FieldError] = []

    def _get(self, column: str) -> object:
        value = self._fields.get(column)
        if isinstance(value, str):
            value = value.strip()
        return None if value == "" else value

    def _wrong(self, column: str, message: str) -> None:
        self.errors.append(FieldError(column, message))

    def text(self, column: str) -> str:
        value = self._get(column)
        if value is None:
            self._wrong(column, "is empty")
            return ""
        text = str(value)
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
        if length_bytes < 1:
            self._wrong("length", f"{value!r} is not a number of bytes")
        elif data_type is not None and data_type.size_bytes not in (None, length_bytes):
            self._wrong("length", f"{data_type} has {data_type.size_bytes} bytes, not {length_bytes}; leave it out")
        return length_bytes if data_type is DataType.STRING else 0

    def encoding(self) -> str:
        text = str(self._get("encoding") or DEFAULT_ENCODING)
        try:
            b"\0\0\0\0".decode(text)  # no empty text: bytes.decode does not look for the codec then
        except LookupError:
            self._wrong(
                "encoding", f"{text!r} is no text encoding; known are utf-8, ascii, shift_jis, euc_kr, cp949 ..."
            )
        return text

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
        elif column == "scale" and number == 0:
            self._wrong(column, "0 would make every value 0")
        elif not (column == "offset" and number == 0) and not _SMALLEST <= abs(number) <= _LARGEST:
            self._wrong(column, f"{value!r} is not between {_SMALLEST:g} and {_LARGEST:g}")
        elif data_type in (DataType.BOOL, DataType.STRING):
            self._wrong(column, f"a {data_type} has no {column}")
        return number

    def choice(self, column: str, kind: type[E]) -> E | None:
        value = self._get(column)
        if value is None:
            return None
        try:
            return kind(str(value).lower())
        except ValueError:
            self._wrong(column, f"{value!r} is none of {', '.join(kind)}")
            return None
