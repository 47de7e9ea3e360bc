"""What ``tagferry doctor`` finds on devices, without a thread."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from polling_source.examination.device_clock import clock_finding
from polling_source.source import PollingSource
from pytest_mock import MockerFixture

from agent_core.api import (
    BAD,
    DeviceBusy,
    DeviceUnreachable,
    DriverError,
    ItemReading,
    LoginRefused,
    Severity,
    UnclearRefusal,
    WrongAnswer,
)
from agent_core.testing.clock import START_NS, ManualClock
from agent_core.testing.fake_drivers import FakeBlockDriver, FakeItemDriver

MakeSource = Callable[..., PollingSource]


def group(id_: str, device: str = "PLC01", *numbers: int, interval: float = 1.0) -> dict[str, object]:
    tags = [{"name": f"{id_}{n}", "address": f"D{n}", "data_type": "uint16"} for n in numbers or (1, 2)]
    return {"id": id_, "device": device, "interval": interval, "tags": tags}


def found(source: PollingSource) -> list[tuple[str, str, str]]:
    return [(finding.severity.value, finding.subject, finding.message) for finding in source.diagnose()]


class ClockedDriver(FakeBlockDriver):
    """A fake with a clock that shows ``shown``, has none, or cannot be asked."""

    def __init__(self, shown: datetime | Exception | None) -> None:
        super().__init__()
        self._shown = shown

    def read_clock(self) -> datetime | None:
        if isinstance(self._shown, Exception):
            raise self._shown
        return self._shown


def test_the_doctor_connects_and_reads_each_group_once(make_source: MakeSource, clock: ManualClock) -> None:
    healthy, dead, partial = FakeBlockDriver(), FakeBlockDriver(), FakeBlockDriver()
    healthy.before_read = lambda: clock.advance(0.7)
    dead.down = True
    partial.refused.add("D2")
    devices = {"PLC01": healthy, "PLC02": dead, "PLC03": partial}
    source = make_source(devices, [group("A"), group("B", "PLC02"), group("C", "PLC03")])
    assert found(source) == [
        ("ok", "device PLC01", "connected in 0.0 ms"),
        ("ok", "group A", "2 tags in 700.0 ms"),
        ("warning", "device PLC01", "reading its groups takes 70% of the time"),
        ("critical", "device PLC02", "nobody listens"),
        ("ok", "device PLC03", "connected in 0.0 ms"),
        ("warning", "group C", "2 tags in 0.0 ms, 1 of them BAD: C2 (illegal address)"),
    ]
    assert not any(driver.connected for driver in devices.values())


def test_the_doctor_tells_a_device_that_accepts_and_does_not_answer(make_source: MakeSource) -> None:
    driver = FakeBlockDriver()

    def die() -> None:
        driver.down = True

    driver.before_read = die
    source = make_source({"PLC01": driver}, [group("A"), group("B")])
    last = list(source.diagnose())[-1]
    assert (last.severity, last.subject, last.message) == (Severity.CRITICAL, "device PLC01", "it does not answer")
    assert last.next_step


def test_the_doctor_names_the_slowest_tags(make_source: MakeSource, clock: ManualClock) -> None:
    driver = FakeBlockDriver()
    driver.before_read = lambda: clock.advance(0.03 if driver.requests[-1][1] == 500 else 0.01)
    source = make_source({"PLC01": driver}, [group("A", "PLC01", 1, 2, 500, 501), group("B", "PLC01", 900)])
    assert found(source)[-1] == (
        "ok", "device PLC01", "slowest of 3 requests: 30.0 ms for A500 and 1 more (D 500 to 501)"
    )  # fmt: skip


def test_a_block_without_an_answer_is_named_and_the_others_are_read(make_source: MakeSource) -> None:
    driver = FakeBlockDriver()

    def die() -> None:
        if driver.requests[-1][1] == 1:
            driver.close()
            raise DeviceUnreachable("no answer within 2 s")

    driver.before_read = die
    source = make_source({"PLC01": driver}, [group("A", "PLC01", 1, 500), group("B", "PLC01", 900)])
    findings = list(source.diagnose())
    assert [(finding.severity.value, finding.subject, finding.message) for finding in findings[1:3]] == [
        ("critical", "group A", "D 1: no answer within 2 s"),
        ("ok", "group B", "1 tag in 0.0 ms"),
    ]
    assert findings[1].next_step == "look at the addresses of A1"


def test_an_item_that_the_device_reports_bad_is_named_with_its_reason(make_source: MakeSource) -> None:
    driver = FakeItemDriver()
    driver.items = {"D1": ItemReading(1), "D2": ItemReading(None, BAD, None, "BadNodeIdUnknown")}
    source = make_source({"PLC01": driver}, [group("A", "PLC01", 1, 2, 3)])
    assert found(source)[1] == (
        "warning", "group A", "3 tags in 0.0 ms, 2 of them BAD: A2, A3 (BadNodeIdUnknown)"
    )  # fmt: skip


def test_a_trigger_bit_that_cannot_be_read_is_named(make_source: MakeSource) -> None:
    driver = FakeBlockDriver()
    waiting = {**group("A", interval=0.2), "mode": "handshake", "trigger": {"address": "M7", "reset": False}}
    assert [severity for severity, _, _ in found(make_source({"PLC01": driver}, [waiting]))] == ["ok", "ok"]
    driver.refused.add("M7")
    assert found(make_source({"PLC01": driver}, [waiting]))[-1] == (
        "critical",
        "group A",
        "its trigger bit M7 cannot be read: illegal address",
    )


NOW = datetime.fromtimestamp(START_NS / 1e9, UTC)


@pytest.mark.parametrize(
    ("shown", "severity", "message"),
    [
        (NOW, "ok", "its clock is 0.0 s behind"),
        (NOW + timedelta(seconds=1.5), "ok", "its clock is 1.5 s ahead"),
        (NOW - timedelta(seconds=75), "warning", "its clock is 75.0 s behind: 2025-12-31 23:58:45"),
        (NOW.astimezone().replace(tzinfo=None), "ok", "its clock is 0.0 s behind"),
        (DriverError("not allowed"), "warning", "its clock could not be read: not allowed"),
        (TypeError("defect"), "warning", "its clock could not be read: TypeError: defect"),
    ],
)
def test_the_clock_of_a_device_is_compared_with_ours(
    make_source: MakeSource, shown: datetime | Exception, severity: str, message: str
) -> None:
    source = make_source({"PLC01": ClockedDriver(shown)}, [group("A")])
    assert found(source)[1] == (severity, "device PLC01", message)


def test_a_clock_that_shows_no_time_at_all_ends_no_examination(make_source: MakeSource) -> None:
    for nonsense in (datetime.min, datetime.max, cast(datetime, "12:00")):
        _, clock, read = found(make_source({"PLC01": ClockedDriver(nonsense)}, [group("A")]))
        assert clock[0] == "warning"
        assert read[0] == "ok"


@pytest.mark.parametrize("where", ["connect", "read_block", "close"])
def test_a_defect_of_a_driver_is_a_finding_and_the_other_devices_are_examined(
    make_source: MakeSource, mocker: MockerFixture, where: str
) -> None:
    driver = FakeBlockDriver()
    mocker.patch.object(driver, where, side_effect=ValueError("defect"))
    devices = {"PLC01": driver, "PLC02": FakeBlockDriver()}
    findings = found(make_source(devices, [group("A"), group("B", "PLC02")]))
    failed = [message for severity, _, message in findings if severity == "critical"]
    expected = {"connect": ["ValueError: defect"], "read_block": ["D 1 to 2: ValueError: defect"], "close": []}
    assert failed == expected[where]
    assert findings[-1][:2] == ("ok", "group B")


def test_a_device_without_a_clock_has_no_finding_of_one(make_source: MakeSource) -> None:
    assert len(found(make_source({"PLC01": ClockedDriver(None)}, [group("A")]))) == 2


def test_a_clock_that_is_whole_hours_away_may_run_in_another_zone() -> None:
    local = NOW.astimezone().replace(tzinfo=None)
    zone = clock_finding("device PLC01", local + timedelta(hours=9), START_NS)
    assert zone.severity is Severity.WARNING
    assert (zone.next_step or "").startswith("it may run in another time zone than this machine")
    wrong = clock_finding("device PLC01", local + timedelta(hours=9, minutes=3), START_NS)
    assert (wrong.next_step or "").startswith("set the PLC's clock")


@pytest.mark.parametrize(
    ("refusal", "bad", "step"),
    [
        (DeviceBusy, "2 of them BAD: A1, A2 (busy)", "the device is busy: try again later"),
        (UnclearRefusal, "1 of them BAD: A2 (busy)", "check their addresses and data types"),
    ],
)
def test_the_doctor_tells_a_busy_device_from_a_bad_address(
    make_source: MakeSource, mocker: MockerFixture, refusal: type[DriverError], bad: str, step: str
) -> None:
    driver = FakeBlockDriver()
    read = driver.read_block

    def refuse_d2(area: str, start: int, units: int) -> bytes:
        if start <= 2 < start + units:
            raise refusal("busy")
        return read(area, start, units)

    mocker.patch.object(driver, "read_block", side_effect=refuse_d2)
    last = list(make_source({"PLC01": driver}, [group("A")]).diagnose())[1]
    assert last.message.endswith(bad)
    assert last.next_step == step


@pytest.mark.parametrize("method", ["connect", "read_block"])
@pytest.mark.parametrize(
    ("error", "step"), [(WrongAnswer, "unit or station number"), (LoginRefused, "user, password and certificate")]
)
def test_the_doctor_says_who_answers_instead(
    make_source: MakeSource, mocker: MockerFixture, method: str, error: type[DeviceUnreachable], step: str
) -> None:
    driver = FakeBlockDriver()
    mocker.patch.object(driver, method, side_effect=error("it answered as unit 255, asked was 1"))
    last = list(make_source({"PLC01": driver}, [group("A"), group("B")]).diagnose())[-1]
    assert (last.subject, last.message) == ("device PLC01", "it answered as unit 255, asked was 1")
    assert step in str(last.next_step)
    assert "firewall" not in str(last.next_step)
