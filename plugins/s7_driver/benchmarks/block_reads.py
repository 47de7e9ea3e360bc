"""CPU and time of reading 3,491 REALs from a PLC: planned blocks, one request a tag, and the raw client library.

The PLC is the python-snap7 server of ``tests/plant`` in a process of its own (its time is part of the scan time, not of
the CPU), so run it with ``PYTHONPATH=tests``. All read the same blocks in the same run; the best of the rounds counts,
since other load on the machine only ever adds.

``--limit 1.3`` exits with 1 when the driver needs more CPU for the same blocks than that times the raw library.
"""

from __future__ import annotations

import argparse
import logging
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from plant.peer import PeerProcess
from polling_source.block_reader import BlockReader
from polling_source.plan import ReadPlan
from s7_driver.plugin import create
from snap7 import Client
from snap7.type import Parameter

from agent_core.api import ComponentContext, DataType, TagSpec

TAGS = 3_491
ROUNDS = 30
ROUNDS_PER_TAG = 2


SETTINGS = {
    "rack": 0,
    "slot": 1,
    "connection_type": "pg",
    "timeout": 5.0,
    "max_gap": 32,
}
"""The schema's defaults, converted as the core does, without address and PDU size."""


def best(scan: Callable[[], None], rounds: int) -> tuple[float, float]:
    """CPU seconds and seconds of the fastest scan."""
    scan()
    cpu, wall = [], []
    for _ in range(rounds):
        start_cpu, start = time.process_time(), time.perf_counter()
        scan()
        cpu.append(time.process_time() - start_cpu)
        wall.append(time.perf_counter() - start)
    return min(cpu), min(wall)


def measure(pdu_size: int, folder: Path) -> float:
    """Measure and print one PDU size; the driver's CPU as a multiple of the raw library's."""
    with PeerProcess("s7_server", folder, "--pdu", str(pdu_size)) as plc:
        reals = struct.pack(f">{TAGS}f", *(20 + number / 10 for number in range(TAGS)))
        plc.order(f"set DB1 0 {reals.hex()}")
        context = ComponentContext("PLC01", "bench", folder, logging.getLogger("s7_driver"))
        driver = create({**SETTINGS, "address": plc.direct_address, "pdu_size": pdu_size}, context)
        tags = [TagSpec(f"T{number:04}", f"DB1.DBD{4 * number}", DataType.FLOAT32) for number in range(TAGS)]
        plan = ReadPlan(driver, tags, [driver.locate(tag) for tag in tags])
        reader = BlockReader(driver, plan, 60.0)

        def engine() -> None:
            reading = reader.read(time.monotonic(), time.time_ns())
            assert reading.error is None
            assert len(reading.values) == TAGS
            forget_decoded(reader)

        def blocks() -> None:
            for block in plan.blocks:
                driver.read_block(block.area, block.start, block.units)

        def each_tag() -> None:
            for point in plan.points:
                driver.read_block(point.area, point.start, point.units)

        rows = [
            ("driver, planned blocks", *best(blocks, ROUNDS)),
            ("  and decoded by the engine", *best(engine, ROUNDS)),
            ("driver, one request a tag", *best(each_tag, ROUNDS_PER_TAG)),
        ]
        driver.close()

        client = Client()
        client.set_param(Parameter.PDURequest, pdu_size)
        host, _, port = plc.direct_address.partition(":")
        client.connect(host, 0, 1, int(port))

        def raw_blocks() -> None:
            for block in plan.blocks:
                assert len(client.db_read(1, block.start, block.units)) == block.units

        rows.append(("python-snap7, the same blocks", *best(raw_blocks, ROUNDS)))
        client.disconnect()

    base_cpu, base_wall = rows[0][1:]
    print(f"PDU of {pdu_size} bytes: {TAGS} REALs in {len(plan.blocks)} requests")
    for name, cpu, wall in rows:
        print(
            f"  {name:32} {cpu / TAGS * 1e6:8.3f} ms CPU per 1,000 tags ({cpu / base_cpu:6.2f})"
            f"   scan {wall * 1e3:8.2f} ms ({wall / base_wall:6.2f})"
        )
    return base_cpu / rows[-1][1]


def forget_decoded(reader: BlockReader) -> None:
    """Make the engine decode every block again although the PLC holds the same."""
    for block in reader._blocks:
        block._last_data = b""


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--limit", type=float, default=0.0, help="exit with 1 above this ratio to the raw library")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ratios = {pdu_size: measure(pdu_size, Path(folder)) for pdu_size in (240, 480, 960)}
    for pdu_size, ratio in ratios.items():
        print(f"PDU of {pdu_size} bytes: the driver needs {ratio:.2f} of the raw library's CPU on the same blocks")
    return 1 if arguments.limit and max(ratios.values()) > arguments.limit else 0


if __name__ == "__main__":
    sys.exit(main())
