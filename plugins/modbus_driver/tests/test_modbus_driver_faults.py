"""What a device may do wrong, over a real socket."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from modbus_driver.driver import ModbusDriver
from plant.process import ModbusPlant

from agent_core.api import DataType, DeviceUnreachable, DriverError, ReadRefused, TagSpec

MakeDriver = Callable[..., ModbusDriver]

Behaviour = Callable[[socket.socket, bytes], None]
"""What a misbehaving device does with one connection and the request that came on it."""


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


def answer(request: bytes, payload: bytes, transaction: int | None = None, function: int | None = None) -> bytes:
    """A well-formed answer to ``request``, but for what is asked for."""
    tid = struct.unpack(">H", request[:2])[0] if transaction is None else transaction
    pdu = bytes((request[7] if function is None else function, len(payload))) + payload
    return struct.pack(">HHHB", tid, 0, len(pdu) + 1, request[6]) + pdu


def good(payload: bytes) -> Behaviour:
    return lambda connection, request: connection.sendall(answer(request, payload))


def silent(connection: socket.socket, request: bytes) -> None:
    """No answer."""


def test_a_late_answer_is_never_taken_for_that_of_the_next_request(make_driver: MakeDriver) -> None:
    def late(connection: socket.socket, request: bytes) -> None:
        time.sleep(0.4)
        connection.sendall(answer(request, b"\xde\xad"))

    with device(late, good(b"\x00\x01"), good(b"\x00\x02")) as address:
        driver = make_driver(address=address, timeout=0.2)
        with pytest.raises(DeviceUnreachable, match=r"no valid answer within 0\.2 s"):
            driver.read_block("hr", 0, 1)
        assert driver.read_block("hr", 0, 1) == b"\x00\x01"
        assert driver.read_block("hr", 0, 1) == b"\x00\x02"


@pytest.mark.parametrize("transaction", [0, 4711])
def test_an_answer_to_another_request_is_not_taken(make_driver: MakeDriver, transaction: int) -> None:
    def foreign(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer(request, b"\xde\xad", transaction=transaction))

    with device(foreign, good(b"\x00\x01")) as address:
        driver = make_driver(address=address, timeout=0.2)
        with pytest.raises(DeviceUnreachable):
            driver.read_block("hr", 0, 1)
        assert driver.read_block("hr", 0, 1) == b"\x00\x01"


def test_an_answer_of_another_function_is_not_taken(make_driver: MakeDriver) -> None:
    def other(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer(request, b"\xde\xad", function=6))

    with device(other, good(b"\x00\x01")) as address:
        driver = make_driver(address=address, timeout=0.2)
        with pytest.raises(DeviceUnreachable):
            driver.read_block("hr", 0, 1)
        assert driver.read_block("hr", 0, 1) == b"\x00\x01"


def test_an_answer_in_small_pieces_is_put_together(make_driver: MakeDriver) -> None:
    def trickle(connection: socket.socket, request: bytes) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in answer(request, b"\x00\x01\x00\x02"):
            connection.sendall(bytes((byte,)))
            time.sleep(0.002)

    with device(trickle) as address:
        assert make_driver(address=address).read_block("hr", 0, 2) == b"\x00\x01\x00\x02"


def test_an_answer_of_another_length_is_refused(make_driver: MakeDriver) -> None:
    with device(good(b"\x00\x01"), good(b"\x00\x01\x00\x02")) as address:
        driver = make_driver(address=address)
        with pytest.raises(ReadRefused, match="2 bytes came where 4 belong"):
            driver.read_block("hr", 0, 2)
        assert driver.read_block("hr", 0, 2) == b"\x00\x01\x00\x02"


def test_a_connection_closed_in_the_middle_is_unreachable(make_driver: MakeDriver) -> None:
    def cut(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer(request, b"\x00\x01")[:5])
        connection.shutdown(socket.SHUT_RDWR)

    with device(cut, good(b"\x00\x01")) as address:
        driver = make_driver(address=address, timeout=2.0)
        with pytest.raises(DeviceUnreachable, match="connection was lost"):
            driver.read_block("hr", 0, 1)
        assert driver.read_block("hr", 0, 1) == b"\x00\x01"


def test_garbage_is_unreachable(make_driver: MakeDriver) -> None:
    def web_server(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with device(web_server) as address, pytest.raises(DeviceUnreachable):
        make_driver(address=address, timeout=0.2).read_block("hr", 0, 1)


def test_a_device_that_accepts_and_says_nothing_costs_one_time_out(make_driver: MakeDriver) -> None:
    with device(silent) as address:
        driver = make_driver(address=address, timeout=0.2)
        start = time.monotonic()
        with pytest.raises(DeviceUnreachable):
            driver.read_block("hr", 0, 1)
        assert time.monotonic() - start < 1.0


def exception(code: int) -> Behaviour:
    def refuse(connection: socket.socket, request: bytes) -> None:
        connection.sendall(request[:4] + b"\x00\x03" + request[6:7] + bytes((request[7] | 0x80, code)))

    return refuse


@pytest.mark.parametrize(("code", "meaning"), [(1, "illegal function"), (2, "illegal data address"), (99, "unknown")])
def test_an_exception_says_what_was_asked_and_why_not(make_driver: MakeDriver, code: int, meaning: str) -> None:
    with device(exception(code), good(b"\x00\x01")) as address:
        driver = make_driver(address=address)
        with pytest.raises(ReadRefused, match=rf"hr:7: exception {code} \({meaning}\)"):
            driver.read_block("hr", 7, 1)
        assert driver.read_block("hr", 7, 1) == b"\x00\x01"


@pytest.mark.parametrize("code", [10, 11])
def test_a_gateway_that_misses_its_device_means_unreachable(make_driver: MakeDriver, code: int) -> None:
    with device(exception(code)) as address, pytest.raises(DeviceUnreachable, match="gateway"):
        make_driver(address=address).read_block("hr", 7, 1)


def test_each_request_carries_the_unit_id(make_driver: MakeDriver) -> None:
    units: list[int] = []

    def note(connection: socket.socket, request: bytes) -> None:
        units.append(request[6])
        connection.sendall(answer(request, b"\x00\x01"))

    with device(note, note) as address:
        make_driver(address=address, unit_id=17).read_block("hr", 0, 1)
        make_driver(address=address, unit_id=255).read_block("hr", 0, 1)
    assert units == [17, 255]


def test_a_server_that_goes_and_comes_back_is_found_again(plant: ModbusPlant, make_driver: MakeDriver) -> None:
    driver = make_driver(address=plant.address)
    assert driver.read_block("ir", 5, 1) == b"\x00\x05"
    plant.pause()
    for _ in range(2):
        with pytest.raises(DeviceUnreachable):
            driver.read_block("ir", 5, 1)
    plant.resume()
    assert driver.read_block("ir", 5, 1) == b"\x00\x05"


def test_a_server_that_hangs_is_found_again(plant: ModbusPlant, make_driver: MakeDriver) -> None:
    driver = make_driver(address=plant.address, timeout=0.3)
    driver.connect()
    plant.hang()
    with pytest.raises(DeviceUnreachable):
        driver.read_block("ir", 5, 1)
    plant.unhang()
    assert driver.read_block("ir", 5, 1) == b"\x00\x05"


BIT = TagSpec("T", "hr:7.3", DataType.BOOL)


def test_a_register_bit_is_written_with_a_mask(make_driver: MakeDriver) -> None:
    requests: list[str] = []

    def echo(connection: socket.socket, request: bytes) -> None:
        requests.append(request[7:].hex(" "))
        connection.sendall(request)

    with device(*[echo] * 3) as address:
        driver = make_driver(address=address)
        driver.write_bit(BIT, True)
        driver.write_bit(BIT, False)
        make_driver(address=address, byte_order="little").write_bit(BIT, True)
    assert requests == ["16 00 07 ff f7 00 08", "16 00 07 ff f7 00 00", "16 00 07 f7 ff 08 00"]


def test_a_write_that_is_refused_says_why_and_one_without_an_answer_is_unreachable(make_driver: MakeDriver) -> None:
    with device(exception(1), silent, exception(11)) as address:
        driver = make_driver(address=address, timeout=0.2)
        with pytest.raises(DriverError, match=r"hr:7\.3: exception 1 \(illegal function\)"):
            driver.write_bit(BIT, False)
        with pytest.raises(DeviceUnreachable):
            driver.write_bit(BIT, False)
        with pytest.raises(DeviceUnreachable, match="gateway"):
            driver.write_bit(BIT, False)
