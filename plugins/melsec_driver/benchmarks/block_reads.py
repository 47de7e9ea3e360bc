"""CPU and time of reading 3,491 REALs from a PLC: planned blocks, one request a tag, and raw client libraries.

The PLC is the responder of ``tests/plant`` in a process of its own (its time is part of the scan time, not of the
CPU), so run it with ``PYTHONPATH=tests``. All read the same blocks in the same run; the best of the rounds counts,
since other load on the machine only ever adds. The raw libraries return Python ints that are not yet REALs.

``--limit 1.3`` exits with 1 when the driver needs more CPU for the same blocks than that times the fastest library.
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

import pymcprotocol  # type: ignore[import-untyped]
import slmp
from melsec_driver.plugin import create
from plant.peer import PeerProcess
from polling_source.block_reader import BlockReader
from polling_source.plan import ReadPlan

from agent_core.api import ComponentContext, DataType, TagSpec

TAGS = 3_491
ROUNDS = 30
ROUNDS_PER_TAG = 2


def settings(address: str, code: str) -> dict[str, object]:
    """The schema's defaults, converted as the core does."""
    return {
        "address": address,
        "data_code": code,
        "plc_series": "q",
        "timeout": 5.0,
        "network_no": 0,
        "pc_no": 255,
        "module_io": 1023,
        "module_station_no": 0,
        "monitoring_timer": 1.0,
        "word_order": "little",
        "bit_access": "words",
        "zr_numbers": "decimal",
        "fx5_ascii_xy": "octal",
        "write_word_bits": False,
        "max_words": 960,
        "max_gap": 64,
    }


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


def measure(code: str, folder: Path) -> float:
    """Measure and print one data code; the driver's CPU as a multiple of the fastest library's."""
    with PeerProcess("mc_responder", folder, "--code", code) as peer:
        reals = struct.pack(f"<{TAGS}f", *(20 + number / 10 for number in range(TAGS)))
        peer.order("set D0 " + " ".join(str(word) for word in struct.unpack(f"<{2 * TAGS}H", reals)))
        context = ComponentContext("PLC01", "bench", folder, logging.getLogger("melsec_driver"))
        driver = create(settings(peer.direct_address, code), context)
        tags = [TagSpec(f"T{number:04}", f"D{2 * number}", DataType.FLOAT32) for number in range(TAGS)]
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

        raw = pymcprotocol.Type3E()
        raw.setaccessopt(commtype=code)
        raw.connect("127.0.0.1", peer.direct_port)

        def pymcprotocol_blocks() -> None:
            for block in plan.blocks:
                assert len(raw.batchread_wordunits(f"D{block.start}", block.units)) == block.units

        rows.append(("pymcprotocol, the same blocks", *best(pymcprotocol_blocks, ROUNDS)))
        raw.close()
        if code == "binary":  # plc-comm-slmp has no ASCII code
            target = slmp.SlmpTarget(network=0, station=0xFF, module_io=0x03FF, multidrop=0)
            with slmp.SlmpClient(
                "127.0.0.1", peer.direct_port, transport="tcp", default_target=target, plc_profile="melsec:qnudv"
            ) as client:

                def slmp_blocks() -> None:
                    for block in plan.blocks:
                        assert len(client.read_devices(f"D{block.start}", block.units, bit_unit=False)) == block.units

                rows.append(("plc-comm-slmp, the same blocks", *best(slmp_blocks, ROUNDS)))
        driver.close()

    base_cpu, base_wall = rows[0][1:]
    print(f"{code}: {TAGS} REALs in {len(plan.blocks)} requests")
    for name, cpu, wall in rows:
        print(
            f"  {name:32} {cpu / TAGS * 1e6:8.3f} ms CPU per 1,000 tags ({cpu / base_cpu:6.2f})"
            f"   scan {wall * 1e3:8.2f} ms ({wall / base_wall:6.2f})"
        )
    return base_cpu / min(cpu for name, cpu, _ in rows if name.endswith("the same blocks"))


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
        ratios = {code: measure(code, Path(folder)) for code in ("binary", "ascii")}
    for code, ratio in ratios.items():
        print(f"{code}: the driver needs {ratio:.2f} of the CPU of the fastest raw library on the same blocks")
    return 1 if arguments.limit and max(ratios.values()) > arguments.limit else 0


if __name__ == "__main__":
    sys.exit(main())
