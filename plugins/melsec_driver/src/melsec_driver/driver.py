"""MelsecDriver: one Mitsubishi PLC, read in blocks over MC protocol 3E."""

from __future__ import annotations

import math
from typing import Final

from agent_core.api import (
    AddressError,
    Area,
    ByteOrder,
    DataType,
    DriverError,
    LoginRefused,
    Point,
    TagSpec,
    WordOrder,
)
from melsec_driver.address import Address, parse_address
from melsec_driver.config import DataCode, MelsecDriverConfig, PlcSeries
from melsec_driver.connection import Connection
from melsec_driver.device import WRITABLE_BITS, Device
from melsec_driver.end_code import describe, means_unreachable, refusal, refuses_login
from melsec_driver.frame import Answer, AsciiFrames, BinaryFrames, BrokenFrame, Frames, Route
from melsec_driver.memory import BITS_PER_WORD, plan_memories, text_area

TIMER_UNIT_SECONDS: Final = 0.25
"""SH(NA)-080956ENG, 4.2."""


class MelsecDriver:
    """A BlockDriver and BitWriter over one TCP connection, with one request under way at a time."""

    def __init__(self, config: MelsecDriverConfig) -> None:
        self._config = config
        self._frames = make_frames(config)
        self._connection = Connection(*config.endpoint, config.timeout)
        self._memories = plan_memories(config)
        is_fx5 = config.plc_series is PlcSeries.IQF
        self._radixes = {"ZR": config.zr_numbers.radix, "X": 8 if is_fx5 else 16, "Y": 8 if is_fx5 else 16}

    @property
    def word_order(self) -> WordOrder:
        return self._config.word_order

    @property
    def byte_order(self) -> ByteOrder:
        return ByteOrder.BIG

    def area(self, name: str) -> Area:
        return self._memories[name].area

    def locate(self, tag: TagSpec) -> Point:
        is_bool = tag.data_type is DataType.BOOL
        address = self._parse(tag)
        device, number, bit = address
        if device.is_bits:
            return self._locate_in_bits(tag, address)
        if is_bool and bit is None:
            raise AddressError(f"{tag.address!r}: a bool in a word needs a bit, {tag.address}.0 for the lowest")
        if bit is not None and not is_bool:
            raise AddressError(f"{tag.address!r} is one bit, so its data type is bool, not {tag.data_type}")
        units = 1 if is_bool else _words(tag)
        self._check_size(tag, device, number, units, points=units)
        # The engine can turn words round for strings only where a tag says so; the area of texts has them turned.
        is_text = tag.data_type is DataType.STRING and tag.byte_order is None
        return Point(text_area(device) if is_text else device.name, number, units, bit)

    def _locate_in_bits(self, tag: TagSpec, address: Address) -> Point:
        device, number, _ = address
        memory = self._memories[device.name]
        is_bool = tag.data_type is DataType.BOOL
        if memory.in_bits:
            if not is_bool:
                raise AddressError(f"{tag.address!r} is one bit with bit_access: bits, so its data type is bool")
            self._check_size(tag, device, number, 1, points=1)
            return Point(device.name, number, 1)
        if is_bool:
            self._check_size(tag, device, number, 1, points=1)
            return Point(device.name, number // BITS_PER_WORD, 1, number % BITS_PER_WORD)
        if tag.data_type is DataType.STRING:
            raise AddressError(f"{tag.address!r}: there are no strings in bit devices")
        if number % BITS_PER_WORD:
            below = self._name(device, number - number % BITS_PER_WORD)
            raise AddressError(f"{tag.address!r}: words of bits begin at every sixteenth device, such as {below}")
        units = _words(tag)
        self._check_size(tag, device, number, units, points=units * BITS_PER_WORD)
        return Point(device.name, number // BITS_PER_WORD, units)

    def _check_size(self, tag: TagSpec, device: Device, number: int, units: int, *, points: int) -> None:
        limit = self._memories[device.name].area.max_units
        if units > limit:
            raise AddressError(f"{tag.address!r}: {units} words are more than one request reads ({limit})")
        greatest = self._frames.greatest_number(device)
        if number + points - 1 > greatest:
            raise AddressError(
                f"{tag.address!r}: the device numbers of a request end at {self._name(device, greatest)}"
            )

    def connect(self) -> None:
        self._connection.open()

    def close(self) -> None:
        self._connection.close()

    def read_block(self, area: str, start: int, units: int) -> bytes:
        memory = self._memories[area]
        number = start * memory.points_per_unit
        request = self._frames.request(memory.device, number, units, in_bits=memory.in_bits)
        answer = self._ask(request)
        if answer.end_code:
            where = f"{self._name(memory.device, number)} and the {units - 1} {'bits' if memory.in_bits else 'words'}"
            raise refusal(answer.end_code)(f"{where} after it: {self._reason(answer)}")
        try:
            if memory.in_bits:
                return self._frames.bits(answer.data, units)
            words = self._frames.words(answer.data, units)
        except BrokenFrame as error:
            self._connection.fail_wrong(str(error), error)
        return _turn_words(words) if memory.is_text else words

    def check_write(self, tag: TagSpec) -> None:
        self.locate(tag)
        device, _, bit = self._parse(tag)
        if device.name in WRITABLE_BITS:
            return
        if bit is None:
            raise AddressError(f"{tag.address!r} cannot be written: write a bit of {', '.join(WRITABLE_BITS)}")
        if not self._config.write_word_bits:
            raise AddressError(
                f"{tag.address!r} cannot be written without its whole word: use a bit device such as M100, "
                "or see write_word_bits"
            )

    def write_bit(self, tag: TagSpec, value: bool) -> None:
        """A bit of a bit device alone; a bit of a word by reading the word and writing it back."""
        self.check_write(tag)
        device, number, bit = self._parse(tag)
        if bit is None:
            request = self._frames.bit_write(device, number, value)
        else:
            word = int.from_bytes(self.read_block(device.name, number, 1), "big")
            word = word | 1 << bit if value else word & ~(1 << bit)
            request = self._frames.word_write(device, number, word.to_bytes(2, "big"))
        answer = self._ask(request)
        if answer.end_code:
            raise DriverError(f"{tag.address}: {self._reason(answer)}")

    def _parse(self, tag: TagSpec) -> Address:
        return parse_address(tag.address, self._radixes, wants_bool=tag.data_type is DataType.BOOL)

    def _ask(self, request: bytes) -> Answer:
        self._connection.open()
        return self._connection.exchange(request, self._frames)

    def _reason(self, answer: Answer) -> str:
        """What the end code says. Raises DeviceUnreachable when it is about the way to the PLC."""
        reason = describe(answer.end_code)
        if refuses_login(answer.end_code):
            self._connection.close()
            raise LoginRefused(f"{self._config.address}: {reason}")
        if means_unreachable(answer.end_code):
            self._connection.fail(reason)
        return reason

    def _name(self, device: Device, number: int) -> str:
        radix = self._radixes.get(device.name, device.radix)
        return f"{device.name}{number:{'o' if radix == 8 else 'd' if radix == 10 else 'X'}}"


def make_frames(config: MelsecDriverConfig) -> Frames:
    """The frames that this PLC understands."""
    timer_units = math.ceil(config.monitoring_timer / TIMER_UNIT_SECONDS)
    route = Route(config.network_no, config.pc_no, config.module_io, config.module_station_no, timer_units)
    is_long = config.plc_series is PlcSeries.IQR
    if config.data_code is DataCode.BINARY:
        return BinaryFrames(route, is_long=is_long)
    xy_radix = config.fx5_ascii_xy.radix if config.plc_series is PlcSeries.IQF else 16
    return AsciiFrames(route, is_long=is_long, xy_radix=xy_radix)


def _words(tag: TagSpec) -> int:
    size_bytes = tag.length_bytes if tag.data_type is DataType.STRING else tag.data_type.size_bytes or 0
    if size_bytes < 1:
        raise AddressError(f"{tag.address!r}: a string needs its length in bytes, two for each word")
    return (size_bytes + 1) // 2


def _turn_words(words: bytes) -> bytes:
    turned = bytearray(len(words))
    turned[0::2], turned[1::2] = words[1::2], words[0::2]
    return bytes(turned)
