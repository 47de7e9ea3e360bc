"""DriverFaultContract: what every driver that speaks TCP has to do when its device, or the way there, fails.

It stands beside the contract of the driver's kind. A plugin's author says where a device or a server that stands in
for one listens, and how to make a driver for it; the contract puts a ``TcpGate`` before it and does the rest::

    class TestMyDriverFaults(DriverFaultContract):
        def device_port(self): return 5020
        def make_driver(self, port, timeout_seconds): return MyDriver(f"127.0.0.1:{port}", timeout_seconds)
        def tags(self): return [TagSpec("A", "D100", DataType.UINT16), TagSpec("B", "D101", DataType.UINT16)]
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar, TypeVar

import pytest

from agent_core.api import (
    BitWriter,
    BlockDriver,
    ClockReader,
    ConnectionLost,
    DeviceUnreachable,
    Driver,
    ItemDriver,
    TagSpec,
    WrongAnswer,
)
from agent_core.testing.contract import Contract
from agent_core.testing.suite.patience import PATIENCE_SECONDS, within
from plant.tcp_gate import TcpGate

T = TypeVar("T")


class DriverFaultContract(Contract):
    """The behaviour of ``agent_core.api.Driver`` under faults, the same for block and item drivers."""

    timeout_seconds: ClassVar[float] = 0.3
    """The time-out of the drivers under test; longer for a library that needs longer to connect."""

    connect_timeouts: ClassVar[int] = 1
    """How many time-outs a connect and a read together may take at the most."""

    longest_answer: ClassVar[bytes] = b""
    """How an answer begins that says it is as long as the protocol can say."""

    def device_port(self) -> int:
        """The port of the loopback interface where a device listens that is well."""
        raise NotImplementedError(f"{type(self).__name__}.device_port")

    def make_driver(self, port: int, timeout_seconds: float) -> Driver:
        """A driver, not connected, that finds the device at that port of 127.0.0.1."""
        raise NotImplementedError(f"{type(self).__name__}.make_driver")

    def tags(self) -> Sequence[TagSpec]:
        """Two tags or more of one data type that the device holds, each with another value, which never changes."""
        raise NotImplementedError(f"{type(self).__name__}.tags")

    def writable_bit(self) -> TagSpec | None:
        """A bit that a BitWriter may write, left at any state; None for a driver that writes nothing."""
        return None

    @pytest.fixture
    def gate(self) -> Iterator[TcpGate]:
        gate = TcpGate(self.device_port())
        yield gate
        gate.close()

    @pytest.fixture
    def driver(self, gate: TcpGate) -> Iterator[Driver]:
        """Connected, and it has read something."""
        driver = self.make_driver(gate.port, self.timeout_seconds)
        self._read_once_it_is_back(driver, self.tags()[0])
        yield driver
        driver.close()

    def test_a_late_answer_is_never_taken_for_that_of_the_next_request(self, gate: TcpGate, driver: Driver) -> None:
        asked, other = self.tags()[:2]
        expected = self._read_once_it_is_back(driver, other)
        assert expected != self._read_once_it_is_back(driver, asked), "tags() says that their values differ"
        gate.obey("hold")
        self._is_unreachable_in_time(lambda: _read(driver, asked))
        gate.obey("clear")
        for _ in range(3):
            assert self._read_once_it_is_back(driver, other) == expected

    def test_an_answer_in_many_pieces_is_put_together(self, gate: TcpGate) -> None:
        driver = self.make_driver(gate.port, PATIENCE_SECONDS)
        try:
            whole = [self._read_once_it_is_back(driver, tag) for tag in self.tags()]
            for size_bytes in (7, 1):
                gate.obey(f"pieces {size_bytes}")
                assert [_read(driver, tag) for tag in self.tags()] == whole
        finally:
            driver.close()

    def test_an_answer_that_trickles_in_is_given_up_at_the_time_out(self, gate: TcpGate, driver: Driver) -> None:
        gate.obey(f"pieces 1 {0.4 * self.timeout_seconds}")
        self._is_unreachable_in_time(lambda: self._read_often(driver, self.tags()[0]))
        self._is_back(gate, driver)

    def test_an_answer_that_breaks_off_is_unreachable(self, gate: TcpGate, driver: Driver) -> None:
        gate.obey("cut 3")
        self._is_unreachable_in_time(lambda: _read(driver, self.tags()[0]))
        self._is_back(gate, driver)

    def test_what_answers_instead_of_the_device_is_named(self, gate: TcpGate, driver: Driver) -> None:
        gate.obey("garble")
        for _ in range(2):  # in an answer, then at the log-in
            in_time = within(self.connect_timeouts * self.timeout_seconds)
            with in_time, pytest.raises(WrongAnswer, match="an HTTP server"):
                self._connect_and_read(driver)
        self._is_back(gate, driver)

    def test_what_sends_without_end_is_given_up_in_time_and_cut(self) -> None:
        with Flood(self.longest_answer) as flood:
            driver = self.make_driver(flood.port, self.timeout_seconds)
            try:
                self._is_unreachable_in_time(lambda: self._connect_and_read(driver))
            finally:
                driver.close()
            assert flood.is_cut(), "the driver reads on"

    def test_a_connection_that_the_device_closed_between_two_reads_is_made_anew(self, gate: TcpGate) -> None:
        driver = self.make_driver(gate.port, PATIENCE_SECONDS)
        try:
            expected = self._connect_and_read(driver)
            for kind in ("drop", "reset"):
                gate.obey(kind)
                with contextlib.suppress(ConnectionLost):  # which the engine answers by asking again
                    self._connect_and_read(driver)
                assert self._connect_and_read(driver) == expected
            gate.obey("nth 1 request cut 0")
            with pytest.raises(ConnectionLost):
                self._connect_and_read(driver)
            assert self._connect_and_read(driver) == expected
        finally:
            driver.close()

    def test_a_device_that_goes_and_comes_back_is_found_again(self, gate: TcpGate, driver: Driver) -> None:
        gate.obey("pause")
        for _ in range(2):
            self._is_unreachable_in_time(lambda: self._connect_and_read(driver))
        self._is_back(gate, driver)

    def test_a_black_hole_is_left_in_time_and_found_again(self, gate: TcpGate, driver: Driver) -> None:
        gate.obey("hang")
        for _ in range(2):  # connected, then not
            self._is_unreachable_in_time(lambda: self._connect_and_read(driver))
        self._is_back(gate, driver)

    def test_a_write_without_an_answer_is_unreachable(self, gate: TcpGate, driver: Driver) -> None:
        bit = self.writable_bit()
        if bit is None:
            pytest.skip("this driver writes nothing")
        assert isinstance(driver, BitWriter)
        once_it_is_back(driver, lambda: driver.write_bit(bit, True))
        gate.obey("hang")
        self._is_unreachable_in_time(lambda: driver.write_bit(bit, False))
        self._is_back(gate, driver)

    def test_a_clock_without_an_answer_is_unreachable(self, gate: TcpGate, driver: Driver) -> None:
        if not isinstance(driver, ClockReader):
            pytest.skip("this driver reads no clock")
        gate.obey("hang")
        self._is_unreachable_in_time(driver.read_clock)
        self._is_back(gate, driver)

    def _is_unreachable_in_time(self, act: Callable[[], object]) -> None:
        with within(self.connect_timeouts * self.timeout_seconds), pytest.raises(DeviceUnreachable) as raised:
            act()
        assert str(raised.value), "the message says what failed"

    def _is_back(self, gate: TcpGate, driver: Driver) -> None:
        """The fault is over: every tag reads as a driver reads it that saw no fault."""
        gate.obey("clear")
        witness = self.make_driver(self.device_port(), PATIENCE_SECONDS)
        try:
            for tag in self.tags():
                expected = self._read_once_it_is_back(witness, tag)
                assert self._read_once_it_is_back(driver, tag) == expected
        finally:
            witness.close()

    def _read_once_it_is_back(self, driver: Driver, tag: TagSpec) -> object:
        """What the device holds."""
        return once_it_is_back(driver, lambda: _read(driver, tag))

    def _read_often(self, driver: Driver, tag: TagSpec, times: int = 20) -> None:
        """Read until it fails: a machine that is busy enough looks for the answer only when all of it is there."""
        for _ in range(times):
            _read(driver, tag)

    def _connect_and_read(self, driver: Driver, tag: TagSpec | None = None) -> object:
        driver.connect()
        return _read(driver, tag or self.tags()[0])


class Flood:
    """Answers the first request with ``head`` and then bytes without end; one connection."""

    def __init__(self, head: bytes) -> None:
        self._head = head
        self._cut = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]

    def __enter__(self) -> Flood:
        threading.Thread(target=self._send, name="flood", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def is_cut(self) -> bool:
        """True once nobody takes the bytes any more; waits for that."""
        return self._cut.wait(PATIENCE_SECONDS)

    def _send(self) -> None:
        with contextlib.suppress(OSError):
            connection, _ = self._server.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(self._head)
                for _ in range(100_000):  # 6.5 GB: more than anybody should take
                    connection.sendall(bytes(65_536))
                return
        self._cut.set()


def once_it_is_back(driver: Driver, act: Callable[[], T]) -> T:
    """What ``act`` returns, tried again as the engine would: a busy machine may cost a short time-out."""
    ends_at = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            driver.connect()
            return act()
        except DeviceUnreachable:
            if time.monotonic() > ends_at:
                raise


def _read(driver: Driver, tag: TagSpec) -> object:
    if isinstance(driver, BlockDriver):
        point = driver.locate(tag)
        return driver.read_block(point.area, point.start, point.units)
    assert isinstance(driver, ItemDriver), "a driver reads blocks or items"
    [reading] = driver.read_items([tag])
    return reading.value, reading.quality
