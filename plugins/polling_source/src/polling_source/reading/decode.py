"""Decoding: the bytes of a block to values, with everything that can be decided once decided beforehand.

A decoder is a short list of steps. Each step takes the tags of one kind out of the whole block at once: one ``struct``
format with pad bytes between the tags, so the work per tag stays in C where the layout allows it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from agent_core.api import ByteOrder, DataType, Point, TagSpec, Value, WordOrder, float32s_to_shortest

Step = Callable[[bytes], Sequence[Value]]
"""Takes a block's bytes, returns the values of some of its tags, always in the same order. None stands for BAD."""

_CODES: Final = {
    DataType.INT16: "h",
    DataType.UINT16: "H",
    DataType.INT32: "i",
    DataType.UINT32: "I",
    DataType.INT64: "q",
    DataType.UINT64: "Q",
    DataType.FLOAT32: "f",
    DataType.FLOAT64: "d",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a number's bytes lie in the block.

    Turning each word round (``swapped``) makes ``struct`` read the two mixed orders::

        word order  byte order   bytes of 0x0A0B0C0D   read as
        big         big          0A 0B 0C 0D           >
        little      big          0C 0D 0A 0B           swapped, <
        big         little       0B 0A 0D 0C           swapped, >
        little      little       0D 0C 0B 0A           <

    ``odd``: the words begin at odd bytes of the block (only in areas of 8-bit units).
    """

    endian: str
    swapped: bool
    odd: bool

    @classmethod
    def of(cls, word_order: WordOrder, byte_order: ByteOrder, first_byte: int) -> Layout:
        """The layout of a number that begins at ``first_byte`` of its block."""
        swapped = word_order.value != byte_order.value
        return cls(">" if word_order is WordOrder.BIG else "<", swapped, swapped and first_byte % 2 == 1)

    def arrange(self, data: bytes) -> bytes:
        """The block as ``struct`` shall see it."""
        return swap_words(data, self.odd) if self.swapped else data


def swap_words(data: bytes, odd: bool = False) -> bytes:
    """Each 16-bit word with its bytes exchanged; words begin at even bytes, or at odd ones. Half words stay."""
    first = 1 if odd else 0
    last = len(data) - (len(data) - first) % 2
    turned = bytearray(data)
    turned[first:last:2] = data[first + 1 : last : 2]
    turned[first + 1 : last : 2] = data[first:last:2]
    return bytes(turned)


@dataclass(frozen=True, slots=True)
class PlacedNumber:
    """A tag with the offset of its first byte in the block."""

    tag: int
    spec: TagSpec
    first_byte: int
    size_bytes: int
    bit: int | None


@dataclass(frozen=True, slots=True)
class Decoder:
    """``order`` holds the tags (as numbered by whoever asked) in the order of ``decode``'s values."""

    order: tuple[int, ...]
    steps: tuple[Step, ...]
    may_fail: bool

    def decode(self, data: bytes) -> list[Value]:
        """One value for each tag of ``order``; None where the bytes mean nothing (only when ``may_fail``)."""
        values: list[Value] = []
        for step in self.steps:
            values.extend(step(data))
        return values


def compile_decoder(
    tags: Sequence[tuple[int, TagSpec, Point]],
    block_start: int,
    unit_bits: int,
    word_order: WordOrder,
    byte_order: ByteOrder,
) -> Decoder:
    """Make the decoder of one block. ``tags``: number, spec and place of each, all within the block.

    ``word_order`` and ``byte_order`` are the device's, for tags without their own.
    """
    unit_bytes = max(unit_bits // 8, 1)
    order: list[int] = []
    steps: list[Step] = []

    def specs(kinds: Iterable[DataType]) -> list[PlacedNumber]:
        return [
            PlacedNumber(
                number, spec, (point.start - block_start) * unit_bytes, spec.data_type.size_bytes or 0, point.bit
            )
            for number, spec, point in tags
            if spec.data_type in kinds
        ]

    numbers: dict[tuple[Layout, bool, bool], list[PlacedNumber]] = {}
    for placed in specs(_CODES):
        spec = placed.spec
        layout = Layout.of(spec.word_order or word_order, spec.byte_order or byte_order, placed.first_byte)
        scaled = spec.scale is not None or spec.offset is not None
        numbers.setdefault((layout, spec.data_type is DataType.FLOAT32, scaled), []).append(placed)
    for (layout, is_float32, scaled), same in numbers.items():
        for layer in _without_overlap(same):
            order.extend(placed.tag for placed in layer)
            steps.append(_number_step(layer, layout, is_float32, scaled))

    bits = specs((DataType.BOOL,))
    if bits:
        order.extend(placed.tag for placed in bits)
        steps.append(_bit_step(bits, unit_bits, byte_order))

    strings = specs((DataType.STRING,))
    if strings:
        order.extend(placed.tag for placed in strings)
        steps.append(_string_step(strings, byte_order))
    return Decoder(tuple(order), tuple(steps), may_fail=bool(strings))


def _without_overlap(placed: Sequence[PlacedNumber]) -> list[list[PlacedNumber]]:
    """The numbers in layers: within one, none shares a byte with another, and they ascend."""
    layers: list[list[PlacedNumber]] = []
    for number in sorted(placed, key=lambda n: (n.first_byte, n.size_bytes)):
        for layer in layers:
            if layer[-1].first_byte + layer[-1].size_bytes <= number.first_byte:
                layer.append(number)
                break
        else:
            layers.append([number])
    return layers


def _number_step(layer: Sequence[PlacedNumber], layout: Layout, is_float32: bool, scaled: bool) -> Step:
    fields = [layout.endian]
    position = 0
    for number in layer:
        gap = number.first_byte - position
        fields.append(f"{gap}x{_CODES[number.spec.data_type]}" if gap else _CODES[number.spec.data_type])
        position = number.first_byte + number.size_bytes
    unpack_from = struct.Struct("".join(fields)).unpack_from
    arrange = layout.arrange if layout.swapped else None

    def take(data: bytes) -> tuple[float, ...]:
        return unpack_from(data if arrange is None else arrange(data))

    if is_float32 and not scaled:
        return lambda data: float32s_to_shortest(take(data))
    if not scaled:
        return take
    ratios = [Scaling.of(number.spec) for number in layer]
    if is_float32:
        return lambda data: [
            scaling.apply(value) for scaling, value in zip(ratios, float32s_to_shortest(take(data)), strict=True)
        ]
    return lambda data: [scaling.apply(value) for scaling, value in zip(ratios, take(data), strict=True)]


@dataclass(frozen=True, slots=True)
class Scaling:
    """``scale`` and ``offset`` as ratios of whole numbers, so that 3 scaled by 0.1 is 0.3 and not 0.30000000000000004.

    ``(value * factor + summand) / divisor``; all three are whole numbers.
    """

    factor: int
    summand: int
    divisor: int

    @classmethod
    def of(cls, spec: TagSpec) -> Scaling:
        """As the tag's decimals say. One divisor serves both."""
        factor, divisor = Decimal(repr(1.0 if spec.scale is None else spec.scale)).as_integer_ratio()
        summand, other = Decimal(repr(spec.offset or 0.0)).as_integer_ratio()
        return cls(factor * other, summand * divisor, divisor * other)

    def apply(self, value: float) -> float:
        """The scaled value, always a float."""
        return (value * self.factor + self.summand) / self.divisor


def scale_value(spec: TagSpec, value: Value) -> Value:
    """Scale one number that an item driver gave; anything else stays as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return Scaling.of(spec).apply(value)


def _bit_step(bits: Sequence[PlacedNumber], unit_bits: int, byte_order: ByteOrder) -> Step:
    if unit_bits == 1:
        places = [placed.first_byte for placed in bits]
        return lambda data: [data[place] != 0 for place in places]
    masks: list[tuple[int, int]] = []
    for placed in bits:
        bit = placed.bit or 0
        byte, bit = divmod(bit, 8)
        big = (placed.spec.byte_order or byte_order) is ByteOrder.BIG
        in_word = 1 - byte if unit_bits == 16 and big else byte
        masks.append((placed.first_byte + in_word, 1 << bit))
    return lambda data: [data[place] & mask != 0 for place, mask in masks]


def _string_step(strings: Sequence[PlacedNumber], byte_order: ByteOrder) -> Step:
    readers = [
        (
            placed.first_byte,
            placed.spec.length_bytes,
            placed.spec.encoding,
            (placed.spec.byte_order or byte_order) is ByteOrder.LITTLE,
        )
        for placed in strings
    ]

    def read(data: bytes) -> list[Value]:
        texts: list[Value] = []
        for first_byte, length_bytes, encoding, swapped in readers:
            words = data[first_byte : first_byte + length_bytes + length_bytes % 2]
            texts.append(decode_text((swap_words(words) if swapped else words)[:length_bytes], encoding))
        return texts

    return read


def decode_text(data: bytes, encoding: str) -> str | None:
    """The text up to the first NUL, without blanks at its end; None when the bytes mean nothing in ``encoding``.

    What follows the NUL is whatever the PLC had there before, so it is not decoded.
    """
    wide = encoding.lower().replace("_", "-").startswith(("utf-16", "utf-32"))
    try:
        if wide:
            return data.decode(encoding).partition("\0")[0].rstrip()
        return data.partition(b"\0")[0].decode(encoding).rstrip()
    except UnicodeDecodeError:
        return None
