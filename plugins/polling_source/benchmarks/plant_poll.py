"""The reference plant, 3,491 tags of one Modbus server in 10 groups: cost and time of a scan, and the keeping of time.

One scan is read in three ways, in one run on loopback: by the engine (block reads, decoded into batches), by a bare
pymodbus client that asks for the same blocks and decodes nothing, and by one that asks for each tag. Every value
changes from scan to scan, which is the engine's worst case. The server is a process of its own, so its CPU is not
counted; the best of the rounds counts, since other load on the machine only ever adds. Then the groups are polled
every second for a while, and the times between the beginnings of a group's polls compared with a second.

``--maximum-ratio 3`` exits with 1 when the engine needs more than that many times the
CPU of the bare client, ``--maximum-error 10`` when the 99th percentile of the error is above that percentage.
"""

from __future__ import annotations

import argparse
import logging
import math
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from modbus_driver.plugin import agent_register_driver
from plant.process import ModbusPlant
from plant.scan_times import fastest
from polling_source.config import BackoffConfig, PollingSourceConfig
from polling_source.engine.clock_jump import ClockJump
from polling_source.engine.device import DeviceWorker
from polling_source.lineup import Lineup
from polling_source.reading.block_reader import BlockReader
from polling_source.reading.plan import Block
from pymodbus.client import ModbusTcpClient

from agent_core.api import Batch, ComponentContext, Log, SystemClock

ROUNDS = 9
INTERVAL_SECONDS = 1.0
DEVICE = {
    "allow_writes": False,
    "connections": 1,
    "close_after_poll": False,
    "pause_between_requests": 0.0,
    "reconnect_delay": 0.0,
    "unit_id": 1,
    "timeout": 2.0,
    "word_order": "big",
    "byte_order": "big",
    "address_base": 0,
    "max_registers": 125,
    "max_bits": 2000,
    "max_gap": 16,
}


def lineup_for(plant: ModbusPlant, folder: Path) -> Lineup:
    tags = plant.tags_csv(folder / "tags.csv")
    config = {
        "devices": [{"id": "PLC01", "driver": "modbus_driver", "address": plant.address, **DEVICE}],
        "groups": [
            {"id": group.name, "device": "PLC01", "mode": "fixed", "interval": INTERVAL_SECONDS, "tags_from": tags}
            for group in plant.catalogue.groups
        ],
        "wrong_tags": "refuse",
        "bad_records": "on_change",
        "backoff": {"initial": 1.0, "max": 30.0},
        "refused_retry": 60.0,
        "max_groups": 10,
    }
    drivers = {"modbus_driver": agent_register_driver()}
    context = ComponentContext("line1", "bench", folder, "polling_source", drivers=drivers)
    return Lineup.of(PollingSourceConfig.from_config(config), context)


def compare_scans(plant: ModbusPlant, folder: Path) -> float:
    """Prints the three ways; returns the engine's CPU as a ratio to the bare client's."""
    lineup = lineup_for(plant, folder)
    blocks: list[Block] = []
    for group in lineup.groups:
        assert isinstance(group.reader, BlockReader)
        blocks.extend(group.reader.read_plan.blocks)
    client = ModbusTcpClient("127.0.0.1", port=plant.port, retries=0)
    rows = 0

    def engine() -> None:
        nonlocal rows
        rows = sum(len(group.poll(time.monotonic(), time.time_ns())[1]) for group in lineup.groups)

    def bare() -> None:
        for block in blocks:
            assert not client.read_holding_registers(block.start, count=block.units).isError()

    def each_tag() -> None:
        for tag in plant.catalogue.tags:
            assert not client.read_holding_registers(tag.register, count=tag.registers).isError()

    found = {"engine": fastest(engine, ROUNDS), "same blocks, bare client": fastest(bare, ROUNDS)}
    found["one request per tag"] = fastest(each_tag, 2)
    client.close()  # type: ignore[no-untyped-call]
    lineup.connections[0].driver.close()
    assert rows == len(plant.catalogue.tags)
    print(f"{rows:,} tags in {len(blocks)} requests")
    own = found["engine"]
    for name, cost in found.items():
        print(
            f"{name:26}{cost.cpu / rows * 1e6:7.2f} ms CPU per 1,000 tags {cost.elapsed * 1000:8.1f} ms a scan; "
            f"the engine needs {own.cpu / cost.cpu:6.3f} of its CPU, {own.elapsed / cost.elapsed:6.3f} of its time"
        )
    return own.cpu / found["same blocks, bare client"].cpu


def keep_time(plant: ModbusPlant, folder: Path, seconds: float) -> float:
    """Prints how well the polls kept their interval; returns the 99th percentile of the error in percent of it."""
    lineup = lineup_for(plant, folder)
    groups = {group.id: group for group in lineup.groups}
    times: dict[str, list[int]] = {id_: [] for id_ in groups}

    def receive(batch: Batch) -> None:
        id_ = batch.segments[0].origin.group
        begun_ns = groups[id_].status(0.0, False).last_poll_ns
        assert begun_ns is not None
        times[id_].append(begun_ns)

    clock, log = SystemClock(), Log("polling_source")
    jump, backoff = ClockJump(clock, log), BackoffConfig(1.0, 30.0)
    worker = DeviceWorker("PLC01", lineup.connections[0].link, lineup.groups, backoff, clock, jump, log)
    cpu, begun = time.process_time(), time.monotonic()
    worker.start(receive)
    time.sleep(seconds)
    worker.stop()
    worker.join(5.0)
    share = (time.process_time() - cpu) / (time.monotonic() - begun)
    errors = sorted(
        abs((later - earlier) / 1e9 - INTERVAL_SECONDS)
        for stamps in times.values()
        for earlier, later in pairwise(stamps)
    )
    percentile = errors[int(len(errors) * 0.99)]
    print(
        f"{len(errors):,} intervals of {INTERVAL_SECONDS:g} s: error median {errors[len(errors) // 2] * 1000:.2f} ms, "
        f"99th percentile {percentile * 1000:.2f} ms ({percentile / INTERVAL_SECONDS:.2%}), "
        f"largest {errors[-1] * 1000:.2f} ms; "
        f"missed {sum(group.missed for group in worker.groups)}; CPU {share:.1%} of a core"
    )
    return percentile / INTERVAL_SECONDS * 100


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to keep time (default 20)")
    parser.add_argument("--maximum-ratio", type=float, default=math.inf)
    parser.add_argument("--maximum-error", type=float, default=math.inf, help="percent of the interval")
    arguments = parser.parse_args()
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder, ModbusPlant(Path(folder)) as plant:
        ratio = compare_scans(plant, Path(folder))
        error = keep_time(plant, Path(folder), arguments.seconds)
    return 1 if ratio > arguments.maximum_ratio or error > arguments.maximum_error else 0


if __name__ == "__main__":
    sys.exit(main())
