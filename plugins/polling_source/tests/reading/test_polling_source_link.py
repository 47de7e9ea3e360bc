"""Connections that a device closes although nothing is wrong with it, and devices that want to be treated gently."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from polling_source.config import NO_PACE, PaceConfig
from polling_source.reading.link import Link
from polling_source.source import PollingSource
from pytest_mock import MockerFixture

from agent_core.api import GOOD, Batch, ConnectionLost, DeviceUnreachable, DriverError, Severity, TagSpec
from agent_core.testing.clock import ManualClock
from agent_core.testing.fake_drivers import FakeBlockDriver

MakeSource = Callable[..., PollingSource]


class PassingClock(ManualClock):
    """Whoever waits is alone: its time passes at once. ``waits``: for how long it was."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def wait(self, condition: threading.Condition, timeout: float | None = None) -> bool:
        assert timeout is not None
        self.waits.append(round(timeout, 6))
        self.advance(timeout)
        return False


class Closing(FakeBlockDriver):
    """Closes the connection after ``answers`` answers, unseen by the driver until its next request."""

    def __init__(self, answers: int) -> None:
        super().__init__()
        self._answers = answers
        self._left = 0
        self.lost = 0
        self.writes: list[bool] = []

    def connect(self) -> None:
        if not self.connected:
            self._left = self._answers
        super().connect()

    def read_block(self, area: str, start: int, units: int) -> bytes:
        self.take_turn()
        return super().read_block(area, start, units)

    def check_write(self, tag: TagSpec) -> None:
        pass

    def write_bit(self, tag: TagSpec, value: bool) -> None:
        self.connect()
        self.take_turn()
        self.bits[5] = value
        self.writes.append(value)

    def take_turn(self) -> None:
        if self._left == 0:
            self.close()
            self.lost += 1
            raise ConnectionLost("closed by the device")
        self._left -= 1


def group(id_: str, *numbers: int, **keys: object) -> dict[str, object]:
    tags = [{"name": f"D{number}", "address": f"D{number}", "data_type": "uint16"} for number in numbers]
    return {"id": id_, "device": "PLC01", "interval": 1.0, "tags": tags, **keys}


def poll(source: PollingSource, clock: ManualClock, times: int) -> list[Batch]:
    """Run the one worker that often, a second apart."""
    batches: list[Batch] = []
    source.open()
    source.workers[0].begin(batches.append)
    for _ in range(times):
        source.workers[0].run_due()
        clock.advance(1.0)
    return batches


@pytest.mark.parametrize("answers", [1, 2, 3])
def test_a_device_that_closes_after_some_answers_is_read_like_any_other(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture, answers: int
) -> None:
    caplog.set_level(logging.INFO)
    driver = Closing(answers)
    source = make_source({"PLC01": driver}, [group("G", 1, 1000, 2000)], bad_records="every_poll")
    batches = poll(source, clock, 5)
    assert [set(batch.qualities) for batch in batches] == [{GOOD}] * 5
    assert len(driver.requests) == 15, "no request was answered twice"
    assert not caplog.messages


def test_a_connection_that_never_answered_is_not_made_again(make_source: MakeSource, clock: ManualClock) -> None:
    driver = Closing(0)
    poll(make_source({"PLC01": driver}, [group("G", 1, 1000)]), clock, 1)
    assert (driver.lost, driver.connects) == (1, 1)


def test_a_request_is_repeated_once_only(make_source: MakeSource, clock: ManualClock) -> None:
    driver = Closing(2)
    source = make_source({"PLC01": driver}, [group("G", 1)])
    poll(source, clock, 2)
    driver._answers = 0
    source.workers[0].run_due()
    assert driver.lost == 2
    assert source.groups()[0].state == "backing_off"


def test_a_connection_that_the_driver_finds_closed_is_made_again(clock: ManualClock, mocker: MockerFixture) -> None:
    driver = FakeBlockDriver()
    link = Link(driver, clock)
    link.connect()
    link.ask(lambda: None)
    connect = mocker.patch.object(driver, "connect", side_effect=[ConnectionLost("closed by the device"), None])
    link.connect()
    assert (connect.call_count, link.renewals) == (2, 1)


def test_the_doctor_tells_of_connections_that_the_device_closed(make_source: MakeSource) -> None:
    findings = make_source({"PLC01": Closing(1)}, [group("G", 1, 1000, 2000)]).diagnose()
    told = [finding for finding in findings if "closed the connection" in finding.message]
    assert [(finding.severity, finding.message) for finding in told] == [
        (Severity.OK, "it closed the connection 2 times between requests, which were repeated")
    ]


def test_a_trigger_bit_is_reset_over_a_connection_that_was_closed(make_source: MakeSource, clock: ManualClock) -> None:
    driver = Closing(1)
    driver.bits[5] = True
    asked = group("ORDER", 1, mode="handshake", trigger={"address": "M5", "reset": True})
    batches = poll(make_source({"PLC01": driver}, [asked], writable=["PLC01"]), clock, 3)
    assert len(batches) == 1
    assert driver.writes == [False]


def test_a_request_waits_for_its_pause_and_a_connection_for_its_delay() -> None:
    clock, driver = PassingClock(), FakeBlockDriver()
    link = Link(driver, clock, PaceConfig(close_after_poll=False, pause_between_requests=0.25, reconnect_delay=5.0))
    for _ in range(3):
        link.connect()
        link.ask(lambda: clock.advance(1.0))
    assert clock.waits == [0.25, 0.25]
    lost = [ConnectionLost("closed by the device")]

    def lose_once() -> None:
        if lost:
            raise lost.pop()

    clock.advance(0.1)
    link.ask(lose_once)
    assert clock.waits[2:] == [0.15, 5.0], "the pause before the request, the delay before the connection"
    with pytest.raises(DeviceUnreachable):
        link.ask(lambda: (_ for _ in ()).throw(DeviceUnreachable("no answer")))
    clock.advance(2.0)
    link.connect()
    assert clock.waits[-1] == 3.0, "a time-out ends a connection, too"
    with pytest.raises(DriverError):
        link.ask(lambda: (_ for _ in ()).throw(DriverError("refused")))
    before = len(clock.waits)
    link.connect()
    assert len(clock.waits) == before, "what the device answers ends none"


@pytest.mark.parametrize(("close", "connects"), [(False, 1), (True, 3)])
def test_the_connection_is_closed_after_what_is_due_if_the_device_wants_that(
    make_source: MakeSource, clock: ManualClock, close: bool, connects: int
) -> None:
    driver = FakeBlockDriver()
    pace = replace(NO_PACE, close_after_poll=close)
    source = make_source({"PLC01": driver}, [group("A", 1), group("B", 1000)], pace=pace)
    source.open()
    source.workers[0].begin(lambda batch: None)
    clock.advance(0.5)  # when both groups are due
    for _ in range(3):
        source.workers[0].run_due()
        assert driver.connected is not close
        clock.advance(1.0)
    assert (driver.connects, len(driver.requests)) == (connects, 6)
