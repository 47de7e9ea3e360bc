"""ModbusDriver: one Modbus TCP device, read in blocks."""

from __future__ import annotations

import logging
import socket
from typing import Final, NoReturn

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ModbusException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import (
    MaskWriteRegisterRequest,
    ReadHoldingRegistersRequest,
    ReadInputRegistersRequest,
)

from agent_core.api import (
    AddressError,
    Area,
    ByteOrder,
    ComponentContext,
    ConnectionLost,
    DataType,
    DeviceBusy,
    DeviceUnreachable,
    DriverError,
    Point,
    ReadRefused,
    TagSpec,
    UnclearRefusal,
    WordOrder,
    WrongAnswer,
)
from modbus_driver.address import (
    AREA_UNITS,
    BIT_AREAS,
    COILS,
    DISCRETE_INPUTS,
    HOLDING_REGISTERS,
    INPUT_REGISTERS,
    REGISTER_AREAS,
    parse_address,
)
from modbus_driver.answer import ANSWERS, Coils, DiscreteInputs, HoldingRegisters, InputRegisters, unpack_bits
from modbus_driver.config import ModbusDriverConfig
from modbus_driver.misfit import misfit

EXCEPTIONS: Final = {
    1: "illegal function",
    2: "illegal data address",
    3: "illegal data value",
    4: "device failure",
    5: "acknowledge, not ready yet",
    6: "device busy",
    7: "negative acknowledge",
    8: "memory parity error",
    10: "gateway path unavailable",
    11: "gateway target device failed to respond",
}
"""Modbus Application Protocol 1.1b3, section 7."""

GATEWAY_EXCEPTIONS: Final = (10, 11)
"""The gateway answers for a device that does not."""

BUSY_EXCEPTIONS: Final = (5, 6)
"""The same request is to be made again later."""

ADDRESS_EXCEPTIONS: Final = (1, 2, 3)
"""The device will never serve this request. Any other exception may be for now only, or about the address."""

_REQUESTS: Final[dict[str, type[ModbusPDU]]] = {
    HOLDING_REGISTERS: ReadHoldingRegistersRequest,
    INPUT_REGISTERS: ReadInputRegistersRequest,
    COILS: ReadCoilsRequest,
    DISCRETE_INPUTS: ReadDiscreteInputsRequest,
}


