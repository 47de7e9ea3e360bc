"""Handshake groups: polled when somebody asks, or when a bit in the PLC does."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from polling_source.engine.device import DeviceWorker
from polling_source.engine.group import PollGroup
from polling_source.engine.handshake import Ticket
from polling_source.source import PollingSource

from agent_core.api import (
    AddressError,
    Batch,
    ConfigError,
    DeviceUnreachable,
    DriverError,
    SystemClock,
    TagSpec,
    TriggerResult,
)
from agent_core.testing.clock import ManualClock
from agent_core.testing.fake_drivers import FakeBlockDriver

MakeSource = Callable[..., PollingSource]

TAGS = [{"name": f"D{number}", "address": f"D{number}", "data_type": "uint16"} for number in (1, 2)]


class WritableDriver(FakeBlockDriver):
    """A fake device whose bits can be written. ``refuse_write`` is raised by the next write."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[str, bool]] = []
        self.refuse_write: DriverError | None = None

    def check_write(self, tag: TagSpec) -> None:
        if not tag.address.startswith("M"):
            raise AddressError(f"{tag.address!r} cannot be written")

    def write_bit(self, tag: TagSpec, value: bool) -> None:
        if self.refuse_write is not None:
            raise self.refuse_write
        self.written.append((tag.address, value))
        self.bits[int(tag.address[1:])] = value


