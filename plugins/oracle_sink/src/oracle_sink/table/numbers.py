"""Numbers: NUMBER, FLOAT, BINARY_FLOAT and BINARY_DOUBLE columns.

A number is stored as it is, or refused. Two kinds of rounding are the column's own choice and not refused: the scale
of a NUMBER(p, s), and BINARY_FLOAT. They are done here, so that a row read back equals the row that was bound.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import Final

import oracledb

from agent_core.api import Batch, Value
from oracle_sink.table.binding import INEXACT, Bind, InputSize, Refusal, Refusals, null_refusal
from oracle_sink.table.facts import Column, ColumnKind

_DIGITS: Final = 38
"""The digits that a NUMBER can always hold. Source: Oracle Database SQL Language Reference, Data Types, NUMBER."""

_PLAIN_INT: Final = 10**_DIGITS
_SMALLEST: Final = Decimal("1E-130")
_BEYOND: Final = Decimal("1E126")
_LONGEST_INT_BITS: Final = 512
"""More than any NUMBER has: a longer integer is refused without making a Decimal of it."""

_WIDE: Final = Context(prec=100, rounding=ROUND_HALF_UP)
_BITS_TO_DIGITS: Final = 0.30103
_FLOAT32: Final = struct.Struct(">f")


class NumberRefused(Exception):
    """A number that its column cannot hold."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class NumberColumn:
    """What one number column can hold."""

    def __init__(self, column: Column) -> None:
        self.column = column
        if column.kind is ColumnKind.BINARY_DOUBLE:
            self.input_size: InputSize = oracledb.DB_TYPE_BINARY_DOUBLE
            self.convert: Callable[[Value], Bind] = self._to_double
        elif column.kind is ColumnKind.BINARY_FLOAT:
            self.input_size = oracledb.DB_TYPE_BINARY_FLOAT
            self.convert = self._to_float
        else:
            self.input_size = oracledb.DB_TYPE_NUMBER
            self.convert = self._to_number
            floating = column.kind is ColumnKind.FLOAT
            bits = column.precision if floating and column.precision is not None else 126
            digits = min(_DIGITS, math.ceil(bits * _BITS_TO_DIGITS))
            self._significant = Context(prec=digits, rounding=ROUND_HALF_UP) if digits < _DIGITS else None
            # INTEGER is a NUMBER with a scale and no precision.
            self._scale = None if floating or column.scale is None else Decimal(1).scaleb(-column.scale)
            whole_digits = None if floating or column.precision is None else column.precision - (column.scale or 0)
            self._limit = None if whole_digits is None else Decimal(1).scaleb(whole_digits)
            self._plain = self._significant is None and self._scale is None and self._limit is None

    @property
    def takes_any_float(self) -> bool:
        return self.column.kind is ColumnKind.BINARY_DOUBLE

    def same(self, bound: Bind, stored: Bind) -> bool:
        if bound is None or stored is None:
            return bound is stored
        one, other = _exact(bound), _exact(stored)
        return one == other or (one != one and other != other)

    def _to_double(self, value: Value) -> Bind:
        if isinstance(value, float):
            return value
        if isinstance(value, int):
            try:
                double = float(value)
            except OverflowError:
                raise self._overflow(value) from None
            if double != value:
                raise self._inexact(value)
            return double
        if isinstance(value, Decimal) and not value.is_snan():
            double = float(value)
            if math.isinf(double) and value.is_finite():
                raise self._overflow(value)
            # The shortest decimal of the double must equal the value, or digits are lost.
            if value.is_finite() and Decimal(repr(double)) != value:
                raise self._inexact(value)
            return double
        raise self._no_number(value)

    def _to_float(self, value: Value) -> Bind:
        double = self._to_double(value)
        assert isinstance(double, float)
        try:
            (single,) = _FLOAT32.unpack(_FLOAT32.pack(double))
        except OverflowError:
            raise self._overflow(value) from None
        return float(single)

    def _to_number(self, value: Value) -> Bind:
        if self._plain:  # most values need no arithmetic
            if isinstance(value, float) and 1e-130 <= abs(value) < 1e126:
                return Decimal(repr(float(value)))
            if isinstance(value, int) and -_PLAIN_INT < value < _PLAIN_INT:
                return int(value)
        if isinstance(value, float):
            number = Decimal(repr(float(value)))
        elif isinstance(value, int):
            if value.bit_length() > _LONGEST_INT_BITS:
                raise self._overflow(value)
            number = Decimal(int(value))
        elif isinstance(value, Decimal):
            number = value
        else:
            raise self._no_number(value)
        if not number:
            return 0  # a Decimal zero may have an exponent that the driver refuses: 0E-200
        # Before any arithmetic: the contexts of decimal raise Overflow for exponents that Decimal itself can have.
        if not number.is_finite() or number.adjusted() >= _BEYOND.adjusted():
            raise self._overflow(value)
        if self._significant is not None:
            number = self._significant.plus(number)
        if self._scale is not None:
            try:
                number = number.quantize(self._scale, context=_WIDE)
            except InvalidOperation:
                raise self._overflow(value) from None
        if self._limit is not None and number.copy_abs() >= self._limit:
            raise NumberRefused(
                Refusal("ORA-01438", f"value larger than specified precision allowed for column {self.column}: {value}")
            )
        if not number:  # rounded to nothing
            return 0
        if not _SMALLEST <= number.copy_abs() < _BEYOND:
            raise self._overflow(value)
        if len(number.normalize(_WIDE).as_tuple().digits) > _DIGITS:
            raise self._inexact(value)
        return number

    def _overflow(self, value: Value) -> NumberRefused:
        return NumberRefused(Refusal("ORA-01426", f"numeric overflow: {self.column} cannot hold {_shown(value)}"))

    def _inexact(self, value: Value) -> NumberRefused:
        return NumberRefused(
            Refusal(
                INEXACT,
                f"{self.column} ({self.column.data_type}) cannot hold {_shown(value)} exactly: "
                "map the value to a NUMBER or text column",
            )
        )

    def _no_number(self, value: Value) -> NumberRefused:
        return NumberRefused(Refusal("ORA-01722", f"invalid number: {_shown(value)} for column {self.column}"))


