"""What a Mitsubishi PLC may do wrong beside what every driver has to bear, over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest
from melsec_driver.driver import MelsecDriver
from melsec_driver.end_code import MEANINGS, describe, means_unreachable
from plant.driver_faults import DriverFaultContract
from plant.peer import PeerProcess
from plant.scripted_device import Behaviour, scripted_device

from agent_core.api import (
    ConnectionLost,
    DataType,
    DeviceBusy,
    DeviceUnreachable,
    DriverError,
    LoginRefused,
    ReadRefused,
    TagSpec,
    UnclearRefusal,
    WrongAnswer,
)
from agent_core.testing.suite.patience import PATIENCE_SECONDS, within

MakeDriver = Callable[..., MelsecDriver]
HEAD = bytes.fromhex("D0 00 00 FF FF 03 00")


@pytest.fixture(params=["binary", "ascii"])
def code(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def peer(responders: Callable[[str, str], PeerProcess], code: str) -> Iterator[PeerProcess]:
    peer = responders(code, "q")
    yield peer
    for line in ("clear", "allow", "end_code 0"):
        peer.order(line)


class TestFaultsInBinary(DriverFaultContract):
    longest_answer = b"\xd0\x00\x00\xff\xff\x03\x00\xff\xff"
    code = "binary"

    @pytest.fixture(autouse=True)
    def devices(self, responders: Callable[[str, str], PeerProcess], make_driver: MakeDriver) -> None:
        self._peer = responders(self.code, "q")
        self._make_driver = make_driver

    def device_port(self) -> int:
        return self._peer.direct_port

    def make_driver(self, port: int, timeout_seconds: float) -> MelsecDriver:
        return self._make_driver(address=f"127.0.0.1:{port}", data_code=self.code, timeout=timeout_seconds)

    def tags(self) -> Sequence[TagSpec]:
        return [TagSpec(address, address, DataType.FLOAT64) for address in ("D16", "D100")]

    def writable_bit(self) -> TagSpec:
        return TagSpec("T", "M1000", DataType.BOOL)


class TestFaultsInAscii(TestFaultsInBinary):
    code = "ascii"


def answer(data: bytes, end_code: int = 0) -> bytes:
    return HEAD + (2 + len(data)).to_bytes(2, "little") + end_code.to_bytes(2, "little") + data


def good(data: bytes) -> Behaviour:
    return lambda connection, request: connection.sendall(answer(data))


def test_an_answer_that_comes_between_two_requests_ends_the_connection(make_driver: MakeDriver) -> None:
    def twice(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer(b"\x01\x00"))
        doubled.wait(60)
        connection.sendall(answer(b"\xad\xde"))
        sent.set()

    doubled, sent = threading.Event(), threading.Event()
    with scripted_device(twice, good(b"\x02\x00")) as address:
        driver = make_driver(address=address)
        assert driver.read_block("D", 0, 1) == b"\x00\x01"
        doubled.set()
        assert sent.wait(60)
        with pytest.raises(ConnectionLost, match="out of step"):
            driver.read_block("D", 0, 1)
        assert driver.read_block("D", 0, 1) == b"\x00\x02"


def test_more_than_one_answer_at_once_is_unreachable(make_driver: MakeDriver) -> None:
    def twice(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer(b"\x01\x00") + answer(b"\xad\xde"))

    with scripted_device(twice, good(b"\x02\x00")) as address:
        driver = make_driver(address=address)
        with pytest.raises(DeviceUnreachable, match="more came than one answer"):
            driver.read_block("D", 0, 1)
        assert driver.read_block("D", 0, 1) == b"\x00\x02"


def test_a_long_answer_in_many_pieces_is_put_together(peer: PeerProcess, make_driver: MakeDriver, code: str) -> None:
    driver = make_driver(address=peer.address, data_code=code)
    whole = driver.read_block("D", 0, 960)
    for size_bytes in (500, 7):
        peer.order(f"pieces {size_bytes}")
        assert driver.read_block("D", 0, 960) == whole
    peer.order("pieces 1")
    assert driver.read_block("D", 0, 4) == whole[:8]


def test_an_answer_that_trickles_in_is_given_up_at_the_time_out(make_driver: MakeDriver) -> None:
    def trickle(connection: socket.socket, request: bytes) -> None:
        for byte in answer(bytes(1920)):
            try:
                connection.sendall(bytes((byte,)))
            except OSError:
                return
            time.sleep(0.05)  # 96 s for all of it

    with scripted_device(trickle) as address:
        driver = make_driver(address=address, timeout=0.3)
        with within(0.3), pytest.raises(DeviceUnreachable, match=r"only \d+ bytes of an answer within 0\.3 s"):
            driver.read_block("D", 0, 960)


def test_an_answer_of_another_length_is_unreachable(make_driver: MakeDriver) -> None:
    with scripted_device(good(b"\x01\x00"), good(b"\x01\x00\x02\x00")) as address:
        driver = make_driver(address=address)
        with pytest.raises(DeviceUnreachable, match="2 bytes came where 4 belong"):
            driver.read_block("D", 0, 2)
        assert driver.read_block("D", 0, 2) == b"\x00\x01\x00\x02"


def test_a_connection_closed_in_the_middle_is_unreachable(make_driver: MakeDriver) -> None:
    def cut(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer(b"\x01\x00")[:5])
        connection.shutdown(socket.SHUT_RDWR)

    with scripted_device(cut, good(b"\x01\x00")) as address:
        driver = make_driver(address=address)
        with pytest.raises(DeviceUnreachable, match="after 5 bytes of an answer"):
            driver.read_block("D", 0, 1)
        assert driver.read_block("D", 0, 1) == b"\x00\x01"


def test_a_plc_that_hangs_up_at_once_may_be_taken_by_another_client(make_driver: MakeDriver) -> None:
    def hang_up(connection: socket.socket, request: bytes) -> None:
        connection.shutdown(socket.SHUT_RDWR)

    with scripted_device(hang_up) as address, pytest.raises(DeviceUnreachable, match="is another client connected"):
        make_driver(address=address).read_block("D", 0, 1)


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xd0\x00\x00\xff\xff\x03\x00\x01\x00\x00"])
def test_garbage_is_unreachable(make_driver: MakeDriver, garbage: bytes) -> None:
    with scripted_device(lambda connection, request: connection.sendall(garbage)) as address:
        driver = make_driver(address=address, timeout=PATIENCE_SECONDS)
        with within(0.0), pytest.raises(DeviceUnreachable):
            driver.read_block("D", 0, 1)


def test_a_plc_set_to_the_other_code_is_told_so(make_driver: MakeDriver) -> None:
    def in_ascii(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"D00000FF03FF0000040000")

    def in_binary(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer(b"", 0xC059))

    with scripted_device(in_ascii, in_binary) as address:
        with pytest.raises(DeviceUnreachable, match="data_code: ascii is needed"):
            make_driver(address=address).read_block("D", 0, 1)
        with pytest.raises(DeviceUnreachable, match="data_code: binary is needed"):
            make_driver(address=address, data_code="ascii").read_block("D", 0, 1)


REFUSALS: dict[str, type[ReadRefused]] = {
    "4031": ReadRefused,
    "C056": ReadRefused,
    "C05C": ReadRefused,
    "4008": DeviceBusy,
    "402C": DeviceBusy,
    "C0B2": DeviceBusy,
    "C0BD": DeviceBusy,
    "C86C": DeviceBusy,
    "4000": UnclearRefusal,
    "4006": UnclearRefusal,
    "1234": UnclearRefusal,
}


def test_an_end_code_says_what_was_asked_and_why_not(peer: PeerProcess, make_driver: MakeDriver, code: str) -> None:
    driver = make_driver(address=peer.address, data_code=code)
    with pytest.raises(ReadRefused, match=r"D20400 and the 199 words after it: end code 4031 \(the device number is"):
        driver.read_block("D", 20400, 200)
    with pytest.raises(ReadRefused, match="X2000 and the 0 words"):
        driver.read_block("X", 0x200, 1)
    assert driver.read_block("D", 0, 1) == b"\x00\xa8"
    for end_code, kind in REFUSALS.items():
        peer.order(f"end_code {end_code}")
        with pytest.raises(ReadRefused, match=f"end code {end_code}") as raised:
            driver.read_block("D", 0, 1)
        assert raised.type is kind, end_code


@pytest.mark.parametrize("end_code", ["C05E", "C05F", "4A00", "C201", "D205"])
def test_an_end_code_about_the_way_to_the_plc_means_unreachable(
    peer: PeerProcess, make_driver: MakeDriver, code: str, end_code: str
) -> None:
    driver = make_driver(address=peer.address, data_code=code)
    peer.order(f"end_code {end_code}")
    with pytest.raises(DeviceUnreachable, match=f"end code {end_code}") as raised:
        driver.read_block("D", 0, 1)
    assert (raised.type is LoginRefused) is (end_code == "C201")
    peer.order("end_code 0")
    assert driver.read_block("D", 0, 1) == b"\x00\xa8"


def test_every_end_code_about_an_address_lets_the_block_be_split() -> None:
    assert not any(means_unreachable(end_code) for end_code in (0x4030, 0x4031, 0xC050, 0xC051, 0xC056, 0xC05B, 0xC05C))
    assert all(describe(end_code).startswith("end code") for end_code in MEANINGS)


def test_a_write_that_is_refused_says_why(peer: PeerProcess, make_driver: MakeDriver, code: str) -> None:
    driver = make_driver(address=peer.address, data_code=code)
    trigger = TagSpec("T", "M1000", DataType.BOOL)
    peer.order("end_code C05B")
    with pytest.raises(DriverError, match="M1000: end code C05B") as refused:
        driver.write_bit(trigger, False)
    assert not isinstance(refused.value, DeviceUnreachable)
    peer.order("end_code C05F")
    with pytest.raises(DeviceUnreachable):
        driver.write_bit(trigger, False)


def test_a_wrong_route_is_unreachable(peer: PeerProcess, make_driver: MakeDriver, code: str) -> None:
    driver = make_driver(address=peer.address, data_code=code, network_no=3)
    with pytest.raises(DeviceUnreachable, match="check network_no"):
        driver.read_block("D", 0, 1)


OTHERS: dict[str, tuple[bytes, bytes]] = {
    "network 3 PC 255 module 3FF station 0": (b"\xd0\x00\x03\xff\xff\x03\x00", b"D00003FF03FF00"),
    "network 0 PC 1 module 3FF station 0": (b"\xd0\x00\x00\x01\xff\x03\x00", b"D000000103FF00"),
    "network 0 PC 255 module 3FF station 2": (b"\xd0\x00\x00\xff\xff\x03\x02", b"D00000FF03FF02"),
}


def test_an_answer_of_another_station_is_not_taken_and_both_are_named(make_driver: MakeDriver, code: str) -> None:
    ends = {"binary": b"\x04\x00\x00\x00\x01\x00", "ascii": b"000800000001"}

    def of(head: bytes) -> Behaviour:
        return lambda connection, request: connection.sendall(head + ends[code])

    with scripted_device(*(of(heads[code == "ascii"]) for heads in OTHERS.values())) as address:
        driver = make_driver(address=address, data_code=code)
        for station in OTHERS:
            with pytest.raises(WrongAnswer, match=f"it answered as {station}, asked was network 0 PC 255 module 3FF"):
                driver.read_block("D", 0, 1)
