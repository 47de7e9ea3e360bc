"""ScanTimes: what a scan costs a driver, beside raw client libraries that read the same in the same run.

For the benchmarks of the drivers. The best of the rounds counts, since other load on the machine only ever adds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from polling_source.reading.block_reader import BlockReader
from polling_source.reading.plan import ReadPlan

from agent_core.api import BlockDriver, TagSpec

ROUNDS = 30
ROUNDS_PER_TAG = 2


class Cost(NamedTuple):
    """Of one scan, in seconds: this process's CPU, and the time that passed."""

    cpu: float
    elapsed: float


def fastest(scan: Callable[[], object], rounds: int = ROUNDS) -> Cost:
    """The best of the rounds, each figure by itself, after one round to warm up."""
    scan()
    costs = []
    for _ in range(rounds):
        cpu, elapsed = time.process_time(), time.perf_counter()
        scan()
        costs.append(Cost(time.process_time() - cpu, time.perf_counter() - elapsed))
    return Cost(min(cost.cpu for cost in costs), min(cost.elapsed for cost in costs))


class ScanTimes:
    """The ways to read ``tags`` tags. The first one is the driver's, which the others are compared with."""

    def __init__(self, tags: int) -> None:
        self._tags = tags
        self._ways: dict[str, Cost] = {}
        self._raw: list[Cost] = []

    def add(self, way: str, cost: Cost) -> None:
        """One way of the driver's."""
        self._ways[way] = cost

    def add_raw(self, way: str, cost: Cost) -> None:
        """A raw library, which sent the same requests."""
        self._ways[way] = cost
        self._raw.append(cost)

    def add_blocks(self, driver: BlockDriver, tags: Sequence[TagSpec]) -> ReadPlan:
        """Measure a block driver: blocks as the engine plans them, with decoding, and one request a tag."""
        plan = ReadPlan(driver, tags, [driver.locate(tag) for tag in tags])
        reader = BlockReader(driver, plan, 60.0)

        def blocks() -> None:
            for block in plan.blocks:
                driver.read_block(block.area, block.start, block.units)

        def engine() -> None:
            reading = reader.read(time.monotonic(), time.time_ns())
            assert reading.error is None
            assert len(reading.values) == len(tags)
            for block in reader._blocks:  # or it would not decode again what the PLC still holds
                block._last_data = b""

        def each_tag() -> None:
            for point in plan.points:
                driver.read_block(point.area, point.start, point.units)

        self.add("driver, planned blocks", fastest(blocks))
        self.add("  and decoded by the engine", fastest(engine))
        self.add("driver, one request a tag", fastest(each_tag, ROUNDS_PER_TAG))
        return plan

    def report(self, title: str) -> float:
        """Print them all; returns the driver's CPU as a multiple of the fastest raw library's."""
        own = next(iter(self._ways.values()))
        print(title)
        for way, cost in self._ways.items():
            print(
                f"  {way:32} {cost.cpu / self._tags * 1e6:8.3f} ms CPU per 1,000 tags ({cost.cpu / own.cpu:6.2f})"
                f"   scan {cost.elapsed * 1e3:8.2f} ms ({cost.elapsed / own.elapsed:6.2f})"
            )
        return own.cpu / min(cost.cpu for cost in self._raw)


def verdict(description: str | None, measure: Callable[[], Mapping[str, float]]) -> int:
    """Parse the command line, measure, print each ratio; the exit code is 1 when one is above ``--limit``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--limit", type=float, default=0.0, help="exit with 1 above this ratio to the raw library")
    limit = parser.parse_args().limit
    ratios = measure()
    for what, ratio in ratios.items():
        print(f"{what}: the driver needs {ratio:.2f} of the CPU of the fastest raw library for the same requests")
    return 1 if limit and max(ratios.values()) > limit else 0
