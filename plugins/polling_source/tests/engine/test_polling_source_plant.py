"""The whole source against a real Modbus server in a process of its own, in real time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
from modbus_driver.plugin import agent_register_driver
from plant.process import ModbusPlant
from polling_source.config import NO_PACE, PollingSourceConfig
from polling_source.source import PollingSource

from agent_core.api import BAD, GOOD, Batch, ComponentContext, Severity, Value
from agent_core.testing.suite.patience import PATIENCE_SECONDS, within

INTERVAL = 0.1


class Receiver:
    """What was emitted, by any thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.batches: list[Batch] = []

    def __call__(self, batch: Batch) -> None:
        with self._changed:
            self.batches.append(batch)
            self._changed.notify_all()

    def wait_for(self, met: Callable[[list[Batch]], bool], real_seconds: float = PATIENCE_SECONDS) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: met(self.batches), real_seconds), "nothing of the kind was emitted"

    def wait_for_more(self, count: int, real_seconds: float = PATIENCE_SECONDS) -> None:
        wanted = len(self.batches) + count
        self.wait_for(lambda batches: len(batches) >= wanted, real_seconds)

    def good_rows(self) -> list[tuple[str, Value]]:
        return [
            (record.name, record.value)
            for batch in self.batches
            for record in batch.records()
            if record.quality == GOOD
        ]

    def bad_names(self) -> list[str]:
        return [record.name for batch in self.batches for record in batch.records() if record.quality == BAD]


@pytest.fixture
def size() -> int:
    """How many tags the plant has. A group takes two requests; one in a smaller plant."""
    return 350


@pytest.fixture
def plant(tmp_path: Path, size: int) -> Iterator[ModbusPlant]:
    with ModbusPlant(tmp_path, tags=size, groups=3) as plant:
        yield plant


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def make_source(plant: ModbusPlant, tmp_path: Path) -> Iterator[Callable[..., PollingSource]]:
    """Makes open sources that poll the plant as ``groups`` say; closes them at the end."""
    settings = {
        "address": plant.address,
        "unit_id": 1,
        "word_order": "big",
        "byte_order": "big",
        "address_base": 0,
        "max_registers": 125,
        "max_bits": 2000,
        "max_gap": 16,
    }
    made: list[PollingSource] = []

    def make(*groups: dict[str, object], timeout: float = PATIENCE_SECONDS) -> PollingSource:
        device = {
            "id": "PLC01",
            "driver": "modbus_driver",
            "allow_writes": True,
            "connections": 1,
            **asdict(NO_PACE),
            **settings,
        }
        config = {
            "devices": [{**device, "timeout": timeout}],
            "groups": [{"device": "PLC01", "mode": "fixed", **group} for group in groups],
            "wrong_tags": "refuse",
            "bad_records": "on_change",
            "backoff": {"initial": 0.05, "max": 0.2},
            "refused_retry": 0.5,
            "max_groups": 10,
        }
        drivers = {"modbus_driver": agent_register_driver()}
        context = ComponentContext("line1", "agent", tmp_path, "polling_source", drivers=drivers)
        made.append(PollingSource(PollingSourceConfig.from_config(config), context))
        made[-1].open()
        return made[-1]

    yield make
    for source in made:
        source.close()


@pytest.fixture
def timeout() -> float:
    """Of the driver; a test of a server that is silent has a shorter one."""
    return PATIENCE_SECONDS


@pytest.fixture
def source(
    plant: ModbusPlant, tmp_path: Path, receiver: Receiver, make_source: Callable[..., PollingSource], timeout: float
) -> PollingSource:
    """Polls every group of the plant every 100 ms, and has begun to."""
    tags = plant.tags_csv(tmp_path / "tags.csv")
    groups = ({"id": group.name, "interval": INTERVAL, "tags_from": tags} for group in plant.catalogue.groups)
    source = make_source(*groups, timeout=timeout)
    source.start(receiver)
    return source


def test_every_value_that_was_served_is_emitted_once_and_no_other(
    plant: ModbusPlant, source: PollingSource, receiver: Receiver
) -> None:
    receiver.wait_for_more(15)
    source.stop(PATIENCE_SECONDS)
    comparison = plant.log.compare(receiver.good_rows())
    assert comparison.equal
    assert comparison.served >= 15 * 116
    assert receiver.bad_names() == []


