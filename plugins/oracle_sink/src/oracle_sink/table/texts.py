"""Texts: character columns, and how values are written to them.

Values are formatted here, never by the server, whose conversions depend on the NLS settings of the session and on its
release. Lengths are checked here too: a text that does not fit is refused, never cut.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from itertools import repeat
from typing import Final

import oracledb

from agent_core.api import Batch, Origin, Value
from oracle_sink.table.binding import Bind, InputSize, Refusal, Refusals, null_refusal
from oracle_sink.table.facts import Column, ColumnKind

_CODECS: Final = {
    "AL32UTF8": "utf-8",
    "US7ASCII": "ascii",
    "WE8ISO8859P1": "latin-1",
    "WE8ISO8859P15": "iso8859-15",
    "WE8MSWIN1252": "cp1252",
    "EE8MSWIN1250": "cp1250",
    "EE8ISO8859P2": "iso8859-2",
    "CL8MSWIN1251": "cp1251",
    "CL8ISO8859P5": "iso8859-5",
    "KO16MSWIN949": "cp949",
    "KO16KSC5601": "euc_kr",
    "JA16SJIS": "cp932",
    "JA16SJISTILDE": "cp932",
    "JA16EUC": "euc_jp",
    "JA16EUCTILDE": "euc_jp",
    "ZHS16GBK": "gbk",
    "ZHS16CGB231280": "gb2312",
    "ZHS32GB18030": "gb18030",
    "ZHT16MSWIN950": "cp950",
    "ZHT16BIG5": "big5",
    "TH8TISASCII": "tis_620",
}
"""Python's codec for NLS_CHARACTERSET. Source: Oracle Database Globalization Support Guide, appendix A."""

_NATIONAL: Final = frozenset({ColumnKind.NVARCHAR2, ColumnKind.NCHAR})
_PADDED: Final = frozenset({ColumnKind.CHAR, ColumnKind.NCHAR})
_INPUT_TYPES: Final = {
    ColumnKind.NVARCHAR2: oracledb.DB_TYPE_NVARCHAR,
    ColumnKind.CHAR: oracledb.DB_TYPE_CHAR,
    ColumnKind.NCHAR: oracledb.DB_TYPE_NCHAR,
}
_REMEMBERED: Final = 100_000
"""How many texts of a column are known to fit: more than any plant has tags."""

_LONGEST_FLOAT: Final = len(repr(-2.2250738585072014e-308))
_NUMBERS: Final = ({float}, {int}, {float, int})


def codec_of(character_set: str) -> str | None:
    """The codec that shows how many bytes a text needs; None for a character set that Python does not have."""
    return _CODECS.get(character_set)


class TextColumn:
    """What one character column can hold. Without a ``codec``, only the database can check what is not ASCII."""

    def __init__(self, column: Column, codec: str | None) -> None:
        self.column = column
        self._codec = codec
        self._in_utf16 = column.kind in _NATIONAL
        self._padded = column.kind in _PADDED

    @property
    def input_size(self) -> InputSize:
        assert self.column.kind is not None
        return _INPUT_TYPES.get(self.column.kind, self.column.length)

    def takes_ascii(self, length: int) -> bool:
        """True if any ASCII text of ``length`` characters fits."""
        return length <= self.column.length

    def refusal(self, text: str | None) -> Refusal | None:
        """Why the column cannot hold a text, or None if it can. '' is NULL."""
        column = self.column
        if not text:
            return None if column.nullable else null_refusal(column)
        if text.isascii():
            actual = len(text)
        elif (lone := _lone_surrogate(text)) is not None:
            return Refusal("ORA-12713", f"the text is not valid Unicode: it has {lone!r} (column {column})")
        elif self._in_utf16 or (column.in_characters and self._codec == "utf-8"):
            # NVARCHAR2 counts UTF-16 code units, VARCHAR2(n CHAR) code points.
            actual = len(text.encode("utf-16-le")) // 2 if self._in_utf16 else len(text)
        elif self._codec is None:
            return None
        else:
            try:
                encoded = text.encode(self._codec)
            except UnicodeEncodeError as error:
                lost = text[error.start : error.end]
                return Refusal("ORA-12713", f"the database's character set has no {lost!r} (column {column})")
            actual = len(text) if column.in_characters else len(encoded)
        if actual <= column.length:
            return None
        return Refusal(
            "ORA-12899",
            f'value too large for column "{column.table}"."{column.name}" (actual: {actual}, maximum: {column.length})',
        )

    def same(self, bound: Bind, stored: Bind) -> bool:
        if self._padded:
            bound = bound.rstrip(" ") if isinstance(bound, str) else bound
            stored = stored.rstrip(" ") if isinstance(stored, str) else stored
        return (bound or None) == (stored or None)


