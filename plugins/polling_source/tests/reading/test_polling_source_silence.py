"""Requests that a device leaves unanswered although it is there."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import pytest
from polling_source.reading.link import Link
from polling_source.reading.silence import NoAnswer, Silence
from polling_source.source import PollingSource
from pytest_mock import MockerFixture

from agent_core.api import (
    BAD,
    GOOD,
    Batch,
    DeviceBusy,
    DeviceUnreachable,
    ItemReading,
    ReadRefused,
    SystemClock,
    TagSpec,
    UnclearRefusal,
)
from agent_core.testing.clock import ManualClock
from agent_core.testing.fake_drivers import FakeBlockDriver, FakeItemDriver

MakeSource = Callable[..., PollingSource]
TIMEOUT = 2.0


class SilentDriver(FakeBlockDriver):
    """Leaves reads that touch ``silent`` words without an answer, and closes the connection after the time-out."""

    def __init__(self, clock: ManualClock, *silent: int) -> None:
        super().__init__()
        self.silent = set(silent)
        self.timeouts = 0
        self._clock = clock

    def read_block(self, area: str, start: int, units: int) -> bytes:
        data = super().read_block(area, start, units)
        if area == "D" and self.silent.intersection(range(start, start + units)):
            self._clock.advance(TIMEOUT)
            self.timeouts += 1
            self.close()
            raise DeviceUnreachable(f"no answer within {TIMEOUT:g} s")
        return data


class SilentItems(FakeItemDriver):
    """Leaves requests that hold one of ``silent`` without an answer."""

    silent = frozenset({"c"})

    def read_items(self, tags: Sequence[TagSpec]) -> Sequence[ItemReading]:
        if self.silent.intersection(tag.address for tag in tags):
            self.close()
            raise DeviceUnreachable("no answer")
        return super().read_items(tags)


def group(id_: str, *numbers: int, interval: float = 10.0) -> dict[str, object]:
    tags = [{"name": f"D{number}", "address": f"D{number}", "data_type": "uint16"} for number in numbers]
    return {"id": id_, "device": "PLC01", "interval": interval, "tags": tags}


class Line:
    """An open source whose one worker runs when the test says so."""

    def __init__(self, source: PollingSource, clock: ManualClock) -> None:
        self.source = source
        self._clock = clock
        self._batches: list[Batch] = []
        source.open()
        source.workers[0].begin(self._batches.append)

    def run(self, seconds: float) -> list[Batch]:
        """Let that much time pass; what was emitted meanwhile."""
        before, end = len(self._batches), self._clock.monotonic() + seconds
        while self._clock.monotonic() < end:
            wait = self.source.workers[0].run_due() or 0.0
            self._clock.advance(max(min(wait, end - self._clock.monotonic()), 0.001))
        return self._batches[before:]


def qualities(batch: Batch) -> dict[str, int]:
    return dict(zip(batch.names, batch.qualities, strict=True))


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO)
    return caplog


@pytest.mark.parametrize("silent", [0, 1000, 2000])
def test_a_block_that_alone_gets_no_answer_is_split_until_the_bad_address_is_alone(
    make_source: MakeSource, clock: ManualClock, silent: int
) -> None:
    driver = SilentDriver(clock, silent)
    numbers = [start + number for start in (0, 1000, 2000) for number in range(8)]
    line = Line(make_source({"PLC01": driver}, [group("G", *numbers)], bad_records="every_poll"), clock)
    found = qualities(line.run(100)[-1])
    assert {name for name, quality in found.items() if quality == BAD} == {f"D{silent}"}
    status = line.source.groups()[0]
    assert (status.state, status.last_error) == ("running", None)


def test_it_costs_one_time_out_a_poll_until_it_is_found_and_then_ever_fewer(
    make_source: MakeSource, clock: ManualClock
) -> None:
    driver = SilentDriver(clock, 3)
    line = Line(make_source({"PLC01": driver}, [group("G", *range(8), 1000)]), clock)
    line.run(80)
    assert driver.timeouts == 5, "the whole twice, then 4, 2 and 1 of the 8 tags"
    after: list[int] = []
    for _ in range(5):
        line.run(600)
        after.append(driver.timeouts - 5)
    assert after == [6, 8, 10, 12, 14], "the whole, then the tag: after 60, 120, 240, 480, then every 600 s"
    driver.silent.clear()
    assert set(qualities(line.run(700)[-1]).values()) == {GOOD}


def test_the_other_groups_of_the_device_go_on(make_source: MakeSource, clock: ManualClock) -> None:
    """Each of the two has one block, so only the other group can show that the device is there."""
    driver = SilentDriver(clock, 5)
    line = Line(make_source({"PLC01": driver}, [group("LOST", 5), group("FINE", 1000, interval=1.0)]), clock)
    line.run(60)
    batches = line.run(60)
    assert {batch.names for batch in batches} == {("D1000",)}
    assert len(batches) == 58, "two cycles were missed while the lost block was tried again"
    lost, fine = line.source.groups()
    assert (lost.last_error or "").startswith("its only tag could not be read: no answer, while others are answered")
    assert (fine.last_error, fine.stale, lost.stale) == (None, False, True)


def test_a_device_that_answers_nothing_is_away_however_often_it_is_tried(
    make_source: MakeSource, clock: ManualClock, log: pytest.LogCaptureFixture
) -> None:
    driver = SilentDriver(clock, *range(8), *range(1000, 1008))
    line = Line(make_source({"PLC01": driver}, [group("A", *range(8)), group("B", *range(1000, 1008))]), clock)
    line.run(1000)
    assert {status.state for status in line.source.groups()} == {"backing_off"}
    assert driver.timeouts < 40
    assert "answered again" not in log.text
    driver.silent.clear()
    assert set(line.run(40)[0].qualities) == {GOOD}


def test_a_device_that_dies_while_one_of_its_blocks_is_known_to_be_silent_is_away(
    make_source: MakeSource, clock: ManualClock
) -> None:
    driver = SilentDriver(clock, 5)
    line = Line(make_source({"PLC01": driver}, [group("LOST", 5), group("FINE", 1000, interval=1.0)]), clock)
    line.run(60)
    driver.silent.update(range(2000))
    line.run(60)
    assert {status.state for status in line.source.groups()} == {"backing_off"}


def test_an_item_that_gets_no_answer_costs_no_other(make_source: MakeSource, clock: ManualClock) -> None:
    driver = SilentItems(max_items=4)
    driver.items = {name: ItemReading(1) for name in "abcdefgh"}
    tags = [{"name": name, "address": name, "data_type": "int32"} for name in "abcdefgh"]
    line = Line(make_source({"PLC01": driver}, [{"id": "G", "device": "PLC01", "interval": 1.0, "tags": tags}]), clock)
    line.run(20)
    assert line.run(2)[-1].names == tuple("abdefgh")


def test_silence_twice_in_a_row_counts_only_with_an_answer_in_between() -> None:
    link = Link(FakeBlockDriver(), SystemClock())
    silence, other = Silence(link), Silence(link)

    def nothing() -> None:
        raise DeviceUnreachable("no answer")

    def refused() -> None:
        raise ReadRefused("illegal address")

    for _ in range(3):
        with pytest.raises(DeviceUnreachable):
            silence.ask((1, 2), nothing)
    with pytest.raises(ReadRefused):
        other.ask((3,), refused)
    with pytest.raises(NoAnswer):
        silence.ask((1, 2), nothing)
    with pytest.raises(NoAnswer):
        silence.ask((1,), nothing)
    silence.forget()
    with pytest.raises(DeviceUnreachable):
        silence.ask((1, 2), nothing)
    silence.ask((1, 2), lambda: None)
    with pytest.raises(DeviceUnreachable):
        silence.ask((1, 2), nothing)


def test_a_connection_that_cannot_be_made_is_no_silence() -> None:
    driver = FakeBlockDriver()
    driver.down = True
    link = Link(driver, SystemClock())
    silence = Silence(link)
    for _ in range(3):
        link.count += 1
        with pytest.raises(DeviceUnreachable, match="nobody listens"):
            silence.ask((1,), lambda: None)


@pytest.mark.parametrize("refusal", [DeviceBusy, UnclearRefusal])
@pytest.mark.parametrize("driver", [FakeBlockDriver(), FakeItemDriver(60)])
def test_a_device_that_is_busy_costs_one_poll_and_the_request_stays_whole(
    make_source: MakeSource,
    clock: ManualClock,
    driver: FakeBlockDriver | FakeItemDriver,
    refusal: type[ReadRefused],
    mocker: MockerFixture,
) -> None:
    method = "read_block" if isinstance(driver, FakeBlockDriver) else "read_items"
    answer = getattr(driver, method)
    answers = [answer, refusal("busy"), answer, answer]

    def next_answer(*asked: object) -> object:
        this = answers.pop(0)
        if isinstance(this, ReadRefused):
            raise this
        return this(*asked)

    if isinstance(driver, FakeItemDriver):
        driver.items = {f"D{number}": ItemReading(number) for number in range(60)}
    reads = mocker.patch.object(driver, method, side_effect=next_answer)
    line = Line(make_source({"PLC01": driver}, [group("G", *range(60))], bad_records="every_poll"), clock)
    found = [set(qualities(batch).values()) for batch in line.run(35)]
    assert found == [{GOOD}, {BAD}, {GOOD}, {GOOD}]
    assert reads.call_args_list == [reads.call_args_list[0]] * 4
    assert line.source.groups()[0].state == "running"