class ModbusDriver:
    """A BlockDriver and BitWriter over one TCP connection, with one request under way at a time."""

    def __init__(self, config: ModbusDriverConfig, context: ComponentContext) -> None:
        self._config = config
        self._log = context.log
        self._host, self._port = config.endpoint
        # pymodbus repeats a request three times by itself, which multiplies every time-out.
        self._client = ModbusTcpClient(
            self._host, port=self._port, timeout=config.timeout, retries=0, trace_packet=self._compare
        )
        self._request = b""
        for answer in ANSWERS:
            self._client.register(answer)
        registers = Area(unit_bits=16, max_units=config.max_registers, max_gap_units=config.max_gap)
        bits = Area(unit_bits=1, max_units=config.max_bits, max_gap_units=16 * config.max_gap)
        self._areas = dict.fromkeys(REGISTER_AREAS, registers) | dict.fromkeys(BIT_AREAS, bits)

    @property
    def word_order(self) -> WordOrder:
        return self._config.word_order

    @property
    def byte_order(self) -> ByteOrder:
        return self._config.byte_order

    def area(self, name: str) -> Area:
        return self._areas[name]

    def locate(self, tag: TagSpec) -> Point:
        area, offset, bit = parse_address(tag.address, self._config.address_base)
        if area in BIT_AREAS:
            if tag.data_type is not DataType.BOOL:
                raise AddressError(f"{tag.address!r} is one bit, so its data type is bool, not {tag.data_type}")
            return Point(area, offset, 1)
        if tag.data_type is DataType.BOOL:
            if bit is None:
                raise AddressError(f"{tag.address!r}: a bool in a register needs a bit, {tag.address}.0 for the lowest")
            return Point(area, offset, 1, bit)
        if bit is not None:
            raise AddressError(f"{tag.address!r} is one bit, so its data type is bool, not {tag.data_type}")
        size_bytes = tag.length_bytes if tag.data_type is DataType.STRING else tag.data_type.size_bytes
        if not size_bytes or size_bytes < 0:
            raise AddressError(f"{tag.address!r}: a string needs its length in bytes, two for each register")
        registers = (size_bytes + 1) // 2
        if offset + registers > AREA_UNITS:
            raise AddressError(f"{tag.address!r}: {registers} registers from there on leave the area")
        if registers > self._config.max_registers:
            limit = self._config.max_registers
            raise AddressError(f"{tag.address!r}: {registers} registers are more than one request reads ({limit})")
        return Point(area, offset, registers)

    def connect(self) -> None:
        if self._client.socket is not None:
            return
        # pymodbus's own connect() says only that it failed, and logs an error each time.
        silence_pymodbus()
        try:
            connection = socket.create_connection((self._host, self._port), timeout=self._config.timeout)
        except OSError as error:
            raise DeviceUnreachable(f"cannot connect to {self._config.address}: {error}") from error
        self._client.socket = connection
        self._log.debug("device connected", address=self._config.address, every=self._config.address)

    def close(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]

    def read_block(self, area: str, start: int, units: int) -> bytes:
        self.connect()
        answer = self._execute(_REQUESTS[area](address=start, count=units, dev_id=self._config.unit_id))
        first = start + self._config.address_base
        where = f"{area}:{first}" + (f" to {area}:{first + units - 1}" if units > 1 else "")
        if answer.isError():
            raise _refusal(answer.exception_code)(f"{where}: {self._reason(answer)}")
        if not isinstance(answer, HoldingRegisters | InputRegisters | Coils | DiscreteInputs):
            self._fail(f"{self._config.address} answered a read with function {answer.function_code}")
        is_bits = area in BIT_AREAS
        expected = (units + 7) // 8 if is_bits else 2 * units
        if len(answer.payload) != expected:
            raise ReadRefused(f"{where}: {len(answer.payload)} bytes came where {expected} belong")
        return unpack_bits(answer.payload, units) if is_bits else answer.payload

    def check_write(self, tag: TagSpec) -> None:
        area, _, _, bit = self.locate(tag)
        if area not in (COILS, HOLDING_REGISTERS) or (area == HOLDING_REGISTERS and bit is None):
            raise AddressError(
                f"{tag.address!r} cannot be written: write a coil (co:3) or a bit of a register (hr:100.3)"
            )

    def write_bit(self, tag: TagSpec, value: bool) -> None:
        """A coil by function 5; a bit of a register by function 22, which leaves its neighbours to the device."""
        self.check_write(tag)
        area, start, _, bit = self.locate(tag)
        unit_id = self._config.unit_id
        request: ModbusPDU
        if area == COILS:
            request = WriteSingleCoilRequest(address=start, bits=[value], dev_id=unit_id)
        else:
            assert bit is not None
            little = (tag.byte_order or self._config.byte_order) is ByteOrder.LITTLE
            mask = 1 << (bit ^ 8 if little else bit)
            request = MaskWriteRegisterRequest(
                address=start, and_mask=0xFFFF ^ mask, or_mask=mask if value else 0, dev_id=unit_id
            )
        self.connect()
        answer = self._execute(request)
        if answer.isError():
            raise DriverError(f"{tag.address}: {self._reason(answer)}")
        if answer.function_code != request.function_code:
            self._fail(f"{self._config.address} answered a write with function {answer.function_code}")

    def _reason(self, answer: ModbusPDU) -> str:
        """What the exception says. Raises DeviceUnreachable when it says that the device behind a gateway is away."""
        code = answer.exception_code
        reason = f"exception {code} ({EXCEPTIONS.get(code, 'unknown')})"
        if code in GATEWAY_EXCEPTIONS:
            self._fail(f"{self._config.address} unit {self._config.unit_id}: {reason}")
        return reason

    def _execute(self, request: ModbusPDU) -> ModbusPDU:
        """One request and its answer. Closes the connection unless a whole answer to this very request came."""
        try:
            return self._client.execute(False, request)
        except WrongAnswer:
            self.close()
            raise
        except (ModbusException, OSError) as error:
            lost = self._client.socket is None or isinstance(error, OSError)  # pymodbus drops a connection that ended
            self.close()
            if lost:
                raise ConnectionLost(f"{self._config.address}: the connection was closed by the device") from error
            reason = f"no valid answer within {self._config.timeout:g} s"
            raise DeviceUnreachable(f"{self._config.address}: {reason}") from error

    def _compare(self, sending: bool, data: bytes) -> bytes:
        """pymodbus shows what it sends, and all that has come for it so far. It would wait for something better."""
        if sending:
            self._request = data
        elif (reason := misfit(self._request, data)) is not None:
            raise WrongAnswer(f"{self._config.address}: {reason}")
        return data

    def _fail(self, message: str) -> NoReturn:
        self.close()
        raise DeviceUnreachable(message)


def _refusal(code: int) -> type[ReadRefused]:
    """What a read that got this exception is to raise."""
    if code in BUSY_EXCEPTIONS:
        return DeviceBusy
    return ReadRefused if code in ADDRESS_EXCEPTIONS else UnclearRefusal


def silence_pymodbus() -> None:
    """Keep pymodbus from logging each fault again: all of it reaches the engine as exceptions, which limits the rate.

    A level that somebody has set is left alone.
    """
    logger = logging.getLogger("pymodbus")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.CRITICAL)
