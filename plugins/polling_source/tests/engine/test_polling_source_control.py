"""The control surface, the alarms, and what the source says of itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from polling_source.source import PollingSource

from agent_core.api import (
    Batch,
    Diagnosable,
    GroupMode,
    GroupState,
    Plannable,
    PlannedRequest,
    PollingControl,
    UnknownGroupError,
)
from agent_core.testing.clock import START_NS, ManualClock
from agent_core.testing.fake_drivers import FakeBlockDriver, FakeItemDriver

MakeSource = Callable[..., PollingSource]


def group(
    id_: str = "G", device: str = "PLC01", interval: float = 1.0, first: int = 1, **more: object
) -> dict[str, object]:
    tags = [{"name": f"{id_}{n}", "address": f"D{n}", "data_type": "uint16"} for n in (first, first + 1)]
    return {"id": id_, "device": device, "interval": interval, "tags": tags, **more}


def begun(source: PollingSource, batches: list[Batch]) -> PollingSource:
    source.open()
    for worker in source.workers:
        worker.begin(batches.append)
    return source


def run(source: PollingSource, clock: ManualClock, seconds: int) -> None:
    """In steps of 100 ms."""
    for _ in range(seconds * 10):
        for worker in source.workers:
            worker.run_due()
        clock.advance(0.1)


def test_a_source_is_all_that_the_core_asks_of_one(make_source: MakeSource) -> None:
    source = make_source({"PLC01": FakeBlockDriver()}, [group()])
    assert isinstance(source, PollingControl)
    assert isinstance(source, Plannable)
    assert isinstance(source, Diagnosable)


def test_the_status_says_what_happened_in_the_order_of_the_yaml(make_source: MakeSource, clock: ManualClock) -> None:
    dead = FakeBlockDriver()
    dead.down = True
    devices = {"PLC01": FakeBlockDriver(), "PLC02": dead}
    source = make_source(devices, [group("A"), group("B", "PLC02"), group("C", interval=60.0)])
    assert source.groups() == []
    begun(source, [])
    run(source, clock, 3)
    a, b, c = source.groups()
    assert [status.group_id for status in (a, b, c)] == ["A", "B", "C"]
    assert (a.source_id, a.device_id, a.mode, a.state) == ("line1", "PLC01", GroupMode.FIXED, GroupState.RUNNING)
    assert (a.tags, a.polls, a.failed, a.missed, a.interval_seconds) == (2, 3, 0, 0, 1.0)
    assert (a.last_poll_ns, a.last_duration_seconds, a.last_error) == (START_NS + 2_000_000_000, 0.0, None)
    assert (b.state, b.failed, b.missed, b.last_error) == (GroupState.BACKING_OFF, 2, 1, "nobody listens")
    assert (c.polls, c.stale) == (1, False)


def test_a_stopped_group_does_not_poll_until_it_is_started(make_source: MakeSource, clock: ManualClock) -> None:
    batches: list[Batch] = []
    source = begun(make_source({"PLC01": FakeBlockDriver()}, [group("A"), group("B")]), batches)
    assert source.stop_group("A")
    assert source.stop_group("A")
    run(source, clock, 5)
    assert {batch.segments[0].origin.group for batch in batches} == {"B"}
    assert [status.state for status in source.groups()] == [GroupState.STOPPED, GroupState.RUNNING]
    source.start_group("A")
    source.start_group("A")
    batches.clear()
    run(source, clock, 3)
    assert sum(batch.segments[0].origin.group == "A" for batch in batches) == 3
    assert source.groups()[0].missed == 0


def test_all_groups_are_stopped_and_started_together(make_source: MakeSource, clock: ManualClock) -> None:
    batches: list[Batch] = []
    devices = {"PLC01": FakeBlockDriver(), "PLC02": FakeBlockDriver()}
    source = begun(make_source(devices, [group("A"), group("B", "PLC02")]), batches)
    assert source.stop_all()
    run(source, clock, 3)
    assert batches == []
    source.start_all()
    run(source, clock, 1)
    assert len(batches) == 2


def test_a_group_that_is_not_there_is_named_with_the_nearest(make_source: MakeSource) -> None:
    source = make_source({"PLC01": FakeBlockDriver()}, [group("ORDER_START")])
    source.open()
    for act in (source.start_group, source.stop_group, source.trigger_group):
        with pytest.raises(UnknownGroupError, match="did you mean ORDER_START"):
            act("ORDER_STRAT")


def test_a_group_without_a_good_poll_for_three_intervals_is_stale(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    driver = FakeBlockDriver()
    source = begun(make_source({"PLC01": driver}, [group(interval=5.0)]), [])
    run(source, clock, 6)
    driver.down = True
    run(source, clock, 14)
    assert not source.groups()[0].stale
    run(source, clock, 2)
    assert source.groups()[0].stale
    driver.down = False
    run(source, clock, 31)
    assert not source.groups()[0].stale
    alarms = [message for message in caplog.messages if message.startswith("group ")]
    assert alarms == ["group stale: group=G age_seconds=15", "group fresh again: group=G"]


def test_a_limit_of_its_own_decides_and_a_stopped_group_is_not_stale(
    make_source: MakeSource, clock: ManualClock
) -> None:
    driver = FakeBlockDriver()
    driver.down = True
    source = begun(make_source({"PLC01": driver}, [group(stale_after=2.0)]), [])
    run(source, clock, 3)
    assert source.groups()[0].stale
    source.stop_group("G")
    assert not source.groups()[0].stale


def test_a_jump_of_the_wall_clock_is_announced_and_moves_no_poll(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    batches: list[Batch] = []
    source = begun(make_source({"PLC01": FakeBlockDriver()}, [group()]), batches)
    run(source, clock, 2)
    clock.jump(-3600.0)
    run(source, clock, 2)
    clock.jump(0.2)
    run(source, clock, 1)
    assert len(batches) == 5
    assert caplog.messages == [
        "wall clock jumped: by_seconds=-3600; timestamps follow the clock: see that its time is right"
    ]


def test_the_plan_is_told_before_anything_is_opened(make_source: MakeSource) -> None:
    devices = {"PLC01": FakeBlockDriver(), "PLC02": FakeItemDriver()}
    groups = [
        group("A", first=1),
        group("B", "PLC02", interval=10.0),
        group("C", first=300, interval=0.5, mode="handshake", trigger={"address": "M5", "reset": False}),
    ]
    groups[0]["tags"] = [{"name": f"T{n}", "address": f"D{n}", "data_type": "uint16"} for n in (1, 4, 500)]
    assert list(make_source(devices, groups).plan_report()) == [
        "PLC01 by fake_driver: 5 tags in 3 requests, about 30 ms to read them all, 2% of the time",
        "  A, every 1 s: 3 tags in 2 requests, 2 of 5 words wasted, about 20 ms",
        "    D 1 to 4: 2 tags, 2 words wasted",
        "    D 500: 1 tag",
        "  C, when M5 is set, looked at every 0.5 s: 2 tags in 1 request, 0 of 2 words wasted, about 10 ms",
        "    D 300 to 301: 2 tags",
        "PLC02 by fake_driver: 2 tags in 1 request, about 10 ms to read them all, 0% of the time",
        "  B, every 10 s: 2 tags in 1 request, about 10 ms",
        "    items, in as many requests as the device wants: 2 tags",
        "line1: 7 tags, 3 records/s; times are estimates at 10 ms a request, tagferry doctor measures them",
    ]


def test_a_check_names_every_wrong_address_without_a_connection(make_source: MakeSource) -> None:
    driver = FakeBlockDriver()
    wrong = group("A")
    wrong["tags"] = [{"name": n, "address": n, "data_type": "uint16"} for n in ("D1", "Q1", "Q2")]
    source = make_source({"PLC01": driver}, [wrong, {**group("B"), "device": "PLC9"}])
    assert [str(problem) for problem in source.check()] == [
        "groups[1].device: group B: there is no device 'PLC9' (did you mean PLC01?)",
        "groups[0].tags[1]: tag Q1: 'Q1': write D100, D100.3 or M5",
        "groups[0].tags[2]: tag Q2: 'Q2': write D100, D100.3 or M5",
    ]
    assert driver.connects == 0
    assert make_source({"PLC01": driver}, [group()]).check() == []


def test_a_check_warns_of_a_device_that_is_asked_more_than_it_can_answer(make_source: MakeSource) -> None:
    scattered = [{"name": f"T{n}", "address": f"D{n * 100}", "data_type": "uint16"} for n in range(25)]
    busy = {**group("B", "PLC02"), "interval": 0.2, "tags": scattered}
    source = make_source({"PLC01": FakeBlockDriver(), "PLC02": FakeBlockDriver()}, [group("A"), busy])
    (problem,) = source.check()
    assert problem.warning
    assert problem.path == ("devices", 1)
    assert problem.message == (
        "device PLC02: its groups need about 125% of the time at 10 ms a request, so cycles will be missed"
    )


def test_the_plan_as_data_says_the_same(make_source: MakeSource) -> None:
    (device,) = make_source({"PLC01": FakeBlockDriver()}, [group("A"), group("B", first=9)], connections=2).plan()
    assert (device.device_id, device.driver, device.connections) == ("PLC01", "fake_driver", 2)
    assert [planned.group_id for planned in device.groups] == ["A", "B"]
    assert device.groups[1].requests == (PlannedRequest("D 9 to 10", 2, words=2, wasted_words=0),)
    assert device.scan_seconds == 0.02
    assert device.busy_share == 0.01


def test_a_handshake_group_that_nobody_triggers_is_stale_in_the_log_too(
    make_source: MakeSource, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    waiting = {**group("ORDER", mode="handshake", stale_after=60.0), "interval": None}
    source = begun(make_source({"PLC01": FakeBlockDriver()}, [waiting]), [])
    wait = source.workers[0].run_due()
    assert wait == 60.0, "the worker sleeps until the alarm is due, not until somebody asks"
    clock.advance(wait)
    assert source.workers[0].run_due() is None
    assert caplog.messages == ["group stale: group=ORDER age_seconds=60"]


@pytest.mark.parametrize("mode", ["fixed", "handshake"])
def test_a_start_between_two_turns_of_the_worker_is_heard(
    make_source: MakeSource, clock: ManualClock, mode: str
) -> None:
    """It is the only group, so nothing else would wake the worker: neither for its poll nor for its alarm."""
    config = group() if mode == "fixed" else {**group(mode=mode, stale_after=60.0), "interval": None}
    source = make_source({"PLC01": FakeBlockDriver()}, [config])
    source.open()
    (worker,) = source.workers
    batches: list[Batch] = []
    turn = worker.run_due

    def first_turn() -> float | None:
        worker.run_due = turn  # type: ignore[method-assign]
        clock.advance(61.0)
        if mode == "fixed":
            source.stop_group("G")
        wait = turn()
        source.stop_group("G")
        source.start_group("G")
        return wait

    worker.run_due = first_turn  # type: ignore[method-assign]
    source.start(batches.append)
    try:
        clock.wait_for_waiters()
        assert len(batches) == (mode == "fixed")
        assert clock.waiting_seconds() == [1.0 if mode == "fixed" else 60.0]
    finally:
        source.stop(60.0)
