"""The engine: schedule, batches, BAD rows, devices that fail. No thread: the test moves the clock and asks for work."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from polling_source.engine.device import DeviceWorker
from polling_source.source import PollingSource

from agent_core.api import BAD, GOOD, UNCERTAIN, Batch, ConfigError, ItemReading, Origin
from agent_core.testing.clock import START_NS, ManualClock
from agent_core.testing.fake_drivers import FakeBlockDriver, FakeItemDriver

MakeSource = Callable[..., PollingSource]


def words(*numbers: int) -> list[dict[str, object]]:
    return [{"name": f"D{number}", "address": f"D{number}", "data_type": "uint16"} for number in numbers]


def group(id_: str = "G", interval: float = 1.0, *numbers: int, device: str = "PLC01") -> dict[str, object]:
    return {"id": id_, "device": device, "interval": interval, "tags": words(*(numbers or (1, 2)))}


@dataclass
class Line:
    """An open source whose workers run when the test says so."""

    source: PollingSource
    clock: ManualClock
    batches: list[Batch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.source.open()
        for worker in self.workers:
            worker.begin(self.batches.append)

    @property
    def workers(self) -> tuple[DeviceWorker, ...]:
        return self.source.workers

    def run(self, seconds: float = 0.0) -> list[Batch]:
        """Let that much time pass, each worker polling exactly when it wants to; returns the new batches."""
        before = len(self.batches)
        end = self.clock.monotonic() + seconds
        while True:
            waits = [wait for worker in self.workers if (wait := worker.run_due()) is not None]
            left = end - self.clock.monotonic()
            wait = min(waits, default=left)
            if wait > left + 1e-9:
                self.clock.advance(max(left, 0.0))
                return self.batches[before:]
            self.clock.advance(max(wait, 1e-9))


def seconds(batch: Batch) -> float:
    assert isinstance(batch.timestamps_ns, int)
    return round((batch.timestamps_ns - START_NS) / 1e9, 3)


def rows(batch: Batch) -> list[tuple[str, object, int]]:
    return list(zip(batch.names, batch.values, batch.qualities, strict=True))


def test_a_poll_makes_one_batch_with_the_groups_names_and_the_polls_time(
    make_source: MakeSource, clock: ManualClock
) -> None:
    driver = FakeBlockDriver()
    driver.store(1, b"\x00\x07\x00\x08")
    line = Line(make_source({"PLC01": driver}, [group()]), clock)
    first, second = line.run(1.0)
    assert rows(first) == [("D1", 7, GOOD), ("D2", 8, GOOD)]
    assert first.timestamps_ns == START_NS
    assert first.segments[0].origin == Origin("line1", "PLC01", "G")
    assert [batch.segments[0].sequence for batch in (first, second)] == [1, 2]
    assert first.names is second.names
    assert driver.requests == [("D", 1, 2)] * 2


def test_polls_keep_the_grid_however_long_they_take(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeBlockDriver()
    driver.before_read = lambda: clock.advance(0.3)
    line = Line(make_source({"PLC01": driver}, [group()]), clock)
    assert [seconds(batch) for batch in line.run(5.0)] == [0.3, 1.3, 2.3, 3.3, 4.3, 5.3]
    assert line.workers[0].groups[0].missed == 0


def test_rows_carry_the_moment_of_the_answer_and_bad_records_that_of_the_poll(
    make_source: MakeSource, clock: ManualClock
) -> None:
    driver = FakeBlockDriver()
    driver.before_read = lambda: clock.advance(0.1)
    line = Line(make_source({"PLC01": driver}, [group("G", 1.0, 1, 1000)]), clock)
    assert seconds(line.run(0.5)[0]) == 0.2, "two blocks: the moment of the last answer"

    def die() -> None:
        clock.advance(0.1)
        driver.down = len(driver.requests) == 4

    driver.before_read = die
    (partly,) = line.run(1.0)
    assert (seconds(partly), list(partly.qualities)) == (1.1, [GOOD, BAD]), "the last answer that came"
    driver.down = True
    (nothing,) = line.run(1.0)
    assert (seconds(nothing), nothing.names) == (2.0, ("D1",)), "no answer: the time of the poll"


def test_cycles_that_cannot_be_kept_are_skipped_and_counted(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeBlockDriver()
    line = Line(make_source({"PLC01": driver}, [group()]), clock)
    line.run(1.5)
    driver.before_read = lambda: clock.advance(3.2)
    line.run(0.5)
    driver.before_read = lambda: None
    assert [seconds(batch) for batch in line.run(2.0)] == [5.2, 6.0, 7.0]
    assert line.workers[0].groups[0].missed == 2


def test_groups_of_one_device_begin_spread_over_the_shortest_interval(
    make_source: MakeSource, clock: ManualClock
) -> None:
    groups = [group(f"G{number}", 1.0 if number else 5.0, number) for number in range(4)]
    line = Line(make_source({"PLC01": FakeBlockDriver()}, groups), clock)
    begun = [(batch.segments[0].origin.group, seconds(batch)) for batch in line.run(0.99)]
    assert begun == [("G0", 0.0), ("G1", 0.25), ("G2", 0.5), ("G3", 0.75)]


def test_a_dead_device_makes_one_bad_row_a_tag_and_none_until_it_is_back(
    make_source: MakeSource, clock: ManualClock
) -> None:
    driver = FakeBlockDriver()
    line = Line(make_source({"PLC01": driver}, [group()]), clock)
    line.run(0.5)
    driver.down = True
    (batch,) = line.run(10.0)
    assert rows(batch) == [("D1", None, BAD), ("D2", None, BAD)]
    assert seconds(batch) == 1.0
    driver.down = False
    back = line.run(10.0)[0]
    assert rows(back) == [("D1", 0, GOOD), ("D2", 0, GOOD)]


@pytest.mark.parametrize(("bad_records", "count"), [("every_poll", 10), ("none", 0)])
def test_bad_records_are_made_as_configured(
    make_source: MakeSource, clock: ManualClock, bad_records: str, count: int
) -> None:
    driver = FakeBlockDriver()
    line = Line(
        make_source({"PLC01": driver}, [group()], bad_records=bad_records, backoff={"initial": 60, "max": 60}), clock
    )
    line.run(0.5)
    driver.down = True
    batches = line.run(10.0)
    assert [seconds(batch) for batch in batches] == [float(number) for number in range(1, count + 1)]
    assert all(set(batch.qualities) == {BAD} for batch in batches)
    (status,) = line.source.groups()
    assert (status.polls, status.failed, status.missed) == (2, 1, 9)


def test_a_device_that_is_away_from_the_start_is_reported_bad(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeBlockDriver()
    driver.down = True
    line = Line(make_source({"PLC01": driver}, [group("A", 1.0, 1), group("B", 1.0, 2)]), clock)
    assert [rows(batch) for batch in line.run(5.0)] == [[("D1", None, BAD)], [("D2", None, BAD)]]


def test_a_dead_device_is_tried_less_and_less_often(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeBlockDriver()
    tries: list[float] = []

    def note() -> None:
        tries.append(round(clock.monotonic(), 3))

    driver.before_read = note
    driver.down = True
    driver.connect = lambda: None  # type: ignore[method-assign]
    settings = {"initial": 1.0, "max": 8.0}
    line = Line(make_source({"PLC01": driver}, [group("G", 0.1)], backoff=settings), clock)
    line.run(40.0)
    assert tries == [0.0, 1.0, 3.0, 7.0, 15.0, 23.0, 31.0, 39.0]


def test_when_the_device_is_back_every_group_that_missed_a_cycle_is_polled_at_once(
    make_source: MakeSource, clock: ManualClock
) -> None:
    driver = FakeBlockDriver()
    line = Line(make_source({"PLC01": driver}, [group("FAST", 1.0, 1), group("HOURLY", 3600.0, 2)]), clock)
    line.run(3599.8)
    driver.down = True
    line.run(2.0)
    driver.down = False
    good = [(batch.segments[0].origin.group, seconds(batch)) for batch in line.run(2.0) if batch.qualities[0] == GOOD]
    assert good == [("FAST", 3603.0), ("HOURLY", 3603.0)]


def test_a_dead_device_delays_no_other(make_source: MakeSource, clock: ManualClock) -> None:
    dead, alive = FakeBlockDriver(), FakeBlockDriver()
    dead.down = True
    devices = {"PLC01": dead, "PLC02": alive}
    line = Line(make_source(devices, [group("A", 1.0, 1), group("B", 1.0, 2, device="PLC02")]), clock)
    polled = [seconds(batch) for batch in line.run(5.0) if batch.segments[0].origin.device == "PLC02"]
    assert polled == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert len(line.workers) == 2


def test_groups_are_dealt_out_to_the_connections_of_a_device(make_source: MakeSource, clock: ManualClock) -> None:
    groups = [group(name, 1.0, number) for number, name in enumerate("ABC")]
    line = Line(make_source({"PLC01": FakeBlockDriver()}, groups, connections=2), clock)
    assert [[group.id for group in worker.groups] for worker in line.workers] == [["A", "C"], ["B"]]
    assert [status.group_id for status in line.source.groups()] == ["A", "B", "C"]
    assert len(line.run(0.9)) == 3


def test_what_was_read_before_the_device_died_in_a_poll_is_kept(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeBlockDriver()
    line = Line(make_source({"PLC01": driver}, [group("G", 1.0, 1, 1000)]), clock)
    line.run(0.5)

    def die() -> None:
        driver.down = len(driver.requests) % 2 == 0

    driver.before_read = die
    assert rows(line.run(0.6)[0]) == [("D1", 0, GOOD), ("D1000", None, BAD)]


def test_a_bad_address_costs_one_tag_and_is_reported_once(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    driver = FakeBlockDriver()
    driver.refused.add("D2")
    line = Line(make_source({"PLC01": driver}, [group("G", 1.0, 1, 2, 3)]), clock)
    first, *others = line.run(59.5)
    assert rows(first) == [("D1", 0, GOOD), ("D2", None, BAD), ("D3", 0, GOOD)]
    assert {batch.names for batch in others} == {("D1", "D3")}
    assert caplog.messages == ["tags bad: group=G count=1 tags=D2 reason=illegal address"]
    driver.refused.clear()
    assert line.run(1.0)[-1].names == ("D1", "D2", "D3")
    assert caplog.messages[1:] == ["tags good again: group=G count=1 tags=D2"]


def test_a_tag_that_comes_and_goes_is_told_now_and_then_with_what_is_so_in_the_end(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    driver = FakeItemDriver()
    good, bad = ItemReading(1), ItemReading(None, BAD, None, "noise")
    line = Line(make_source({"PLC01": driver}, [item_group("a", "b")]), clock)
    driver.items = {"a": good, "b": good}
    line.run(0.5)
    for _ in range(30):
        driver.items = {"a": bad, "b": good}
        line.run(1.0)
        driver.items = {"a": good, "b": good}
        line.run(1.0)
    assert len(caplog.messages) <= 2 * 60 / 10 + 1
    assert any(" repeated=" in message for message in caplog.messages)
    driver.items = {"a": good, "b": bad}
    line.run(20.0)
    told = [message.partition(" reason")[0].partition(" repeated")[0] for message in caplog.messages[-2:]]
    assert told[-1] == "tags bad: group=G count=1 tags=b"
    changes = [message.partition(":")[0] for message in caplog.messages if "tags=a" in message]
    assert changes[-1] == "tags good again"


def test_bytes_that_mean_nothing_make_that_tag_bad(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeBlockDriver()
    driver.store(0, b"\xff\xff\x00\x05")
    tags: list[dict[str, object]] = [
        {"name": "LOT", "address": "D0", "data_type": "string", "length": 2},
        {"name": "COUNT", "address": "D1", "data_type": "uint16"},
    ]
    line = Line(make_source({"PLC01": driver}, [{"id": "G", "device": "PLC01", "interval": 1.0, "tags": tags}]), clock)
    batches = line.run(1.0)
    assert [sorted(rows(batch)) for batch in batches] == [
        [("COUNT", 5, GOOD), ("LOT", None, BAD)],
        [("COUNT", 5, GOOD)],
    ]


def test_an_outage_is_logged_once_then_now_and_then_and_its_end(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    driver = FakeBlockDriver()
    driver.down = True
    line = Line(make_source({"PLC01": driver}, [group()]), clock)
    line.run(1000.0)
    driver.down = False
    line.run(31.0)
    events = [message.split(": device=")[0] for message in caplog.messages if "device=" in message]
    assert events == ["device unreachable", *["device still unreachable"] * 3, "device answers again"]
    assert caplog.messages[0] == "device unreachable: device=PLC01 error=nobody listens tries=1 retry_in_seconds=1"


def test_a_device_that_comes_and_goes_does_not_fill_the_log(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    driver = FakeBlockDriver()

    def flap() -> None:
        driver.down = len(driver.requests) % 2 == 0

    driver.before_read = flap
    driver.connect = lambda: None  # type: ignore[method-assign]
    line = Line(make_source({"PLC01": driver}, [group()]), clock)
    line.run(60.0)
    assert len(caplog.messages) <= 14


@pytest.mark.provokes("driver failed")
def test_a_defect_in_a_driver_costs_a_poll_and_not_the_worker(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    driver = FakeBlockDriver()

    def fail() -> None:
        raise KeyError("defect")

    driver.before_read = fail
    line = Line(make_source({"PLC01": driver}, [group()]), clock)
    (batch,) = line.run(0.5)
    assert set(batch.qualities) == {BAD}
    assert not driver.connected
    assert "driver failed: device=PLC01 group=G plugin=agent_core" in caplog.messages
    driver.before_read = lambda: None
    assert set(line.run(2.0)[-1].qualities) == {GOOD}


@pytest.mark.provokes("emit failed")
def test_an_emit_that_raises_does_not_end_the_worker(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    line = Line(make_source({"PLC01": FakeBlockDriver()}, [group()]), clock)

    def broken(batch: Batch) -> None:
        raise RuntimeError("defect")

    line.workers[0].begin(broken)
    line.run(2.0)
    assert line.workers[0].groups[0].polls == 3
    assert caplog.messages == ["emit failed: device=PLC01 records=2"]


def item_group(*addresses: str) -> dict[str, object]:
    tags = [{"name": address, "address": address, "data_type": "int32"} for address in addresses]
    return {"id": "G", "device": "PLC01", "interval": 1.0, "tags": tags}


def test_items_keep_their_own_quality_and_time(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeItemDriver()
    driver.items = {"a": ItemReading(1), "b": ItemReading(2.5, UNCERTAIN, START_NS - 5)}
    line = Line(make_source({"PLC01": driver}, [item_group("a", "b", "c")]), clock)
    (batch,) = line.run(0.5)
    assert rows(batch) == [("a", 1, GOOD), ("b", 2.5, UNCERTAIN), ("c", None, BAD)]
    assert list(batch.stamps()) == [START_NS, START_NS - 5, START_NS]


def test_items_are_asked_for_in_requests_of_the_size_the_driver_takes(
    make_source: MakeSource, clock: ManualClock
) -> None:
    driver = FakeItemDriver(max_items=2)
    driver.items = {name: ItemReading(1) for name in "abcde"}
    line = Line(make_source({"PLC01": driver}, [item_group(*"abcde")]), clock)
    (batch,) = line.run(0.5)
    assert batch.names == tuple("abcde")
    assert isinstance(batch.timestamps_ns, int)
    assert driver.requests == [("a", "b"), ("c", "d"), ("e",)]


def test_an_item_that_is_refused_costs_no_other(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeItemDriver()
    driver.items = {name: ItemReading(1) for name in "abcd"}
    driver.refused = {"c"}
    line = Line(make_source({"PLC01": driver}, [item_group(*"abcd")]), clock)
    assert [quality for _, _, quality in rows(line.run(0.5)[0])] == [GOOD, GOOD, BAD, GOOD]


def test_an_item_device_that_is_away_is_bad_and_comes_back(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeItemDriver()
    driver.items = {"a": ItemReading(1)}
    driver.down = True
    line = Line(make_source({"PLC01": driver}, [item_group("a")]), clock)
    assert rows(line.run(3.5)[0]) == [("a", None, BAD)]
    driver.down = False
    assert rows(line.run(4.0)[0]) == [("a", 1, GOOD)]


def test_an_item_that_the_device_reports_bad_is_logged_with_the_reason_it_gives(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    driver = FakeItemDriver()
    driver.items = {"a": ItemReading(1), "b": ItemReading(None, BAD, None, "BadSensorFailure")}
    Line(make_source({"PLC01": driver}, [item_group("a", "b")]), clock).run(0.5)
    driver.items = {"a": ItemReading(None, BAD)}
    Line(make_source({"PLC01": driver}, [item_group("a")]), clock).run(0.5)
    assert caplog.messages == [
        "tags bad: group=G count=1 tags=b reason=BadSensorFailure",
        "tags bad: group=G count=1 tags=a reason=the device says that it is bad",
    ]


def test_a_poll_that_reads_none_of_its_tags_is_no_good_poll(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeBlockDriver()
    driver.refused.update(("D1", "D2"))
    line = Line(make_source({"PLC01": driver}, [group(), group("OTHER", 1.0, 9)]), clock)
    line.run(20.0)
    bad, good = line.source.groups()
    assert (bad.failed, bad.stale, bad.state) == (bad.polls, True, "running")
    assert bad.last_error == "none of its 2 tags could be read: illegal address"
    assert (good.failed, good.stale) == (0, False)


def test_a_group_that_has_nothing_to_ask_for_is_no_sign_of_life(make_source: MakeSource, clock: ManualClock) -> None:
    """Every tag of G is refused, so its polls send nothing: the device died and must stay backed off."""
    driver = FakeBlockDriver()
    driver.refused.update(("D1", "D2"))
    line = Line(make_source({"PLC01": driver}, [group(), group("OTHER", 1.0, 9)], refused_retry=1000.0), clock)
    line.run(10.0)
    driver.before_read = lambda: setattr(driver, "down", True)
    driver.connect = lambda: None  # type: ignore[method-assign]
    line.run(40.0)
    assert {status.state for status in line.source.groups()} == {"backing_off"}


@pytest.mark.parametrize("wrong_tags", ["refuse", "leave_out"])
def test_wrong_tags_stop_the_start_or_are_left_out_as_configured(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture, wrong_tags: str
) -> None:
    tags = [*words(1, 2, 1), {"name": "X", "address": "D3", "data_type": "WORX"}]
    tags += [{"name": f"Q{number}", "address": f"Q{number}", "data_type": "uint16"} for number in range(7)]
    groups = [{"id": "G", "device": "PLC01", "interval": 1.0, "tags": tags}, group("H", 1.0, 9)]
    nothing_right = [{"name": "Z", "address": "Q9", "data_type": "uint16"}]
    groups.append({"id": "NONE", "device": "PLC01", "interval": 1.0, "tags": nothing_right})
    source = make_source({"PLC01": FakeBlockDriver()}, groups, wrong_tags=wrong_tags)
    problems = source.check()
    if wrong_tags == "refuse":
        assert len(problems) == 10
        assert not any(problem.warning for problem in problems)
        with pytest.raises(ConfigError):
            source.open()
        return
    assert all(problem.warning for problem in problems)
    assert [problem.message for problem in problems][-1] == "group NONE is not polled: no tag is left"
    batches = Line(source, clock).run(0.9)
    assert [batch.names for batch in batches] == [("D1", "D2"), ("D9",)]
    assert caplog.messages[0].startswith("tag left out: problem=groups[0].tags[4]: tag Q0: 'Q0': write D100")
    assert caplog.messages[5] == "tags left out: count=9; tagferry check names each"


def test_polls_that_take_too_long_are_said_but_not_those_of_a_device_that_was_away(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    driver = FakeBlockDriver()
    line = Line(make_source({"PLC01": driver}, [group()]), clock)
    line.run(3.0)

    def time_out() -> None:
        driver.down = True
        clock.advance(5.0)

    driver.before_read = time_out
    line.run(1.0)
    driver.down, driver.before_read = False, lambda: None
    line.run(10.0)
    assert line.workers[0].groups[0].missed > 4
    assert "polls missed" not in caplog.text
    driver.before_read = lambda: clock.advance(2.5)
    line.run(120.0)
    told = [message for message in caplog.messages if message.startswith("polls missed")]
    assert 1 <= len(told) <= 3
    assert "group=G missed=1 interval_seconds=1 last_poll_seconds=2.5" in told[0]