# A poll that fails at its second request does not emit what it was served at the first, so these have one each.
@pytest.mark.parametrize("size", [150])
def test_a_server_that_goes_away_costs_one_bad_row_a_tag_and_comes_back_by_itself(
    plant: ModbusPlant, source: PollingSource, receiver: Receiver, size: int
) -> None:
    receiver.wait_for_more(6)
    plant.pause()
    receiver.wait_for(lambda batches: sum(batch.qualities.count(BAD) for batch in batches) >= size)
    plant.resume()
    receiver.wait_for_more(9)
    source.stop(PATIENCE_SECONDS)
    assert sorted(receiver.bad_names()) == sorted(tag.name for tag in plant.catalogue.tags)
    assert plant.log.compare(receiver.good_rows()).equal


@pytest.mark.parametrize(("size", "timeout"), [(150, 2.0)])
def test_a_server_that_hangs_is_given_up_after_the_time_out_and_comes_back(
    plant: ModbusPlant, source: PollingSource, receiver: Receiver, size: int
) -> None:
    receiver.wait_for_more(3)
    plant.hang()
    receiver.wait_for(lambda batches: sum(batch.qualities.count(BAD) for batch in batches) >= size)
    plant.unhang()
    before = len(receiver.batches)
    receiver.wait_for(lambda batches: any(set(batch.qualities) == {GOOD} for batch in batches[before:]))
    source.stop(PATIENCE_SECONDS)
    assert plant.log.compare(receiver.good_rows()).equal


def test_registers_that_are_refused_cost_their_own_tags_only(
    plant: ModbusPlant, source: PollingSource, receiver: Receiver
) -> None:
    receiver.wait_for_more(3)
    lost = [plant.catalogue.tags[20], plant.catalogue.tags[200]]
    for tag in lost:
        plant.refuse(tag.register)
    receiver.wait_for(lambda batches: len(receiver.bad_names()) >= 2)
    receiver.wait_for_more(6)
    plant.allow()
    names = {tag.name for tag in lost}
    before = len(receiver.batches)
    receiver.wait_for(lambda batches: names <= {name for batch in batches[before:] for name in batch.names})
    source.stop(PATIENCE_SECONDS)
    assert sorted(receiver.bad_names()) == sorted(names)
    comparison = plant.log.compare(receiver.good_rows())
    assert not comparison.unexpected
    # To find out whether two pieces can be read as one again, they are read twice in a poll.
    assert set(comparison.missing) <= set(receiver.good_rows())


def test_registers_that_get_no_answer_cost_their_own_tags_only(
    plant: ModbusPlant, tmp_path: Path, receiver: Receiver, make_source: Callable[..., PollingSource]
) -> None:
    tags = plant.tags_csv(tmp_path / "tags.csv")
    groups = [{"id": group.name, "interval": INTERVAL, "tags_from": tags} for group in plant.catalogue.groups[:2]]
    names = {tag.name for group in plant.catalogue.groups[:2] for tag in group.tags}
    lost = plant.catalogue.groups[1].tags[20]
    source = make_source(*groups, timeout=0.3)
    source.start(receiver)
    receiver.wait_for_more(3)
    plant.silence(lost.register)

    def qualities(batches: list[Batch]) -> dict[str, int]:
        return {row.name: row.quality for batch in batches for row in batch.records()}

    def all_but_one_is_good(batches: list[Batch]) -> bool:
        found = qualities(batches)
        return {name for name, quality in found.items() if quality == BAD} == {lost.name}

    receiver.wait_for(lambda batches: list(qualities(batches).values()).count(BAD) > 1)
    receiver.wait_for(all_but_one_is_good)
    receiver.wait_for_more(3)
    plant.allow()
    receiver.wait_for(lambda batches: qualities(batches) == dict.fromkeys(names, GOOD))


def test_stopping_takes_no_longer_than_a_poll_and_ends_the_threads(source: PollingSource, receiver: Receiver) -> None:
    receiver.wait_for_more(3)
    with within(INTERVAL):
        source.stop(PATIENCE_SECONDS)
    count = len(receiver.batches)
    source.stop(PATIENCE_SECONDS)
    source.close()
    source.close()
    assert len(receiver.batches) == count
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("poll ")]


