"""One dead PLC never slows another: real servers, the real agent, and three ways of being dead."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest
from plant.process import ModbusPlant
from plant.servers.request_log import Outcome
from runs.conftest import Case, Row

from agent_core.api import DataType
from agent_core.testing.agent_process import AgentProcess, wait_until

DEVICES = ("WELL", "SILENT", "GONE", "UNWILLING")
SICK = DEVICES[1:]
TAGS, GROUPS = 40, 2

INTERVAL = 0.2
TIMEOUT = 1.0
LONGEST_PROBE = 1.0
"""``backoff: max``, and ``refused_retry``."""

LEEWAY = 1.0
"""For a machine that is busy with something else."""


@pytest.fixture
def plants(tmp_path: Path) -> Iterator[dict[str, ModbusPlant]]:
    """A server for each device, in a process of its own."""
    with ExitStack() as stack:
        yield {name: stack.enter_context(ModbusPlant(tmp_path, TAGS, GROUPS, name=name.lower())) for name in DEVICES}


def write_tags(plants: dict[str, ModbusPlant], file: Path) -> None:
    """The tags of all devices, each name with its device's before it."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("name", "address", "data_type", "length", "group"))
        for device, plant in plants.items():
            for number, group in enumerate(plant.catalogue.groups, 1):
                for tag in group.tags:
                    length = 8 if tag.data_type is DataType.STRING else ""
                    row = (f"{device}:{tag.name}", tag.address, tag.data_type.value, length, f"{device}_{number}")
                    writer.writerow(row)


def fall_ill(plants: dict[str, ModbusPlant]) -> None:
    plants["SILENT"].hang()
    plants["GONE"].pause()
    plants["UNWILLING"].refuse(0, plants["UNWILLING"].catalogue.registers)


def recover(plants: dict[str, ModbusPlant]) -> None:
    plants["SILENT"].unhang()
    plants["GONE"].resume()
    plants["UNWILLING"].allow()


class Seen:
    """What the agent collected, by device. Times are seconds of the wall clock."""

    def __init__(self, rows: list[Row]) -> None:
        self._rows = rows

    def rows(self, device: str, quality: str, after: float = 0.0, before: float = 1e12) -> list[Row]:
        return [
            row
            for row in self._rows
            if row.name.startswith(f"{device}:") and row.quality == quality and after <= seconds(row) < before
        ]

    def polls(self, device: str, after: float = 0.0, before: float = 1e12) -> list[list[float]]:
        """When each group of the device gave GOOD rows."""
        times: dict[int, set[float]] = {}
        for row in self.rows(device, "GOOD", after, before):
            times.setdefault(int(row.name.split(":T")[1][:5]) * GROUPS // TAGS, set()).add(seconds(row))
        return [sorted(found) for found in times.values()]


def seconds(row: Row) -> float:
    return row.timestamp_us / 1e6


def seen(case: Case) -> Seen:
    return Seen(case.collected() if case.recorded_file.exists() else [])


def all_read_since(case: Case, moment: float) -> bool:
    return all(len(seen(case).polls(device, moment)) == GROUPS for device in DEVICES)


@pytest.mark.parametrize(
    "sick_seconds", [pytest.param(3.0, id="short"), pytest.param(30.0, id="half_a_minute", marks=pytest.mark.chaos)]
)
def test_three_dead_devices_slow_no_other_and_each_is_read_again_when_it_is_back(
    case: Case, plants: dict[str, ModbusPlant], sick_seconds: float
) -> None:
    write_tags(plants, case.folder / "tags.csv")
    with case.agent({name: plant.address for name, plant in plants.items()}) as agent:
        wait_until(lambda: all_read_since(case, 0.0), what="a good poll of every group")
        ill_at = time.time()
        fall_ill(plants)
        time.sleep(sick_seconds)  # the length of the outage is what is tested
        recovers_at = time.time()
        recover(plants)
        well_at = time.time()
        wait_until(lambda: all_read_since(case, well_at), what="a good poll of every group after the outage")
        assert agent.stop() == 0, agent.output
    found = seen(case)
    the_healthy_keep_their_interval(found, ill_at, recovers_at)
    each_tag_is_reported_bad_once(found, ill_at)
    nothing_piles_up(agent, plants, sick_seconds)
    each_is_read_again_within_a_probe(found, well_at)


def the_healthy_keep_their_interval(found: Seen, ill_at: float, recovers_at: float) -> None:
    for times in found.polls("WELL", ill_at, recovers_at):
        wanted = (recovers_at - ill_at) / INTERVAL
        # A poll that had to wait for a dead device would be late by its time-out, most of the time. How exact the
        # schedule is, is for the benchmark to say: a busy machine is late, too, but neither so often nor so much.
        assert len(times) >= 0.5 * wanted - 1, f"{len(times)} polls of {wanted:.0f}"
        errors = sorted(abs(later - earlier - INTERVAL) for earlier, later in pairwise(times))
        assert errors[len(errors) // 2] < 0.5 * TIMEOUT, errors
    assert found.rows("WELL", "BAD") == []


def each_tag_is_reported_bad_once(found: Seen, ill_at: float) -> None:
    """``bad_records: on_change``: one row when it fails, none until it is back, however often the device is tried."""
    for device in SICK:
        bad = Counter(row.name for row in found.rows(device, "BAD"))
        assert len(bad) == TAGS, device
        assert set(bad.values()) == {1}, device
        assert all(row.text == "BAD" for row in found.rows(device, "BAD"))
        assert min(map(seconds, found.rows(device, "BAD"))) >= ill_at - INTERVAL


def nothing_piles_up(agent: AgentProcess, plants: dict[str, ModbusPlant], sick_seconds: float) -> None:
    hung = [request for request in plants["SILENT"].log.requests() if request.outcome is Outcome.HUNG]
    assert 1 <= len(hung) <= sick_seconds / TIMEOUT + 2, "one request at a time, each waited for"
    assert agent.output.count("device unreachable") == 2, "said once of each, not at each try"
    assert agent.output.count("device answers again") == 2
    ledger = agent.ledger("history")
    assert ledger["pending"] == ledger["dropped"] == 0


def each_is_read_again_within_a_probe(found: Seen, well_at: float) -> None:
    longest = {"SILENT": TIMEOUT + LONGEST_PROBE, "GONE": LONGEST_PROBE, "UNWILLING": LONGEST_PROBE + INTERVAL}
    for device in SICK:
        for times in found.polls(device, well_at):
            assert times[0] - well_at <= longest[device] + LEEWAY, device
            first_second = [moment for moment in times if moment < times[0] + 1.0]
            assert len(first_second) <= 1.0 / INTERVAL + 2, "what was missed is polled once, never caught up with"
