"""What a PLC, or the network before it, may do wrong; over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from melsec_driver.driver import MelsecDriver
from melsec_driver.end_code import MEANINGS, describe, means_unreachable
from plant.peer import PeerProcess

from agent_core.api import DataType, DeviceUnreachable, DriverError, ReadRefused, TagSpec

MakeDriver = Callable[..., MelsecDriver]
Behaviour = Callable[[socket.socket, bytes], None]
"""What a misbehaving device does with one connection and the request that came on it."""

HEAD = bytes.fromhex("D0 00 00 FF FF 03 00")


@pytest.fixture(params=["binary", "ascii"])
def code(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def peer(responders: Callable[[str, str], PeerProcess], code: str) -> Iterator[PeerProcess]:
    peer = responders(code, "q")
    yield peer
    for line in ("resume", "unhang", "delay 0", "pieces 0", "allow", "end_code 0", "set D0 0x00A8 0x00A9"):
        peer.order(line)


@contextmanager
def device(*behaviours: Behaviour) -> Iterator[str]:
    """A device that treats each request as the next behaviour says, whatever connection it comes on."""
    waiting = list(behaviours)
    ended = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection:
            while not ended.is_set():
                try:
                    request = connection.recv(300)
                except TimeoutError:
                    continue
                except OSError:
                    return
                if not request:
                    return
                waiting.pop(0)(connection, request)

    def accept() -> None:
        while not ended.is_set():
            try:
                connection, _ = server.accept()
            except TimeoutError:
                continue
            connection.settimeout(0.05)
            threads.append(threading.Thread(target=serve, args=(connection,)))
            threads[-1].start()

    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        threads.append(threading.Thread(target=accept))
        threads[0].start()
        try:
            yield f"127.0.0.1:{server.getsockname()[1]}"
        finally:
            ended.set()
            for thread in threads:
                thread.join(5)


def answer(data: bytes, end_code: int = 0) -> bytes:
    return HEAD + (2 + len(data)).to_bytes(2, "little") + end_code.to_bytes(2, "little") + data


def good(data: bytes) -> Behaviour:
    return lambda connection, request: connection.sendall(answer(data))


def silent(connection: socket.socket, request: bytes) -> None:
    """No answer."""


def test_a_late_answer_is_never_taken_for_that_of_the_next_request(
    peer: PeerProcess, make_driver: MakeDriver, code: str
) -> None:
    driver = make_driver(address=peer.address, data_code=code, timeout=0.2)
    driver.connect()
    peer.order("delay 0.4")
    for _ in range(2):
        with pytest.raises(DeviceUnreachable, match=r"no answer within 0\.2 s"):
            driver.read_block("D", 0, 1)
    peer.order("delay 0")
    assert driver.read_block("D", 1, 1) == b"\x00\xa9"


def test_an_answer_that_comes_between_two_requests_ends_the_connection(make_driver: MakeDriver) -> None:
    def twice(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer(b"\x01\x00"))
        doubled.wait(5)
        connection.sendall(answer(b"\xad\xde"))
        sent.set()

    doubled, sent = threading.Event(), threading.Event()
    with device(twice, good(b"\x02\x00")) as address:
        driver = make_driver(address=address)
        assert driver.read_block("D", 0, 1) == b"\x00\x01"
        doubled.set()
        assert sent.wait(5)
        assert driver.read_block("D", 0, 1) == b"\x00\x02"


def test_more_than_one_answer_at_once_is_unreachable(make_driver: MakeDriver) -> None:
    def twice(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer(b"\x01\x00") + answer(b"\xad\xde"))

    with device(twice, good(b"\x02\x00")) as address:
        driver = make_driver(address=address)
        with pytest.raises(DeviceUnreachable, match="more came than one answer"):
            driver.read_block("D", 0, 1)
        assert driver.read_block("D", 0, 1) == b"\x00\x02"


def test_a_long_answer_in_many_pieces_is_put_together(peer: PeerProcess, make_driver: MakeDriver, code: str) -> None:
    driver = make_driver(address=peer.address, data_code=code, timeout=10.0)
    whole = driver.read_block("D", 0, 960)
    for size_bytes in (500, 7):
        peer.order(f"pieces {size_bytes}")
        assert driver.read_block("D", 0, 960) == whole
    peer.order("pieces 1")
    assert driver.read_block("D", 0, 4) == whole[:8]


def test_an_answer_that_trickles_in_is_given_up_at_the_time_out(make_driver: MakeDriver) -> None:
    def trickle(connection: socket.socket, request: bytes) -> None:
        for byte in answer(bytes(100)):
            try:
                connection.sendall(bytes((byte,)))
            except OSError:
                return
            time.sleep(0.02)

    with device(trickle) as address:
        driver = make_driver(address=address, timeout=0.3)
        start = time.monotonic()
        with pytest.raises(DeviceUnreachable, match=r"only \d+ bytes of an answer within 0\.3 s"):
            driver.read_block("D", 0, 50)
        assert time.monotonic() - start < 1.0


def test_an_answer_of_another_length_is_unreachable(make_driver: MakeDriver) -> None:
    with device(good(b"\x01\x00"), good(b"\x01\x00\x02\x00")) as address:
        driver = make_driver(address=address)
        with pytest.raises(DeviceUnreachable, match="2 bytes came where 4 belong"):
            driver.read_block("D", 0, 2)
        assert driver.read_block("D", 0, 2) == b"\x00\x01\x00\x02"


def test_a_connection_closed_in_the_middle_is_unreachable(make_driver: MakeDriver) -> None:
    def cut(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer(b"\x01\x00")[:5])
        connection.shutdown(socket.SHUT_RDWR)

    with device(cut, good(b"\x01\x00")) as address:
        driver = make_driver(address=address)
        with pytest.raises(DeviceUnreachable, match="after 5 bytes of an answer"):
            driver.read_block("D", 0, 1)
        assert driver.read_block("D", 0, 1) == b"\x00\x01"


def test_a_plc_that_hangs_up_at_once_may_be_taken_by_another_client(make_driver: MakeDriver) -> None:
    def hang_up(connection: socket.socket, request: bytes) -> None:
        connection.shutdown(socket.SHUT_RDWR)

    with device(hang_up) as address, pytest.raises(DeviceUnreachable, match="is another client connected"):
        make_driver(address=address).read_block("D", 0, 1)


def test_a_connection_that_the_plc_closed_between_two_polls_is_made_anew(
    peer: PeerProcess, make_driver: MakeDriver, code: str
) -> None:
    driver = make_driver(address=peer.address, data_code=code, timeout=2.0)
    assert driver.read_block("D", 0, 1) == b"\x00\xa8"
    peer.order("drop")
    assert driver.read_block("D", 0, 1) == b"\x00\xa8"


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xd0\x00\x00\xff\xff\x03\x00\x01\x00\x00"])
def test_garbage_is_unreachable(make_driver: MakeDriver, garbage: bytes) -> None:
    with device(lambda connection, request: connection.sendall(garbage)) as address:
        start = time.monotonic()
        with pytest.raises(DeviceUnreachable):
            make_driver(address=address, timeout=5.0).read_block("D", 0, 1)
        assert time.monotonic() - start < 1.0


def test_a_plc_set_to_the_other_code_is_told_so(make_driver: MakeDriver) -> None:
    def in_ascii(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"D00000FF03FF0000040000")

    def in_binary(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer(b"", 0xC059))

    with device(in_ascii, in_binary) as address:
        with pytest.raises(DeviceUnreachable, match="data_code: ascii is needed"):
            make_driver(address=address).read_block("D", 0, 1)
        with pytest.raises(DeviceUnreachable, match="data_code: binary is needed"):
            make_driver(address=address, data_code="ascii").read_block("D", 0, 1)


def test_a_plc_that_accepts_and_says_nothing_costs_one_time_out(make_driver: MakeDriver) -> None:
    with device(silent) as address:
        driver = make_driver(address=address, timeout=0.2)
        start = time.monotonic()
        with pytest.raises(DeviceUnreachable, match="no answer within"):
            driver.read_block("D", 0, 1)
        assert time.monotonic() - start < 1.0


def test_an_end_code_says_what_was_asked_and_why_not(peer: PeerProcess, make_driver: MakeDriver, code: str) -> None:
    driver = make_driver(address=peer.address, data_code=code, timeout=2.0)
    with pytest.raises(ReadRefused, match=r"D20400 and the 199 words after it: end code 4031 \(the device number is"):
        driver.read_block("D", 20400, 200)
    with pytest.raises(ReadRefused, match="X2000 and the 0 words"):
        driver.read_block("X", 0x200, 1)
    assert driver.read_block("D", 0, 1) == b"\x00\xa8"
    peer.order("end_code 1234")
    with pytest.raises(ReadRefused, match="end code 1234"):
        driver.read_block("D", 0, 1)


@pytest.mark.parametrize("end_code", ["C05E", "C05F", "4A00", "C201", "D205"])
def test_an_end_code_about_the_way_to_the_plc_means_unreachable(
    peer: PeerProcess, make_driver: MakeDriver, code: str, end_code: str
) -> None:
    driver = make_driver(address=peer.address, data_code=code, timeout=2.0)
    peer.order(f"end_code {end_code}")
    with pytest.raises(DeviceUnreachable, match=f"end code {end_code}"):
        driver.read_block("D", 0, 1)
    peer.order("end_code 0")
    assert driver.read_block("D", 0, 1) == b"\x00\xa8"


def test_every_end_code_about_an_address_lets_the_block_be_split() -> None:
    assert not any(means_unreachable(end_code) for end_code in (0x4030, 0x4031, 0xC050, 0xC051, 0xC056, 0xC05B, 0xC05C))
    assert all(describe(end_code).startswith("end code") for end_code in MEANINGS)


def test_a_write_that_is_refused_says_why_and_one_without_an_answer_is_unreachable(
    peer: PeerProcess, make_driver: MakeDriver, code: str
) -> None:
    driver = make_driver(address=peer.address, data_code=code, timeout=0.3)
    trigger = TagSpec("T", "M1000", DataType.BOOL)
    peer.order("end_code C05B")
    with pytest.raises(DriverError, match="M1000: end code C05B") as refused:
        driver.write_bit(trigger, False)
    assert not isinstance(refused.value, DeviceUnreachable)
    peer.order("end_code C05F")
    with pytest.raises(DeviceUnreachable):
        driver.write_bit(trigger, False)
    peer.order("hang")
    with pytest.raises(DeviceUnreachable):
        driver.write_bit(trigger, False)


def test_a_wrong_route_is_unreachable(peer: PeerProcess, make_driver: MakeDriver, code: str) -> None:
    driver = make_driver(address=peer.address, data_code=code, timeout=2.0, network_no=3)
    with pytest.raises(DeviceUnreachable, match="check network_no"):
        driver.read_block("D", 0, 1)


def test_a_plc_that_dies_and_comes_back_is_found_again(make_driver: MakeDriver, tmp_path: Path, code: str) -> None:
    with PeerProcess("mc_responder", tmp_path, "--code", code) as peer:
        driver = make_driver(address=peer.address, data_code=code, timeout=2.0)
        assert driver.read_block("D", 5, 1) == b"\x00\xad"
        peer.kill()
        for _ in range(2):
            with pytest.raises(DeviceUnreachable):
                driver.read_block("D", 5, 1)
        peer.start()
        assert driver.read_block("D", 5, 1) == b"\x00\xad"


def test_a_black_hole_is_left_in_time_and_found_again(peer: PeerProcess, make_driver: MakeDriver, code: str) -> None:
    driver = make_driver(address=peer.address, data_code=code, timeout=0.3)
    driver.connect()
    peer.order("hang")
    for _ in range(2):
        start = time.monotonic()
        with pytest.raises(DeviceUnreachable):
            driver.read_block("D", 5, 1)
        assert time.monotonic() - start < 1.0
    peer.order("unhang")
    assert driver.read_block("D", 5, 1) == b"\x00\xad"
