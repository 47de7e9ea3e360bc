"""What a Modbus device may do wrong beside what every driver has to bear, over real sockets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Sequence

import pytest
from modbus_driver.driver import ModbusDriver
from modbus_driver.misfit import crc
from plant.driver_faults import DriverFaultContract
from plant.process import ModbusPlant
from plant.scripted_device import Behaviour, scripted_device

from agent_core.api import (
    DataType,
    DeviceBusy,
    DeviceUnreachable,
    DriverError,
    ReadRefused,
    TagSpec,
    UnclearRefusal,
    WrongAnswer,
)

MakeDriver = Callable[..., ModbusDriver]


class TestModbusDriverFaults(DriverFaultContract):
    longest_answer = b"\x00\x01\x00\x00\xff\xff\x01"

    @pytest.fixture(autouse=True)
    def devices(self, plant: ModbusPlant, make_driver: MakeDriver) -> None:
        self._port = plant.port
        self._make_driver = make_driver

    def device_port(self) -> int:
        return self._port

    def make_driver(self, port: int, timeout_seconds: float) -> ModbusDriver:
        return self._make_driver(address=f"127.0.0.1:{port}", timeout=timeout_seconds)

    def tags(self) -> Sequence[TagSpec]:
        return [TagSpec(address, address, DataType.FLOAT64) for address in ("ir:16", "ir:100")]

    def writable_bit(self) -> TagSpec:
        return TagSpec("T", "co:1001", DataType.BOOL)


def answer(request: bytes, payload: bytes, transaction: int | None = None, function: int | None = None) -> bytes:
    """A well-formed answer to ``request``, but for what is asked for."""
    tid = struct.unpack(">H", request[:2])[0] if transaction is None else transaction
    pdu = bytes((request[7] if function is None else function, len(payload))) + payload
    return struct.pack(">HHHB", tid, 0, len(pdu) + 1, request[6]) + pdu


def good(payload: bytes) -> Behaviour:
    return lambda connection, request: connection.sendall(answer(request, payload))


def changed(start: int, *data: int) -> Callable[[bytes], bytes]:
    """The right answer, but for some bytes."""
    return lambda right: right[:start] + bytes(data) + right[start + len(data) :]


def rtu(right: bytes) -> bytes:
    return right[6:] + crc(right[6:])


MISFITS: dict[str, Callable[[bytes], bytes]] = {
    "it answered to transaction 0, asked was 1": changed(0, 0, 0),
    "it answered to transaction 2, asked was 1": changed(0, 0, 2),
    "it answered as unit 255, asked was 17": changed(6, 255),
    "it answered as unit 0, asked was 17": changed(6, 0),
    "it answered with function 4, asked was 3": changed(7, 4),
    "it answered with function 4, asked was 3 ": changed(7, 0x84, 2),
    "the length 6 of its answer does not fit function 3": changed(4, 0, 6),
    "the length 5 of its answer does not fit function 3": changed(8, 4),
    "the length 5 of its answer does not fit function 131": changed(7, 0x83, 2),
    "the answer begins with 00 01 00 07, which is not Modbus TCP": changed(2, 0, 7),
    "it answered with an RTU frame: set the gateway to Modbus TCP": rtu,
    "it answered with an RTU frame: set the gateway to Modbus TCP ": lambda _: b"\x11\x83\x02" + crc(b"\x11\x83\x02"),
    "an HTTP server answered, not a Modbus device": lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


def test_what_is_not_the_answer_is_never_a_value_and_is_said_at_once(make_driver: MakeDriver) -> None:
    def devious(change: Callable[[bytes], bytes]) -> Behaviour:
        return lambda connection, request: connection.sendall(change(answer(request, b"\xde\xad")))

    with scripted_device(*map(devious, MISFITS.values()), good(b"\x00\x01")) as address:
        for reason in MISFITS:
            driver = make_driver(address=address, unit_id=17)
            with pytest.raises(WrongAnswer) as raised:
                driver.read_block("hr", 0, 1)
            assert reason.strip() in str(raised.value)
        assert driver.read_block("hr", 0, 1) == b"\x00\x01", "the connection was closed, and is made again"


def test_an_answer_that_comes_twice_is_passed_over_the_second_time(make_driver: MakeDriver) -> None:
    def twice(connection: socket.socket, request: bytes) -> None:
        right = answer(request, request[8:10])
        connection.sendall(right)
        connection.sendall(right)

    with scripted_device(twice) as address:
        driver = make_driver(address=address)
        assert [driver.read_block("hr", number, 1) for number in range(5)] == [bytes((0, n)) for n in range(5)]


def test_a_write_that_another_one_is_confirmed_for_is_not_done(make_driver: MakeDriver) -> None:
    def other(connection: socket.socket, request: bytes) -> None:
        connection.sendall(changed(9, 8)(request))

    with (
        scripted_device(other) as address,
        pytest.raises(WrongAnswer, match=r"it confirmed 16 00 08 .*asked was 16 00 07"),
    ):
        make_driver(address=address).write_bit(BIT, True)


def test_an_answer_of_another_length_is_refused(make_driver: MakeDriver) -> None:
    with scripted_device(good(b"\x00\x01"), good(b"\x00\x01\x00\x02")) as address:
        driver = make_driver(address=address)
        with pytest.raises(ReadRefused, match="2 bytes came where 4 belong"):
            driver.read_block("hr", 0, 2)
        assert driver.read_block("hr", 0, 2) == b"\x00\x01\x00\x02"


def exception(code: int) -> Behaviour:
    def refuse(connection: socket.socket, request: bytes) -> None:
        connection.sendall(request[:4] + b"\x00\x03" + request[6:7] + bytes((request[7] | 0x80, code)))

    return refuse


REFUSALS: dict[int, tuple[type[ReadRefused], str]] = {
    1: (ReadRefused, "illegal function"),
    2: (ReadRefused, "illegal data address"),
    3: (ReadRefused, "illegal data value"),
    4: (UnclearRefusal, "device failure"),
    5: (DeviceBusy, "acknowledge, not ready yet"),
    6: (DeviceBusy, "device busy"),
    7: (UnclearRefusal, "negative acknowledge"),
    8: (UnclearRefusal, "memory parity error"),
    9: (UnclearRefusal, "unknown"),
    99: (UnclearRefusal, "unknown"),
}


def test_an_exception_says_what_was_asked_and_why_not_and_whether_it_may_pass(make_driver: MakeDriver) -> None:
    with scripted_device(*map(exception, REFUSALS), good(b"\x00\x01")) as address:
        driver = make_driver(address=address)
        for code, (kind, meaning) in REFUSALS.items():
            with pytest.raises(ReadRefused, match=rf"hr:7: exception {code} \({meaning}\)") as raised:
                driver.read_block("hr", 7, 1)
            assert raised.type is kind, code
        assert driver.read_block("hr", 7, 1) == b"\x00\x01"


@pytest.mark.parametrize("code", [10, 11])
def test_a_gateway_that_misses_its_device_means_unreachable(make_driver: MakeDriver, code: int) -> None:
    with scripted_device(exception(code)) as address, pytest.raises(DeviceUnreachable, match="gateway"):
        make_driver(address=address).read_block("hr", 7, 1)


def test_each_request_carries_the_unit_id(make_driver: MakeDriver) -> None:
    units: list[int] = []

    def note(connection: socket.socket, request: bytes) -> None:
        units.append(request[6])
        connection.sendall(answer(request, b"\x00\x01"))

    with scripted_device(note, note) as address:
        make_driver(address=address, unit_id=17).read_block("hr", 0, 1)
        make_driver(address=address, unit_id=255).read_block("hr", 0, 1)
    assert units == [17, 255]


BIT = TagSpec("T", "hr:7.3", DataType.BOOL)


def test_a_register_bit_is_written_with_a_mask(make_driver: MakeDriver) -> None:
    requests: list[str] = []

    def echo(connection: socket.socket, request: bytes) -> None:
        requests.append(request[7:].hex(" "))
        connection.sendall(request)

    with scripted_device(*[echo] * 3) as address:
        driver = make_driver(address=address)
        driver.write_bit(BIT, True)
        driver.write_bit(BIT, False)
        make_driver(address=address, byte_order="little").write_bit(BIT, True)
    assert requests == ["16 00 07 ff f7 00 08", "16 00 07 ff f7 00 00", "16 00 07 f7 ff 08 00"]


def test_a_write_that_is_refused_says_why(make_driver: MakeDriver) -> None:
    with scripted_device(exception(1), exception(11)) as address:
        driver = make_driver(address=address)
        with pytest.raises(DriverError, match=r"hr:7\.3: exception 1 \(illegal function\)"):
            driver.write_bit(BIT, False)
        with pytest.raises(DeviceUnreachable, match="gateway"):
            driver.write_bit(BIT, False)
