"""What a server, or the network before it, may do wrong; over real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from opcua_driver.driver import OpcuaDriver
from plant.peer import PeerProcess

from agent_core.api import (
    BAD,
    GOOD,
    UNCERTAIN,
    AddressError,
    ClockReader,
    DataType,
    DeviceUnreachable,
    DriverError,
    ItemReading,
    ReadRefused,
    Secret,
    TagSpec,
)

MakeDriver = Callable[..., OpcuaDriver]

NOON_NS = 1_767_268_800_123_456_000


def tag(name: str, data_type: DataType = DataType.FLOAT32) -> TagSpec:
    return TagSpec(name, f"nsu=urn:plant;s={name}", data_type)


def endpoint(server: PeerProcess) -> str:
    return f"opc.tcp://{server.address}/plant"


@pytest.fixture
def driver(server: PeerProcess, make_driver: MakeDriver) -> Iterator[OpcuaDriver]:
    """Connected, with a short time-out."""
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
    shown = driver.read_clock()
    assert shown is not None
    assert abs(shown - datetime.now(UTC)) < timedelta(seconds=5)
    server.order("hang")
    with pytest.raises(DeviceUnreachable):
        driver.read_clock()


def test_a_session_that_the_server_forgot_is_renewed_within_the_read(server: PeerProcess, driver: OpcuaDriver) -> None:
    for _ in range(2):
        server.order("expire")
        assert driver.read_items([tag("Float")])[0].value == 0.1


def test_a_session_outlives_pauses_between_polls(server: PeerProcess, make_driver: MakeDriver) -> None:
    driver = make_driver(address=endpoint(server), session_timeout=0.3, timeout=2.0)
    driver.connect()
    threading.Event().wait(0.8)  # more than two session time-outs
    assert driver.read_items([tag("Float")])[0].value == 0.1


@pytest.mark.parametrize("code", ["800A0000", "80B90000", "80020000"])
def test_a_fault_about_the_request_is_a_refusal(server: PeerProcess, driver: OpcuaDriver, code: str) -> None:
    server.order(f"fault {code}")
    if code == "800A0000":  # BadTimeout says nothing about the request
        with pytest.raises(DeviceUnreachable, match="BadTimeout"):
            driver.read_items([tag("Float")])
    else:
        with pytest.raises(ReadRefused):
            driver.read_items([tag("Float")])
    server.order("fault 0")
    assert driver.read_items([tag("Float")])[0].value == 0.1


def test_a_wrong_password_is_said_so(server: PeerProcess, make_driver: MakeDriver) -> None:
    passwords = ["wrong", "s3cret"]
    driver = make_driver(
        address=endpoint(server), timeout=2.0, user="operator", password=Secret(lambda: passwords.pop(0))
    )
    with pytest.raises(DeviceUnreachable, match="BadUserAccessDenied; check user and password") as refused:
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
    server.order("hang")
    with pytest.raises(DeviceUnreachable):
        driver.write_bit(trigger, True)


def test_a_late_answer_is_never_taken_for_that_of_the_next_request(server: PeerProcess, driver: OpcuaDriver) -> None:
    server.order("delay 0.8")
    with pytest.raises(DeviceUnreachable, match=r"no answer within 0\.6 s"):
        driver.read_items([tag("Int32")])
    server.order("delay 0")
    assert driver.read_items([tag("Float")])[0].value == 0.1


def test_an_answer_in_many_pieces_is_put_together(server: PeerProcess, make_driver: MakeDriver) -> None:
    driver = make_driver(address=endpoint(server), timeout=10.0)
    driver.connect()
    server.order("pieces 11")
    tags = [tag(f"T{number:05}") for number in range(100)]
    assert [reading.value for reading in driver.read_items(tags)] == [20 + number / 10 for number in range(100)]


def test_a_connection_that_the_server_closed_between_two_polls_is_made_anew(
    server: PeerProcess, driver: OpcuaDriver
) -> None:
    assert driver.read_items([tag("Float")])[0].value == 0.1
    server.order("drop")
    try:
        driver.read_items([tag("Float")])
    except DeviceUnreachable:
        driver.connect()
    assert driver.read_items([tag("Float")])[0].value == 0.1


def test_a_black_hole_is_left_in_time_and_found_again(server: PeerProcess, driver: OpcuaDriver) -> None:
    server.order("hang")
    for _ in range(2):
        start = time.monotonic()
        with pytest.raises(DeviceUnreachable, match="no answer within"):
            driver.read_items([tag("Float")])
        assert time.monotonic() - start < 2.0
    server.order("unhang")
    driver.connect()
    assert driver.read_items([tag("Float")])[0].value == 0.1


def test_something_that_is_no_opc_ua_server_is_unreachable(make_driver: MakeDriver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:

        def answer() -> None:
            connection, _ = other.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        driver = make_driver(address=f"opc.tcp://127.0.0.1:{other.getsockname()[1]}")
        with pytest.raises(DeviceUnreachable, match="cannot connect"):
            driver.connect()
        thread.join(5)


def test_no_thread_is_left_when_a_driver_is_closed(server: PeerProcess, make_driver: MakeDriver) -> None:
    driver = make_driver(address=endpoint(server), timeout=2.0)
    for _ in range(3):
        driver.connect()
        assert any(thread.name == "opcua agent PLC01" for thread in threading.enumerate())
        driver.close()
        assert not any(thread.name == "opcua agent PLC01" for thread in threading.enumerate())


def test_a_server_that_dies_and_comes_back_is_found_again(server: PeerProcess, driver: OpcuaDriver) -> None:
    assert driver.read_items([tag("Float")])[0].value == 0.1
    server.kill()
    for _ in range(2):
        with pytest.raises(DeviceUnreachable):
            driver.read_items([tag("Float")])
    server.start()
    driver.connect()
    assert driver.read_items([tag("Float")])[0].value == 0.1