class RepeatedText:
    """A column whose texts repeat, so that each is checked only once: tag names, sources, groups."""

    def __init__(self, text: TextColumn, texts_of: Callable[[Batch], Sequence[str]], *, required: bool = False) -> None:
        """``required``: an empty text is refused even if the column allows NULL."""
        self._text = text
        self._texts_of = texts_of
        self._required = required
        self._known: set[str] = set()

    @property
    def column(self) -> Column:
        return self._text.column

    @property
    def input_size(self) -> InputSize:
        return self._text.input_size

    def encode(self, batch: Batch, refusals: Refusals) -> Sequence[Bind]:
        texts = self._texts_of(batch)
        if not self._known.issuperset(texts):
            self._judge(texts, refusals)
        return texts

    def same(self, bound: Bind, stored: Bind) -> bool:
        return self._text.same(bound, stored)

    def _judge(self, texts: Sequence[str], refusals: Refusals) -> None:
        verdicts: dict[str, Refusal | None] = {}
        for text in set(texts) - self._known:
            verdict = null_refusal(self.column) if self._required and not text else self._text.refusal(text)
            if verdict is None and len(self._known) < _REMEMBERED:
                self._known.add(text)
            verdicts[text] = verdict
        for position, text in enumerate(texts):
            if (verdict := verdicts.get(text)) is not None:
                refusals.setdefault(position, verdict)


class ValueText:
    """The value as text. ``only_texts``: for numbers and booleans the column is NULL."""

    def __init__(
        self, text: TextColumn, *, bad_text: str, true_text: str, false_text: str, only_texts: bool = False
    ) -> None:
        self._text = text
        column = text.column
        bad = None if column.nullable else bad_text
        number: Callable[[Value], str | None] = _nothing if only_texts else _number_text
        self._only_texts = only_texts
        self._bool_texts = (None, None) if only_texts else (false_text, true_text)
        self._number = number
        self._formats: dict[type, Callable[[Value], str | None]] = {
            float: _nothing if only_texts else repr,
            int: number,
            Decimal: number,
            bool: lambda value: self._bool_texts[bool(value)],
            str: lambda value: str(value),
            type(None): lambda _: bad,
        }

    @property
    def column(self) -> Column:
        return self._text.column

    @property
    def input_size(self) -> InputSize:
        return self._text.input_size

    def encode(self, batch: Batch, refusals: Refusals) -> Sequence[Bind]:
        values = batch.values
        types = set(map(type, values))
        if types in _NUMBERS and not self._only_texts:
            try:
                texts = list(map(repr, values))
            except ValueError:  # an int with more digits than Python prints
                return self._one_by_one(values, refusals)
            longest = _LONGEST_FLOAT if int not in types else max(map(len, texts))
            if self._text.takes_ascii(longest):
                return texts
        return self._one_by_one(values, refusals)

    def same(self, bound: Bind, stored: Bind) -> bool:
        return self._text.same(bound, stored)

    def _one_by_one(self, values: Sequence[Value], refusals: Refusals) -> list[str | None]:
        formats, text_column = self._formats, self._text
        fits = text_column.column.length
        texts: list[str | None] = []
        for position, value in enumerate(values):
            try:
                text = formats.get(type(value), self._other)(value)
            except ValueError as error:
                text = None
                refusals.setdefault(position, Refusal("ORA-12899", f"{text_column.column}: {error}"))
            if not text or len(text) > fits or not text.isascii():
                refusal = text_column.refusal(text)
                if refusal is not None:
                    refusals.setdefault(position, refusal)
            texts.append(text)
        return texts

    def _other(self, value: Value) -> str | None:
        """A subclass of one of the types (an enum, a float of a library): written as its base type."""
        if isinstance(value, bool):
            return self._bool_texts[value]
        if isinstance(value, str):
            return str.__str__(value)
        plain = float(value) if isinstance(value, float) else int(value) if isinstance(value, int) else value
        return self._number(plain)


def _lone_surrogate(text: str) -> str | None:
    """What no character set can encode. The driver would find it only after it has begun to send."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return text[error.start : error.start + 1]
    return None


def _number_text(value: Value) -> str:
    return str(value) if isinstance(value, Decimal) else repr(value)


def _nothing(_: Value) -> None:
    return None


def origin_texts(part: Callable[[Origin], str]) -> Callable[[Batch], Sequence[str]]:
    """One part of the origin of each record: the same text for all records of a segment."""

    def texts(batch: Batch) -> Sequence[str]:
        found: list[str] = []
        for segment in batch.segments:
            found.extend(repeat(part(segment.origin), segment.stop - segment.start))
        return found

    return texts


def mapped_bytes(texts: Sequence[str], codes: bytes) -> Sequence[str]:
    """``texts[code]`` for each byte; if all codes are the same, which is usual, no look-up is needed."""
    first = codes[0] if codes else 0
    if codes.count(first) == len(codes):
        return (texts[first],) * len(codes)
    return list(map(texts.__getitem__, codes))


def type_names(values: Iterable[Value]) -> list[str]:
    """``float``, ``int``, ``bool``, ``str``, ``decimal`` or ``null`` for each value."""
    return [_TYPE_NAMES.get(type(value)) or _type_name(value) for value in values]


_TYPE_NAMES: Final = {float: "float", int: "int", bool: "bool", str: "str", Decimal: "decimal", type(None): "null"}


def _type_name(value: Value) -> str:
    for known in (bool, float, int, str):
        if isinstance(value, known):
            return _TYPE_NAMES[known]
    return "decimal"