class Numbers:
    """A number column. ``values_of`` returns the values; ``only_numbers``: for a text the column is NULL."""

    def __init__(
        self, number: NumberColumn, values_of: Callable[[Batch], Sequence[Value]], *, only_numbers: bool = False
    ) -> None:
        self._number = number
        self._values_of = values_of
        self._only_numbers = only_numbers

    @property
    def column(self) -> Column:
        return self._number.column

    @property
    def input_size(self) -> InputSize:
        return self._number.input_size

    def encode(self, batch: Batch, refusals: Refusals) -> Sequence[Bind]:
        values = self._values_of(batch)
        types = set(map(type, values))
        if types == {float} and self._number.takes_any_float:
            return values
        convert, nullable, only_numbers = self._number.convert, self.column.nullable, self._only_numbers
        found: list[Bind] = []
        for position, value in enumerate(values):
            if value is None or (only_numbers and isinstance(value, str)):
                found.append(None)
                if not nullable:
                    refusals.setdefault(position, null_refusal(self.column))
                continue
            try:
                found.append(convert(value))
            except NumberRefused as refused:
                found.append(None)
                refusals.setdefault(position, refused.refusal)
            except ArithmeticError:
                found.append(None)
                refusals.setdefault(position, Refusal("ORA-01426", f"numeric overflow: {_shown(value)}"))
        return found

    def same(self, bound: Bind, stored: Bind) -> bool:
        return self._number.same(bound, stored)


def _exact(value: Bind) -> Decimal | float | int:
    """A number that compares exactly with others; NaN stays a float."""
    if isinstance(value, int | float | Decimal):
        return value
    raise TypeError(f"{value!r} is not a number")


def _shown(value: Value) -> str:
    try:
        text = repr(value) if isinstance(value, str) else str(value)
    except ValueError:  # an int with more digits than Python prints
        return "an integer of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."
