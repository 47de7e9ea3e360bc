"""CPU and time of reading 3,491 floats from a server: large requests, one request a tag, and the raw client library.

The server is the asyncua server of ``kits/plant`` in a process of its own (its time is part of the scan time, not of
the CPU). All read the same items in the same requests in the same run; the best of
the rounds counts, since other load on the machine only ever adds. The raw library returns values in their envelopes.

``--limit 1.3`` exits with 1 when the driver needs more CPU for the same requests than that times the raw library.
"""

# asyncua's annotations want types of its own where it takes plain ones, and do not export what its documentation uses.
# mypy: disable-error-code="arg-type, attr-defined"

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from asyncua import Client, ua
from opcua_driver.plugin import create
from plant.peer import PeerProcess
from plant.scan_times import Cost, ScanTimes, fastest, verdict
from polling_source.reading.item_reader import ItemReader

from agent_core.api import ComponentContext, DataType, TagSpec
from agent_core.testing.settings import settings_of

TAGS = 3_491
ROUNDS = 15
ROUNDS_PER_TAG = 1


def raw_reads(url: str, chunks: Sequence[Sequence[str]]) -> Cost:
    """The best of as many scans with asyncua alone, in this thread's own loop."""

    async def measure_raw() -> Cost:
        async with Client(url, timeout=20) as client:
            namespace = await client.get_namespace_index("urn:plant")
            requests = []
            for names in chunks:
                parameters = ua.ReadParameters(TimestampsToReturn=ua.TimestampsToReturn.Source)
                for name in names:
                    node_id = ua.NodeId(name, namespace)
                    parameters.NodesToRead.append(ua.ReadValueId(NodeId=node_id, AttributeId=ua.AttributeIds.Value))
                requests.append(parameters)
            cpu, wall = [], []
            for _ in range(ROUNDS + 1):
                start_cpu, start = time.process_time(), time.perf_counter()
                for parameters in requests:
                    assert len(await client.uaclient.read(parameters)) == len(parameters.NodesToRead)
                cpu.append(time.process_time() - start_cpu)
                wall.append(time.perf_counter() - start)
            return Cost(min(cpu), min(wall))

    return asyncio.run(measure_raw())


def measure(max_items: int, server: PeerProcess, folder: Path) -> float:
    """Measure and print one size of requests; the driver's CPU as a multiple of the raw library's."""
    url = f"opc.tcp://{server.direct_address}/plant"
    context = ComponentContext("PLC01", "bench", folder, "opcua_driver")
    driver = create(settings_of("opcua_driver", address=url, max_items=max_items, timeout=20.0), context)
    names = [f"T{number:05}" for number in range(TAGS)]
    tags = [TagSpec(name, f"nsu=urn:plant;s={name}", DataType.FLOAT32) for name in names]
    chunks = [tags[start : start + max_items] for start in range(0, TAGS, max_items)]
    reader = ItemReader(driver, tags, 60.0)

    def engine() -> None:
        reading = reader.read(time.monotonic(), time.time_ns())
        assert reading.error is None
        assert not reading.bad

    def requests() -> None:
        for chunk in chunks:
            driver.read_items(chunk)

    def each_tag() -> None:
        for tag in tags:
            driver.read_items([tag])

    times = ScanTimes(TAGS)
    times.add("driver, planned requests", fastest(requests, ROUNDS))
    times.add("  through the engine", fastest(engine, ROUNDS))
    if max_items == 1000:
        times.add("driver, one request a tag", fastest(each_tag, ROUNDS_PER_TAG))
    driver.close()
    times.add_raw("asyncua, the same requests", raw_reads(url, [[tag.name for tag in chunk] for chunk in chunks]))
    return times.report(f"{max_items} items a request: {TAGS} floats in {len(chunks)} requests")


def measure_sizes() -> dict[str, float]:
    """Small requests and large ones."""
    logging.getLogger("asyncua").setLevel(logging.CRITICAL)
    with (
        tempfile.TemporaryDirectory() as folder,
        PeerProcess("opcua_server", Path(folder), "--tags", str(TAGS)) as server,
    ):
        return {f"{size} items a request": measure(size, server, Path(folder)) for size in (100, 1000)}


if __name__ == "__main__":
    sys.exit(verdict(__doc__, measure_sizes))