def test_a_source_starts_again_after_it_was_stopped(source: PollingSource, receiver: Receiver) -> None:
    receiver.wait_for_more(3)
    source.stop(PATIENCE_SECONDS)
    source.start(receiver)
    receiver.wait_for_more(3)


def test_a_trigger_is_answered_with_the_tags_that_were_read(
    plant: ModbusPlant, tmp_path: Path, receiver: Receiver, make_source: Callable[..., PollingSource]
) -> None:
    tags = plant.tags_csv(tmp_path / "tags.csv")
    group = plant.catalogue.groups[0]
    source = make_source({"id": group.name, "mode": "handshake", "tags_from": tags})
    source.start(receiver)
    with within(0.5):
        result = source.trigger_group(group.name)
    assert (result.success, result.tags_read) == (True, len(group.tags))
    source.stop(PATIENCE_SECONDS)
    assert plant.log.compare(receiver.good_rows()).equal


def test_a_trigger_bit_starts_a_poll_and_is_reset_afterwards(
    plant: ModbusPlant, tmp_path: Path, receiver: Receiver, make_source: Callable[..., PollingSource]
) -> None:
    tags = plant.tags_csv(tmp_path / "tags.csv")
    group = plant.catalogue.groups[0]
    bit = {"interval": 0.05, "trigger": {"address": "co:100", "reset": True}}
    plant.set_coil(100, False)
    source = make_source({"id": group.name, "mode": "handshake", "tags_from": tags, **bit})
    source.start(receiver)
    for count in (1, 2, 3):
        plant.set_coil(100, True)
        receiver.wait_for(lambda batches, wanted=count: len(batches) >= wanted)  # type: ignore[misc]
        plant.wait_for_coil(100, False)
    source.stop(PATIENCE_SECONDS)
    assert len(receiver.batches) == 3
    assert plant.log.compare(receiver.good_rows()).equal


def test_the_doctor_finds_the_plant_well(
    plant: ModbusPlant, tmp_path: Path, make_source: Callable[..., PollingSource]
) -> None:
    tags = plant.tags_csv(tmp_path / "tags.csv")
    group = plant.catalogue.groups[0]
    source = make_source({"id": group.name, "interval": 1.0, "tags_from": tags})
    findings = list(source.diagnose())
    assert {finding.severity for finding in findings} == {Severity.OK}
    assert findings[1].message.startswith("116 tags in ")
    assert findings[2].message.startswith("slowest of 2 requests: ")


def test_the_doctor_names_bad_addresses_and_a_device_that_does_not_answer(
    plant: ModbusPlant, tmp_path: Path, make_source: Callable[..., PollingSource]
) -> None:
    tags = plant.tags_csv(tmp_path / "tags.csv")
    first, second = plant.catalogue.groups[:2]
    groups = ({"id": group.name, "interval": 1.0, "tags_from": tags} for group in (first, second))
    source = make_source(*groups, timeout=2.0)
    lost = first.tags[7]
    plant.refuse(lost.register)
    findings = {finding.subject: finding for finding in source.diagnose() if finding.severity is not Severity.OK}
    assert list(findings) == [f"group {first.name}"]
    message = findings[f"group {first.name}"].message
    assert f"1 of them BAD: {lost.name} (hr:{lost.register}: exception 2 (illegal data address))" in message
    plant.hang()
    last = list(source.diagnose())[-1]
    assert (last.severity, last.subject, last.message) == (Severity.CRITICAL, "device PLC01", "it does not answer")
    plant.pause()
    (last,) = source.diagnose()
    assert (last.severity, last.subject) == (Severity.CRITICAL, "device PLC01")
    assert last.message.startswith("cannot connect")


def test_connections_that_the_device_closes_between_polls_cost_no_record(
    plant: ModbusPlant, receiver: Receiver, source: PollingSource
) -> None:
    for _ in range(3):
        receiver.wait_for_more(3)  # each over the connection that is there
        plant.drop()
    receiver.wait_for_more(3)
    source.stop(PATIENCE_SECONDS)
    assert receiver.bad_names() == []