@dataclass
class Line:
    """One device with one handshake group, whose worker runs when the test says so."""

    source: PollingSource
    clock: ManualClock
    batches: list[Batch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source.open()
        self.worker.begin(self.batches.append)

    @property
    def worker(self) -> DeviceWorker:
        return self.source.workers[0]

    @property
    def group(self) -> PollGroup:
        return self.worker.groups[0]

    def run(self, seconds: float) -> int:
        """Let the time pass in steps of 100 ms; returns how many batches were emitted in it."""
        before = len(self.batches)
        for _ in range(round(seconds * 10)):
            self.worker.run_due()
            self.clock.advance(0.1)
        return len(self.batches) - before


@pytest.fixture
def driver() -> WritableDriver:
    return WritableDriver()


@pytest.fixture
def asked(make_source: MakeSource, clock: ManualClock, driver: WritableDriver) -> Line:
    """A group that polls when asked."""
    return Line(make_source({"PLC01": driver}, [group()]), clock)


def group(**changes: object) -> dict[str, object]:
    return {"id": "ORDER_START", "device": "PLC01", "mode": "handshake", "tags": TAGS, **changes}


def result_of(ticket: Ticket) -> TriggerResult:
    assert ticket.result is not None, "the poll has not ended"
    return ticket.result


def with_bit(reset: bool) -> dict[str, object]:
    return group(interval=0.5, trigger={"address": "M7", "reset": reset})


def test_a_handshake_group_polls_only_when_asked_and_answers(asked: Line, driver: WritableDriver) -> None:
    assert asked.run(5.0) == 0
    assert asked.worker.run_due() is None
    driver.before_read = lambda: asked.clock.advance(0.25)
    ticket = asked.worker.ask(asked.group)
    asked.worker.run_due()
    result = result_of(ticket)
    assert (result.success, result.tags_read, result.message) == (True, 2, "")
    assert result.duration_seconds == pytest.approx(0.25)
    assert [batch.names for batch in asked.batches] == [("D1", "D2")]


def test_triggers_within_a_second_share_one_poll(asked: Line) -> None:
    first = asked.worker.ask(asked.group)
    assert asked.worker.ask(asked.group) is first
    assert asked.run(0.9) == 1
    late = asked.worker.ask(asked.group)
    assert late is first
    assert result_of(late).success
    assert asked.run(0.2) == 0
    assert asked.worker.ask(asked.group) is not first
    assert asked.run(0.1) == 1
    assert asked.source.groups()[0].merged == 2


def test_a_trigger_during_a_poll_runs_after_it(asked: Line, driver: WritableDriver) -> None:
    tickets = [asked.worker.ask(asked.group)]

    def slow() -> None:
        asked.clock.advance(1.5)
        if len(tickets) == 1:
            tickets.append(asked.worker.ask(asked.group))
            assert tickets[1].result is None

    driver.before_read = slow
    asked.worker.run_due()
    assert result_of(tickets[0]).success
    asked.worker.run_due()
    assert result_of(tickets[1]).success
    assert len(asked.batches) == 2


def test_a_poll_that_fails_is_answered_with_the_reason_and_not_repeated(asked: Line, driver: WritableDriver) -> None:
    driver.down = True
    ticket = asked.worker.ask(asked.group)
    asked.worker.run_due()
    result = result_of(ticket)
    assert (result.success, result.tags_read, result.message) == (False, 0, "nobody listens")
    driver.down = False
    driver.requests.clear()
    asked.run(10.0)
    assert driver.requests == []


def test_a_trigger_tries_a_device_that_is_being_left_alone(asked: Line, driver: WritableDriver) -> None:
    driver.down = True
    asked.worker.ask(asked.group)
    asked.run(1.5)
    assert asked.source.groups()[0].state == "backing_off"
    driver.down = False
    ticket = asked.worker.ask(asked.group)
    asked.worker.run_due()
    assert result_of(ticket).success
    assert asked.source.groups()[0].state == "running"


def test_a_stopped_group_and_a_fixed_one_say_why_they_do_not_poll(
    make_source: MakeSource, clock: ManualClock, driver: WritableDriver
) -> None:
    fixed = {"id": "FAST", "device": "PLC01", "interval": 2.0, "tags": [{**TAGS[0], "name": "X"}]}
    line = Line(make_source({"PLC01": driver}, [group(), fixed]), clock)
    line.source.stop_group("ORDER_START")
    results = [line.worker.ask(group).result for group in line.worker.groups]
    assert [result.message for result in results if result] == [
        "group ORDER_START is stopped",
        "group FAST is polled every 2 s; only handshake groups wait",
    ]
    assert not any(result.success for result in results if result)


def test_a_trigger_that_waits_is_refused_when_its_group_is_stopped(asked: Line) -> None:
    ticket = asked.worker.ask(asked.group)
    assert asked.source.stop_group("ORDER_START")
    assert result_of(ticket).message == "the group was stopped"
    assert asked.run(1.0) == 0


def test_a_trigger_after_a_restart_of_the_group_shares_nothing_with_one_that_was_refused(asked: Line) -> None:
    asked.worker.ask(asked.group)
    asked.source.stop_group("ORDER_START")
    asked.source.start_group("ORDER_START")
    ticket = asked.worker.ask(asked.group)
    assert asked.run(0.1) == 1
    assert result_of(ticket).success


def test_a_bit_that_rises_triggers_once(make_source: MakeSource, clock: ManualClock, driver: WritableDriver) -> None:
    line = Line(make_source({"PLC01": driver}, [with_bit(reset=False)]), clock)
    assert line.run(2.0) == 0
    driver.bits[7] = 1
    assert line.run(5.0) == 1
    driver.bits[7] = 0
    assert line.run(1.0) == 0
    driver.bits[7] = 1
    assert line.run(1.0) == 1
    assert driver.written == []


def test_a_bit_already_set_at_the_start_is_no_trigger_without_a_reset(
    make_source: MakeSource, clock: ManualClock, driver: WritableDriver
) -> None:
    driver.bits[7] = 1
    line = Line(make_source({"PLC01": driver}, [with_bit(reset=False)]), clock)
    assert line.run(3.0) == 0


def test_a_rise_whose_poll_failed_is_polled_when_the_device_answers(
    make_source: MakeSource, clock: ManualClock, driver: WritableDriver
) -> None:
    line = Line(make_source({"PLC01": driver}, [with_bit(reset=False)], bad_records="none"), clock)
    line.run(1.0)
    driver.bits[7] = 1

    def die_at_the_poll() -> None:
        driver.down = driver.requests[-1][0] == "D"

    driver.before_read = die_at_the_poll
    assert line.run(0.5) == 0
    driver.before_read = lambda: None
    driver.down = False
    assert line.run(3.0) == 1


def test_a_bit_that_is_to_be_reset_is_reset_once_the_batch_was_handed_on(
    make_source: MakeSource, clock: ManualClock, driver: WritableDriver
) -> None:
    driver.bits[7] = 1
    line = Line(make_source({"PLC01": driver}, [with_bit(reset=True)], writable=["PLC01"]), clock)
    seen: list[int] = []

    def receive(batch: Batch) -> None:
        seen.append(driver.bits[7])
        line.batches.append(batch)

    line.worker.begin(receive)
    assert line.run(3.0) == 1
    assert seen == [1]
    assert driver.written == [("M7", False)]
    driver.bits[7] = 1
    assert line.run(1.0) == 1


def test_a_bit_is_not_reset_after_a_failed_poll_and_asks_again(
    make_source: MakeSource, clock: ManualClock, driver: WritableDriver
) -> None:
    driver.bits[7] = 1

    def die_at_the_poll() -> None:
        driver.down = driver.requests[-1][0] == "D"

    driver.before_read = die_at_the_poll
    settings = {"writable": ["PLC01"], "bad_records": "none"}
    line = Line(make_source({"PLC01": driver}, [with_bit(reset=True)], **settings), clock)
    assert line.run(0.5) == 0
    assert driver.written == []
    driver.before_read = lambda: None
    driver.down = False
    assert line.run(3.0) == 1
    assert driver.written == [("M7", False)]


@pytest.mark.provokes("emit failed")
def test_a_bit_is_not_reset_when_the_batch_was_not_handed_on(
    make_source: MakeSource, clock: ManualClock, driver: WritableDriver
) -> None:
    driver.bits[7] = 1
    line = Line(make_source({"PLC01": driver}, [with_bit(reset=True)], writable=["PLC01"]), clock)

    def broken(batch: Batch) -> None:
        raise RuntimeError("defect")

    line.worker.begin(broken)
    line.run(0.5)
    assert driver.written == []
    line.worker.begin(line.batches.append)
    assert line.run(1.0) == 1
    assert driver.written == [("M7", False)]


@pytest.mark.parametrize("error", [DeviceUnreachable("gone"), DriverError("write protected")])
def test_a_reset_that_fails_is_owed_and_costs_no_second_poll(
    make_source: MakeSource, clock: ManualClock, driver: WritableDriver, error: DriverError
) -> None:
    driver.bits[7] = 1
    driver.refuse_write = error
    line = Line(make_source({"PLC01": driver}, [with_bit(reset=True)], writable=["PLC01"]), clock)
    assert line.run(5.0) == 1
    driver.refuse_write = None
    assert line.run(5.0) == 0
    assert driver.written == [("M7", False)]
    driver.bits[7] = 1
    assert line.run(1.0) == 1


def test_a_bit_that_cannot_be_read_is_told_once(
    make_source: MakeSource, clock: ManualClock, driver: WritableDriver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    driver.refused.add("M7")
    line = Line(make_source({"PLC01": driver}, [with_bit(reset=False)], refused_retry=1.0), clock)
    line.run(5.0)
    driver.refused.clear()
    line.run(2.0)
    assert caplog.messages == [
        "trigger bit bad: group=ORDER_START bit=M7 reason=illegal address",
        "trigger bit good again: group=ORDER_START bit=M7",
    ]


def test_nothing_is_written_unless_the_device_allows_it(make_source: MakeSource, driver: WritableDriver) -> None:
    with pytest.raises(ConfigError, match="which does not allow it"):
        make_source({"PLC01": driver}, [with_bit(reset=True)]).open()


def test_a_bit_that_cannot_be_reset_stops_the_start(make_source: MakeSource, driver: WritableDriver) -> None:
    reads_only = make_source({"PLC01": FakeBlockDriver()}, [with_bit(reset=True)], writable=["PLC01"])
    with pytest.raises(ConfigError, match="its driver cannot write"):
        reads_only.open()
    wrong = group(interval=0.5, trigger={"address": "D7.0", "reset": True})
    with pytest.raises(ConfigError, match=r"trigger: 'D7\.0' cannot be written"):
        make_source({"PLC01": driver}, [wrong], writable=["PLC01"]).open()
    with pytest.raises(ConfigError, match="tag trigger: 'Q': write D100"):
        make_source({"PLC01": driver}, [group(interval=0.5, trigger={"address": "Q", "reset": False})]).open()


def test_a_caller_waits_for_the_poll_from_another_thread(make_source: MakeSource, driver: WritableDriver) -> None:
    source = make_source({"PLC01": driver}, [group()], clock=SystemClock())
    source.open()
    assert source.trigger_group("ORDER_START").message == "the source does not run"
    batches: list[Batch] = []
    source.start(batches.append)
    try:
        result = source.trigger_group("ORDER_START")
        assert result.success
        assert result.tags_read == 2
        assert len(batches) == 1
    finally:
        source.close()


def test_a_poll_that_takes_longer_than_the_caller_waits_goes_on(
    make_source: MakeSource, driver: WritableDriver
) -> None:
    release = threading.Event()
    driver.before_read = lambda: assert_true(release.wait(60))
    source = make_source({"PLC01": driver}, [group()], clock=SystemClock())
    source.open()
    batches: list[Batch] = []
    source.start(batches.append)
    try:
        result = source.trigger_group("ORDER_START", timeout_seconds=0.05)
        assert not result.success
        assert result.message == "no result within 0.05 s; still polling"
        assert not source.stop_group("ORDER_START", timeout_seconds=0.05)
        release.set()
        assert source.stop_group("ORDER_START", timeout_seconds=60)
        assert len(batches) == 1
    finally:
        release.set()
        source.close()


def assert_true(value: bool) -> None:
    assert value
