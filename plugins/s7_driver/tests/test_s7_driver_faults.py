"""What a Siemens PLC may do wrong beside what every driver has to bear, over real sockets."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from plant.driver_faults import DriverFaultContract
from plant.peer import PeerProcess
from plant.scripted_device import scripted_device
from s7_driver.driver import S7Driver

from agent_core.api import (
    ClockReader,
    DataType,
    DeviceBusy,
    DeviceUnreachable,
    DriverError,
    ReadRefused,
    TagSpec,
    UnclearRefusal,
    WrongAnswer,
)

MakeDriver = Callable[..., S7Driver]

NINE = bytes(range(9))


class TestS7DriverFaults(DriverFaultContract):
    longest_answer = b"\x03\x00\xff\xff"
    connect_timeouts = 2

    @pytest.fixture(autouse=True)
    def devices(self, plc: PeerProcess, make_driver: MakeDriver) -> None:
        self._plc = plc
        self._make_driver = make_driver

    def device_port(self) -> int:
        return self._plc.direct_port

    def make_driver(self, port: int, timeout_seconds: float) -> S7Driver:
        return self._make_driver(address=f"127.0.0.1:{port}", timeout=timeout_seconds)

    def tags(self) -> Sequence[TagSpec]:
        return [TagSpec(address, address, DataType.FLOAT64) for address in ("DB1.7", "DB1.100")]

    def writable_bit(self) -> TagSpec:
        return TagSpec("T", "DB1.DBX3000.0", DataType.BOOL)


@pytest.fixture
def driver(plc: PeerProcess, make_driver: MakeDriver) -> Iterator[S7Driver]:
    """Connected."""
    driver = make_driver(address=plc.address)
    driver.connect()
    yield driver
    driver.close()


@pytest.mark.parametrize("pdu", [240, 480, 960])
def test_a_block_longer_than_the_plc_answers_at_once_comes_in_several_requests(
    make_driver: MakeDriver, tmp_path: Path, pdu: int
) -> None:
    with PeerProcess("s7_server", tmp_path, "--pdu", str(pdu)) as plc:
        driver = make_driver(address=plc.address)
        assert driver.read_block("DB1", 11, 942) == bytes(number % 251 for number in range(11, 953))


REFUSALS: dict[str, type[ReadRefused]] = {
    "8500": ReadRefused,
    "8701": ReadRefused,
    "8703": ReadRefused,
    "8301": DeviceBusy,
    "8302": DeviceBusy,
    "8402": DeviceBusy,
    "8503": DeviceBusy,
    "8123": UnclearRefusal,
    "D401": UnclearRefusal,
}


def test_a_refusal_says_what_was_asked_and_why_not(plc: PeerProcess, driver: S7Driver) -> None:
    with pytest.raises(ReadRefused, match=r"DB2 bytes 90 to 109: return code 05 \(Invalid address.*reach that far"):
        driver.read_block("DB2", 90, 20)
    with pytest.raises(ReadRefused, match=r"DB7 bytes 0 to 1: return code 0A .*optimized block access"):
        driver.read_block("DB7", 0, 2)
    assert driver.read_block("DB1", 0, 9) == NINE
    for header_error, kind in REFUSALS.items():
        plc.order(f"header_error {header_error}")
        with pytest.raises(ReadRefused, match="DB1 bytes 0 to 8: S7 protocol error") as raised:
            driver.read_block("DB1", 0, 9)
        assert raised.type is kind, header_error
    plc.order("header_error 0")
    for code, kind in ((0x01, UnclearRefusal), (0x20, UnclearRefusal), (0x03, ReadRefused)):
        plc.order(f"item_code {code:02X}")
        with pytest.raises(ReadRefused, match=f"return code {code:02X}") as raised:
            driver.read_block("DB1", 0, 9)
        assert raised.type is kind, code
    plc.order("item_code 0")
    assert driver.read_block("DB1", 0, 9) == NINE


def test_a_cpu_that_serves_nobody_is_unreachable_and_the_remedy_named(plc: PeerProcess, driver: S7Driver) -> None:
    plc.order("header_error 8104")
    with pytest.raises(DeviceUnreachable, match="PUT/GET must be permitted"):
        driver.read_block("DB1", 0, 9)
    plc.order("header_error 0")
    assert driver.read_block("DB1", 0, 9) == NINE


def test_a_write_that_is_refused_says_why(driver: S7Driver) -> None:
    with pytest.raises(DriverError, match=r"DB7\.DBX0\.1: ") as refused:
        driver.write_bit(TagSpec("T", "DB7.DBX0.1", DataType.BOOL), True)
    assert not isinstance(refused.value, DeviceUnreachable)


def test_the_clock_of_the_plc_is_read(driver: S7Driver) -> None:
    assert isinstance(driver, ClockReader)
    before = datetime.now()
    shown = driver.read_clock()
    assert shown is not None
    assert shown.tzinfo is None
    assert before - timedelta(seconds=1) < shown < datetime.now() + timedelta(seconds=1)
    assert driver.read_block("DB1", 0, 9) == NINE


def test_a_plc_that_does_not_tell_its_time_has_no_clock(plc: PeerProcess, driver: S7Driver) -> None:
    plc.order("header_error 8104")
    assert driver.read_clock() is None
    plc.order("header_error 0")
    assert driver.read_block("DB1", 0, 9) == NINE, "the connection is still usable"


def test_a_string_that_was_never_written_is_empty(plc: PeerProcess, driver: S7Driver) -> None:
    plc.order("set DB1 2100 00ff4142")
    assert driver.read_block("DB1 STRING", 2100, 2) == b"\0\0"
    plc.order("set DB1 2100 02ff4142")
    assert driver.read_block("DB1 STRING", 2100, 2) == b"AB"


def test_a_server_that_speaks_another_protocol_is_unreachable(responder_address: str, make_driver: MakeDriver) -> None:
    with pytest.raises(DeviceUnreachable, match="cannot connect"):
        make_driver(address=responder_address, timeout=0.5).connect()


@pytest.fixture
def responder_address(tmp_path: Path) -> Iterator[str]:
    with PeerProcess("mc_responder", tmp_path) as peer:
        yield peer.address


def packet(content: bytes) -> bytes:
    return b"\x03\x00" + (4 + len(content)).to_bytes(2, "big") + content


def pdu(request: bytes, parameters: bytes, data: bytes = b"", sequence: int = 0) -> bytes:
    """An answer to a request in its packet, whose number is off by ``sequence``."""
    number = int.from_bytes(request[11:13], "big") + sequence
    head = b"\x32\x03\x00\x00" + struct.pack(">HHHH", number, len(parameters), len(data), 0)
    return packet(b"\x02\xf0\x80" + head + parameters + data)


READ = b"\x04\x01"
ITEM = b"\xff\x04\x00\x10\x00\x01"
MISFITS: dict[str, Callable[[bytes], bytes]] = {
    "expected sequence 2, got 1": lambda request: pdu(request, READ, ITEM, sequence=-1),
    "expected sequence 2, got 3": lambda request: pdu(request, READ, ITEM, sequence=1),
    "it answered with function 5, asked was 4": lambda request: pdu(request, b"\x05\x01", b"\xff"),
    "4 bytes came where 2 belong": lambda request: pdu(request, READ, b"\xff\x04\x00\x20\x00\x01\x00\x02"),
    "trailing bytes": lambda request: packet(pdu(request, READ, ITEM)[4:] + bytes(2)),
    "an HTTP server answered, not a PLC": lambda request: b"HTTP/1.1 400 Bad Request\r\n\r\n",
}


def test_what_is_not_the_answer_is_never_a_value_and_is_said(make_driver: MakeDriver) -> None:
    answers: list[Callable[[bytes], bytes]] = [*MISFITS.values(), lambda request: pdu(request, READ, ITEM)]

    def answer(connection: socket.socket, request: bytes) -> None:
        if request[5] == 0xE0:
            connection.sendall(packet(b"\x06\xd0\x00\x01\x00\x01\x00"))
        elif request[5] == 0xF0 and request[17] == 0xF0:
            connection.sendall(pdu(request, b"\xf0\x00\x00\x01\x00\x01\x01\xe0"))
        elif request[5] == 0xF0:
            connection.sendall(answers.pop(0)(request))

    with scripted_device(answer) as address:
        driver = make_driver(address=address)
        for reason in MISFITS:
            with pytest.raises(WrongAnswer, match=reason):
                driver.read_block("DB1", 0, 2)
        assert driver.read_block("DB1", 0, 2) == b"\x00\x01"
