"""What an OPC UA server may do wrong beside what every driver has to bear, over real sockets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from opcua_driver.driver import OpcuaDriver
from plant.driver_faults import DriverFaultContract
from plant.peer import PeerProcess

from agent_core.api import (
    BAD,
    GOOD,
    UNCERTAIN,
    AddressError,
    ClockReader,
    DataType,
    DeviceBusy,
    DeviceUnreachable,
    DriverError,
    ItemReading,
    LoginRefused,
    ReadRefused,
    Secret,
    TagSpec,
    UnclearRefusal,
)

MakeDriver = Callable[..., OpcuaDriver]

NOON_NS = 1_767_268_800_123_456_000


def tag(name: str, data_type: DataType = DataType.FLOAT32) -> TagSpec:
    return TagSpec(name, f"nsu=urn:plant;s={name}", data_type)


def endpoint(server: PeerProcess) -> str:
    return f"opc.tcp://{server.address}/plant"


class TestOpcuaDriverFaults(DriverFaultContract):
    longest_answer = b"ACKF\xf0\xff\xff\xff"
    timeout_seconds = 0.6
    connect_timeouts = 2

    @pytest.fixture(autouse=True)
    def devices(self, server: PeerProcess, make_driver: MakeDriver) -> None:
        self._server = server
        self._make_driver = make_driver

    def device_port(self) -> int:
        return self._server.direct_port

    def make_driver(self, port: int, timeout_seconds: float) -> OpcuaDriver:
        return self._make_driver(address=f"opc.tcp://127.0.0.1:{port}/plant", timeout=timeout_seconds)

    def tags(self) -> Sequence[TagSpec]:
        return [tag("T00001"), tag("T00002")]

    def writable_bit(self) -> TagSpec:
        return tag("Trigger", DataType.BOOL)


@pytest.fixture
def driver(server: PeerProcess, make_driver: MakeDriver) -> Iterator[OpcuaDriver]:
    """Connected."""
    driver = make_driver(address=endpoint(server))
    driver.connect()
    yield driver
    driver.close()


def test_status_and_time_come_with_the_value(server: PeerProcess, driver: OpcuaDriver) -> None:
    server.order("status Float 40900000")
    server.order("status Int16 808D0000")
    assert driver.read_items([tag("Float"), tag("Int16"), tag("Boolean")]) == [
        ItemReading(0.1, UNCERTAIN, NOON_NS),
        ItemReading(None, BAD, NOON_NS, "BadOutOfService"),
        ItemReading(True, GOOD, NOON_NS),
    ]


def test_a_null_date_is_left_to_the_agent(server: PeerProcess, driver: OpcuaDriver) -> None:
    server.order("time Byte 0")
    assert driver.read_items([tag("Byte")]) == [ItemReading(200, UNCERTAIN, None)]
    server.order("time Byte none")
    assert driver.read_items([tag("Byte")]) == [ItemReading(200, GOOD, None)]


def test_a_bad_item_says_why(server: PeerProcess, driver: OpcuaDriver) -> None:
    missing = TagSpec("ELSEWHERE", "nsu=urn:elsewhere;s=A", DataType.FLOAT32)
    readings = driver.read_items([tag("Nowhere"), tag("Float"), missing, tag("Array")])
    assert [reading.quality for reading in readings] == [BAD, GOOD, BAD, BAD]
    assert readings[0].reason == "BadNodeIdUnknown"
    assert readings[2].reason == "the server has no such namespace"
    assert "index=0" in str(readings[3].reason)


def test_the_clock_of_the_server_is_read(server: PeerProcess, driver: OpcuaDriver) -> None:
    assert isinstance(driver, ClockReader)
    before = datetime.now(UTC)
    shown = driver.read_clock()
    assert shown is not None
    assert before - timedelta(seconds=1) < shown < datetime.now(UTC) + timedelta(seconds=1)


def test_a_session_that_the_server_forgot_is_renewed_within_the_read(server: PeerProcess, driver: OpcuaDriver) -> None:
    for _ in range(2):
        server.order("expire")
        assert driver.read_items([tag("Float")])[0].value == 0.1


def test_a_session_outlives_pauses_between_polls(server: PeerProcess, make_driver: MakeDriver) -> None:
    driver = make_driver(address=endpoint(server), session_timeout=0.3)
    driver.connect()
    threading.Event().wait(0.8)  # more than two session time-outs
    assert driver.read_items([tag("Float")])[0].value == 0.1


FAULTS: dict[str, tuple[type[DriverError], str]] = {
    "80B90000": (ReadRefused, "BadResponseTooLarge"),
    "80EE0000": (DeviceBusy, "BadServerTooBusy"),
    "80030000": (DeviceBusy, "BadOutOfMemory"),
    "80040000": (DeviceBusy, "BadResourceUnavailable"),
    "80020000": (UnclearRefusal, "BadInternalError"),
    "80010000": (UnclearRefusal, "BadUnexpectedError"),
    "800A0000": (DeviceUnreachable, "BadTimeout"),
}
"""BadTimeout says nothing about the request."""


def test_a_fault_about_the_request_is_a_refusal(server: PeerProcess, driver: OpcuaDriver) -> None:
    for code, (kind, name) in FAULTS.items():
        server.order(f"fault {code}")
        with pytest.raises(DriverError, match=name) as raised:
            driver.read_items([tag("Float")])
        assert raised.type is kind, name
    server.order("fault 0")
    assert driver.read_items([tag("Float")])[0].value == 0.1


def test_a_wrong_password_is_said_so(server: PeerProcess, make_driver: MakeDriver) -> None:
    passwords = ["wrong", "s3cret"]
    driver = make_driver(address=endpoint(server), user="operator", password=Secret(lambda: passwords.pop(0)))
    with pytest.raises(LoginRefused, match="BadUserAccessDenied; check user and password") as refused:
        driver.connect()
    assert "wrong" not in str(refused.value)
    driver.connect()
    assert driver.read_items([tag("Float")])[0].value == 0.1, "the password is read again for each log-in"


def test_a_boolean_is_written_and_nothing_else(server: PeerProcess, driver: OpcuaDriver) -> None:
    trigger = tag("Trigger", DataType.BOOL)
    for state in (True, False):
        driver.write_bit(trigger, state)
        assert driver.read_items([trigger])[0].value is state
    with pytest.raises(AddressError):
        driver.check_write(tag("Float"))
    with pytest.raises(DriverError, match=r"BadUserAccessDenied|BadNotWritable"):
        driver.write_bit(tag("Boolean", DataType.BOOL), True)
    with pytest.raises(DriverError, match="no such namespace"):
        driver.write_bit(TagSpec("T", "nsu=urn:elsewhere;s=A", DataType.BOOL), True)
    assert driver.read_items([trigger])[0].value is False, "the connection is still usable"


def test_an_answer_in_many_pieces_is_put_together(server: PeerProcess, make_driver: MakeDriver) -> None:
    driver = make_driver(address=endpoint(server))
    driver.connect()
    server.order("pieces 11")
    tags = [tag(f"T{number:05}") for number in range(100)]
    assert [reading.value for reading in driver.read_items(tags)] == [20 + number / 10 for number in range(100)]


def test_no_thread_is_left_when_a_driver_is_closed(server: PeerProcess, make_driver: MakeDriver) -> None:
    driver = make_driver(address=endpoint(server))
    for _ in range(3):
        driver.connect()
        assert any(thread.name == "opcua agent PLC01" for thread in threading.enumerate())
        driver.close()
        assert not any(thread.name == "opcua agent PLC01" for thread in threading.enumerate())
