"""Drivers of third parties that do what no driver may. Whatever it is, the device's thread goes on."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from typing import cast

import pytest
from polling_source.engine.device import LEAST_SILENT_SECONDS, RESTART_SECONDS
from polling_source.source import PollingSource

from agent_core.api import (
    BAD,
    GOOD,
    UNCERTAIN,
    Batch,
    DeviceUnreachable,
    DriverError,
    GroupState,
    ItemReading,
    Pulse,
    SystemClock,
    TagSpec,
    Value,
)
from agent_core.testing.clock import START_NS, ManualClock
from agent_core.testing.fake_drivers import FakeBlockDriver, FakeItemDriver
from agent_core.testing.suite.patience import PATIENCE_SECONDS

MakeSource = Callable[..., PollingSource]

ACCIDENTS = [
    ValueError("defect"),
    DriverError("neither unreachable nor refused"),
    RecursionError("too deep"),
    SystemExit(1),
    asyncio.CancelledError(),
    KeyboardInterrupt(),
]
BACKOFF = {"initial": 1.0, "max": 2.0}


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


class DefectiveDriver(FakeBlockDriver):
    """``accidents`` are raised by the methods they are named for; by ``read_block`` for the area ``M`` or ``D``."""

    def __init__(self) -> None:
        super().__init__()
        self.accidents: dict[str, BaseException] = {}
        self.closes = 0

    def _maybe(self, where: str) -> None:
        if where in self.accidents:
            raise self.accidents[where]

    def connect(self) -> None:
        self._maybe("connect")
        super().connect()

    def close(self) -> None:
        self.closes += 1
        super().close()
        self._maybe("close")

    def read_block(self, area: str, start: int, units: int) -> bytes:
        data = super().read_block(area, start, units)
        self._maybe(area)
        return data

    def check_write(self, tag: TagSpec) -> None:
        pass

    def write_bit(self, tag: TagSpec, value: bool) -> None:
        self._maybe("write_bit")
        self.bits[int(tag.address[1:])] = value


def words(*numbers: int) -> list[dict[str, object]]:
    return [{"name": f"D{number}", "address": f"D{number}", "data_type": "uint16"} for number in numbers]


def fixed(id_: str = "FAST", *numbers: int, interval: float = 1.0) -> dict[str, object]:
    return {"id": id_, "device": "PLC01", "interval": interval, "tags": words(*(numbers or (1, 2)))}


def handshake(reset: bool = False) -> dict[str, object]:
    trigger = {"address": "M7", "reset": reset}
    return {
        "id": "ORDER",
        "device": "PLC01",
        "mode": "handshake",
        "interval": 0.2,
        "trigger": trigger,
        "tags": words(50),
    }


class Line:
    """An open source whose one worker runs when the test says so."""

    def __init__(self, source: PollingSource, clock: ManualClock) -> None:
        self.source = source
        self.batches: list[Batch] = []
        self._clock = clock
        source.open()
        source.workers[0].begin(self.batches.append)

    def run(self, seconds: float) -> list[Batch]:
        """Let that much time pass; what was emitted meanwhile. A turn takes a millisecond."""
        before, end = len(self.batches), self._clock.monotonic() + seconds
        while self._clock.monotonic() < end:
            wait = self.source.workers[0].run_due()
            left = end - self._clock.monotonic()
            self._clock.advance(max(left if wait is None else min(wait, left), 0.001))
        return self.batches[before:]


def rows(batch: Batch) -> list[tuple[str, Value, int]]:
    return list(zip(batch.names, batch.values, batch.qualities, strict=True))


def driver_failures(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.getMessage().startswith("driver failed")]


@pytest.mark.parametrize("accident", [*ACCIDENTS, Unprintable()], ids=lambda accident: type(accident).__name__)
@pytest.mark.parametrize("where", ["M", "D", "connect", "write_bit", "close"])
@pytest.mark.provokes("driver failed")
def test_whatever_a_driver_raises_wherever_the_polls_go_on_and_it_is_told_with_its_traceback(
    make_source: MakeSource,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    where: str,
    accident: BaseException,
) -> None:
    driver = DefectiveDriver()
    driver.before_read = lambda: clock.advance(0.01)
    settings = {"writable": ["PLC01"], "backoff": BACKOFF, "refused_retry": 1.0}
    line = Line(make_source({"PLC01": driver}, [fixed(), handshake(reset=True)], **settings), clock)
    line.run(2.0)
    driver.bits[7] = 1
    driver.accidents[where] = accident
    if where in {"connect", "close"}:
        driver.connected = False
        driver.accidents["D"] = accident
    line.run(5.0)
    if (where, type(accident)) == ("write_bit", DriverError):
        assert not driver_failures(caplog), "a device may refuse a write"
        return
    (first, *others) = driver_failures(caplog)
    assert first.exc_info
    assert first.exc_info[1] is accident
    assert others == [], "once a minute"
    assert {"device=PLC01", "group=ORDER"} < set(first.getMessage().split()) or where != "M"
    assert any(message.startswith("device unreachable: device=PLC01") for message in caplog.messages)
    if where != "write_bit":
        assert driver.closes
    driver.accidents.clear()
    line.run(5.0)
    polls = [batch.names for batch in line.run(3.0) if set(batch.qualities) == {GOOD}]
    assert polls.count(("D1", "D2")) == 3
    assert {status.state for status in line.source.groups()} == {GroupState.RUNNING}
    assert driver.bits[7] == 0
    driver.bits[7] = 1
    assert ("D50",) in {batch.names for batch in line.run(1.0)}


@pytest.mark.provokes("driver failed")
def test_a_bit_that_a_driver_cannot_read_for_a_defect_costs_no_other_group_a_poll_for_long(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    driver = DefectiveDriver()
    driver.before_read = lambda: clock.advance(0.01)
    driver.accidents["M"] = ValueError("defect")
    line = Line(make_source({"PLC01": driver}, [fixed(), handshake()]), clock)
    line.run(10.0)
    assert len(line.run(50.0)) == 50
    fast, order = line.source.groups()
    assert (fast.state, fast.last_error, order.state) == ("running", None, "running")
    bit_lines = [message for message in caplog.messages if message.startswith("trigger bit")]
    assert bit_lines == [
        "trigger bit bad: group=ORDER bit=M7 reason=no answer, while others are answered: ValueError: defect"
    ]


@pytest.mark.provokes("driver failed")
def test_a_defect_at_one_block_costs_its_own_tags_alone(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeBlockDriver()

    def fail() -> None:
        clock.advance(0.01)
        _, start, units = driver.requests[-1]
        if start <= 3 < start + units:
            raise KeyError("defect")

    driver.before_read = fail
    line = Line(make_source({"PLC01": driver}, [fixed("G", 1, 2, 3, 4, 1000)], bad_records="every_poll"), clock)
    line.run(20.0)
    assert [name for name, _, quality in rows(line.run(1.0)[-1]) if quality == BAD] == ["D3"]
    assert line.source.groups()[0].state == GroupState.RUNNING


@pytest.mark.provokes("driver failed")
def test_what_was_read_before_a_defect_is_kept(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeBlockDriver()

    def fail() -> None:
        if driver.requests[-1][1] == 1000:
            raise KeyError("defect")

    driver.before_read = fail
    line = Line(make_source({"PLC01": driver}, [fixed("G", 1, 1000)]), clock)
    assert rows(line.run(0.5)[0]) == [("D1", 0, GOOD), ("D1000", None, BAD)]
    assert line.source.groups()[0].failed == 1


@pytest.mark.provokes("driver failed")
def test_a_driver_that_fails_on_and_on_is_told_once_a_minute_with_a_count(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    driver = DefectiveDriver()
    driver.accidents["connect"] = ValueError("defect")
    line = Line(make_source({"PLC01": driver}, [fixed()], backoff={"initial": 1.0, "max": 1.0}), clock)
    line.run(150.0)
    told = [record.getMessage() for record in driver_failures(caplog)]
    assert told[0].startswith("driver failed: device=PLC01 group=FAST plugin=")
    assert len(told) == 3
    assert all(" repeated=" in message for message in told[1:])
    (status,) = line.source.groups()
    assert (status.state, status.last_error, status.failed) == ("backing_off", "ValueError: defect", status.polls)


@pytest.mark.provokes("driver failed", "driver not closed")
def test_a_thread_outlives_its_driver_and_answers_triggers(make_source: MakeSource) -> None:
    driver = DefectiveDriver()
    driver.accidents |= {"M": SystemExit(1), "close": ValueError("defect")}
    groups = [fixed(interval=0.02), {**handshake(), "interval": 0.02}]
    source = make_source({"PLC01": driver}, groups, clock=SystemClock(), backoff={"initial": 0.02, "max": 0.02})
    source.open()
    source.start(lambda batch: None)
    try:
        wait_until(lambda: driver.closes >= 2)
        polls = source.groups()[0].polls
        wait_until(lambda: source.groups()[0].polls > polls + 2)
        driver.accidents["D"] = SystemExit(1)
        assert source.trigger_group("ORDER", 60.0).message == "SystemExit: 1"
    finally:
        source.stop(60.0)
        source.close()
    wait_until(lambda: not [thread for thread in threading.enumerate() if thread.name == "poll PLC01"])


@pytest.mark.parametrize("accident", [ValueError("defect"), SystemExit(1)])
@pytest.mark.provokes("driver not closed")
def test_a_close_that_raises_keeps_no_other_driver_open_and_no_trigger_waiting(
    make_source: MakeSource, caplog: pytest.LogCaptureFixture, accident: BaseException
) -> None:
    drivers = {"PLC01": DefectiveDriver(), "PLC02": DefectiveDriver()}
    drivers["PLC01"].accidents["close"] = accident
    groups = [fixed("A", 1), {**fixed("B", 2), "device": "PLC02"}]
    never_started = make_source(drivers, groups)
    never_started.open()
    started = make_source(drivers, groups, clock=SystemClock())
    started.open()
    started.start(lambda batch: None)
    started.stop(60.0)
    assert [driver.closes for driver in drivers.values()] == [1, 1]
    started.close()
    never_started.close()
    assert [driver.closes for driver in drivers.values()] == [3, 3]
    assert sum(message.startswith("driver not closed: device=PLC01 plugin=") for message in caplog.messages) == 2, (
        "once a minute and source"
    )


def test_a_trigger_of_a_source_that_stops_is_refused_at_once(make_source: MakeSource, clock: ManualClock) -> None:
    source = make_source({"PLC01": FakeBlockDriver()}, [{**fixed(), "mode": "handshake", "interval": None}])
    source.open()
    (worker,) = source.workers
    worker.begin(lambda batch: None)
    worker.stop()
    result = worker.ask(worker.groups[0]).result
    assert result is not None
    assert result.message == "the source was stopped"


# -- what a block driver may return instead of its bytes ---------------------------------------------------------------


@pytest.mark.parametrize("answer", [None, b"", b"\0\1\0", b"\0\1\0\2\0\3", "\0\1\0\2", [0, 1, 0, 2], 7])
def test_a_block_that_is_no_bytes_or_not_as_many_costs_its_own_tags(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture, answer: object
) -> None:
    driver = FakeBlockDriver()
    read = driver.read_block
    driver.read_block = (  # type: ignore[method-assign]
        lambda area, start, units: cast(bytes, answer) if start < 1000 else read(area, start, units)
    )
    line = Line(make_source({"PLC01": driver}, [fixed("G", 1, 2), fixed("OTHER", 1000)]), clock)
    line.run(10.0)
    wrong, other = line.source.groups()
    assert (other.failed, other.missed, other.state) == (0, 0, "running")
    assert (wrong.failed, wrong.state) == (wrong.polls, "running")
    assert "belong" in (wrong.last_error or "")
    assert not driver_failures(caplog)


def test_a_driver_that_fills_the_same_buffer_each_time_gives_new_values(
    make_source: MakeSource, clock: ManualClock
) -> None:
    driver, buffer = FakeBlockDriver(), bytearray(4)

    def read_block(area: str, start: int, units: int) -> bytes:
        buffer[3] += 1
        return cast(bytes, buffer)

    driver.read_block = read_block  # type: ignore[method-assign]
    line = Line(make_source({"PLC01": driver}, [fixed()]), clock)
    assert [batch.values for batch in line.run(2.5)] == [(0, 1), (0, 2), (0, 3)]


# -- what an item driver may return instead of its readings ------------------------------------------------------------


class AnyItems(FakeItemDriver):
    """Item ``x`` is whatever the test says; the others are 1."""

    def __init__(self, x: object) -> None:
        super().__init__()
        self.x = x

    def read_items(self, tags: Sequence[TagSpec]) -> Sequence[ItemReading]:
        return cast(
            Sequence[ItemReading], [self.x if tag.address == "x" else ItemReading(1, GOOD, START_NS) for tag in tags]
        )


def items(id_: str = "G", *addresses: str, **more: object) -> dict[str, object]:
    tags = [{"name": address, "address": address, "data_type": "int32", **more} for address in addresses or "axb"]
    return {"id": id_, "device": "PLC01", "interval": 1.0, "tags": tags}


@pytest.mark.parametrize(
    ("x", "reason"),
    [
        (None, "the driver gave NoneType, no ItemReading"),
        (5, "the driver gave int, no ItemReading"),
        ((5, GOOD), "the driver gave tuple, no ItemReading"),
        (ItemReading(None), "the driver gave no value"),
        (ItemReading(cast(Value, [1, 2])), "the driver gave list, which no tag holds"),
        (ItemReading(cast(Value, b"x"), UNCERTAIN), "the driver gave bytes, which no tag holds"),
        (ItemReading(1, 7), "the driver gave quality 7, which does not exist"),
        (ItemReading(1, 300), "the driver gave quality 300, which does not exist"),
        (ItemReading(1, cast(int, "GOOD")), "the driver gave quality 'GOOD', which does not exist"),
        (ItemReading(1, cast(int, [])), "the driver gave quality [], which does not exist"),
    ],
)
def test_a_reading_that_is_none_costs_its_own_row(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture, x: object, reason: str
) -> None:
    line = Line(make_source({"PLC01": AnyItems(x)}, [items()]), clock)
    assert rows(line.run(0.5)[0]) == [("a", 1, GOOD), ("x", None, BAD), ("b", 1, GOOD)]
    assert caplog.messages == [f"tags bad: group=G count=1 tags=x reason={reason}"]


@pytest.mark.parametrize("timestamp_ns", [2**63, -(2**63) - 1, 1.5, "now"])
def test_a_time_that_no_row_can_carry_is_replaced_by_the_answers(
    make_source: MakeSource, clock: ManualClock, timestamp_ns: object
) -> None:
    line = Line(make_source({"PLC01": AnyItems(ItemReading(5, GOOD, cast(int, timestamp_ns)))}, [items()]), clock)
    (batch,) = line.run(0.5)
    assert rows(batch) == [("a", 1, GOOD), ("x", 5, UNCERTAIN), ("b", 1, GOOD)]
    assert batch.timestamps_ns == array("q", [START_NS] * 3)


@pytest.mark.parametrize("answer", [None, [], [ItemReading(1)], 5, iter(()), [ItemReading(1)] * 4])
def test_readings_that_are_too_few_or_no_list_cost_their_own_tags(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture, answer: object
) -> None:
    driver = FakeItemDriver()
    driver.items["o"] = ItemReading(1)
    read = driver.read_items
    driver.read_items = (  # type: ignore[method-assign]
        lambda tags: read(tags) if tags[0].address == "o" else cast("list[ItemReading]", answer)
    )
    line = Line(make_source({"PLC01": driver}, [items("G", "a", "b", "c"), items("OTHER", "o")]), clock)
    line.run(10.0)
    assert [status.state for status in line.source.groups()] == ["running"] * 2
    assert line.source.groups()[1].failed == 0
    assert not driver_failures(caplog)


@pytest.mark.parametrize("max_items", [0, -5, None, "many"])
@pytest.mark.provokes("driver failed")
def test_a_number_of_items_that_is_none_ends_no_thread(
    make_source: MakeSource, clock: ManualClock, max_items: object
) -> None:
    driver = FakeItemDriver()
    driver.items["a"] = ItemReading(1)
    driver.max_items = cast(int, max_items)
    line = Line(make_source({"PLC01": driver}, [items("G", "a")]), clock)
    line.run(3.0)
    driver.max_items = 10
    assert rows(line.run(9.0)[-1]) == [("a", 1, GOOD)]


# -- which group is tried first when the device may be back ------------------------------------------------------------


@pytest.mark.parametrize("timeout", [0.001, 0.2, 2.0])
@pytest.mark.parametrize("silent", ["M", "D"])
def test_a_bit_and_a_group_take_turns_as_the_probe(
    make_source: MakeSource, clock: ManualClock, silent: str, timeout: float
) -> None:
    """Whichever of the two the device is silent to, the other one is answered before long."""
    driver = FakeBlockDriver()

    def be_silent() -> None:
        clock.advance(0.005)
        if driver.requests[-1][0] == silent and driver.requests[-1][1] != 50:
            clock.advance(timeout)
            driver.close()
            raise DeviceUnreachable("no answer")

    driver.before_read = be_silent
    line = Line(make_source({"PLC01": driver}, [fixed(), handshake()]), clock)
    line.run(100.0)
    assert {status.state for status in line.source.groups()} == {GroupState.RUNNING}
    driver.bits[7] = 1
    line.run(20.0)
    seen = {batch.names for batch in line.batches if set(batch.qualities) == {GOOD}}
    assert seen == ({("D1", "D2")} if silent == "M" else {("D50",)})


def wait_until(reached: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.001)


def group(id_: str, device: str = "PLC01", interval: float = 1.0, **tag: object) -> dict[str, object]:
    tags = [{"name": f"{id_}_1", "address": "D1", "data_type": "uint16", **tag}]
    return {"id": id_, "device": device, "interval": interval, "tags": tags}


@pytest.mark.provokes("polling restarted")
def test_a_thread_that_meets_a_defect_of_the_engine_continues(
    make_source: MakeSource, monkeypatch: pytest.MonkeyPatch, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    source = make_source({"PLC01": FakeBlockDriver()}, [group("G")], clock=clock)
    source.open()
    [worker] = source.workers
    accidents, run_due, polled = [SystemExit(1)], worker.run_due, threading.Event()

    def fail_once() -> float | None:
        if accidents:
            raise accidents.pop()
        return run_due()

    monkeypatch.setattr(worker, "run_due", fail_once)
    source.start(lambda batch: polled.set())
    clock.wait_for_a_wait_of(RESTART_SECONDS)
    assert caplog.messages == ["polling restarted: device=PLC01"]
    clock.advance(RESTART_SECONDS)
    assert polled.wait(PATIENCE_SECONDS)
    source.close()


def test_a_device_whose_thread_hangs_is_the_one_without_a_pulse(make_source: MakeSource, clock: ManualClock) -> None:
    drivers = {"PLC01": FakeBlockDriver(), "PLC02": FakeBlockDriver()}
    source = make_source(drivers, [group("G1"), group("G2", "PLC02", 20.0)])
    assert source.pulse() is None
    source.open()
    for worker in source.workers:
        worker.begin(lambda batch: None)
    clock.advance(25)
    source.workers[1].run_due()
    assert source.pulse() == Pulse(25.0, LEAST_SILENT_SECONDS, "device PLC01")
    source.workers[0].run_due()
    clock.advance(10)
    assert source.pulse() == Pulse(10.0, LEAST_SILENT_SECONDS, "device PLC01")
    source.stop_group("G1")
    assert source.pulse() == Pulse(10.0, 60.0, "device PLC02"), "three intervals, where that is longer"
    source.stop_all()
    clock.advance(1000)
    assert source.pulse() is None, "nothing is expected of stopped groups"
    source.start_group("G1")
    assert source.pulse() == Pulse(0.0, LEAST_SILENT_SECONDS, "device PLC01")


def test_values_that_do_not_change_and_devices_that_are_away_are_a_pulse(
    make_source: MakeSource, clock: ManualClock
) -> None:
    driver = FakeBlockDriver()
    batches: list[Batch] = []
    source = make_source({"PLC01": driver}, [group("G", on_change=True)], bad_records="none")
    source.open()
    [worker] = source.workers
    worker.begin(batches.append)
    for _ in range(60):
        worker.run_due()
        clock.advance(1)
    assert len(batches) == 1
    assert source.pulse() == Pulse(1.0, LEAST_SILENT_SECONDS, "device PLC01")


def test_a_group_that_waits_for_triggers_has_no_rhythm(make_source: MakeSource) -> None:
    tags = [{"name": "D1", "address": "D1", "data_type": "uint16"}]
    source = make_source(
        {"PLC01": FakeBlockDriver()}, [{"id": "H", "device": "PLC01", "mode": "handshake", "tags": tags}]
    )
    source.open()
    assert source.pulse() is None
