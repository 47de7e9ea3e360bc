"""CPU and time of reading 3,491 REALs from a PLC: planned blocks, one request a tag, and the raw client library.

The PLC is the python-snap7 server of ``kits/plant`` in a process of its own (its time is part of the scan time, not of
the CPU). All read the same blocks in the same run; the best of the rounds counts,
since other load on the machine only ever adds.

``--limit 1.3`` exits with 1 when the driver needs more CPU for the same blocks than that times the raw library.
"""

from __future__ import annotations

import struct
import sys
import tempfile
from pathlib import Path

from plant.peer import PeerProcess
from plant.scan_times import ScanTimes, fastest, verdict
from s7_driver.plugin import create
from snap7 import Client
from snap7.type import Parameter

from agent_core.api import ComponentContext, DataType, TagSpec
from agent_core.testing.settings import settings_of

TAGS = 3_491


def measure(pdu_size: int, folder: Path) -> float:
    """Measure and print one PDU size; the driver's CPU as a multiple of the raw library's."""
    with PeerProcess("s7_server", folder, "--pdu", str(pdu_size)) as plc:
        reals = struct.pack(f">{TAGS}f", *(20 + number / 10 for number in range(TAGS)))
        plc.order(f"set DB1 0 {reals.hex()}")
        context = ComponentContext("PLC01", "bench", folder, "s7_driver")
        driver = create(settings_of("s7_driver", address=plc.direct_address, pdu_size=pdu_size, timeout=5.0), context)
        tags = [TagSpec(f"T{number:04}", f"DB1.DBD{4 * number}", DataType.FLOAT32) for number in range(TAGS)]
        times = ScanTimes(TAGS)
        plan = times.add_blocks(driver, tags)
        driver.close()

        client = Client()
        client.set_param(Parameter.PDURequest, pdu_size)
        host, _, port = plc.direct_address.partition(":")
        client.connect(host, 0, 1, int(port))

        def raw_blocks() -> None:
            for block in plan.blocks:
                assert len(client.db_read(1, block.start, block.units)) == block.units

        times.add_raw("python-snap7, the same blocks", fastest(raw_blocks))
        client.disconnect()

    return times.report(f"PDU of {pdu_size} bytes: {TAGS} REALs in {len(plan.blocks)} requests")


def measure_sizes() -> dict[str, float]:
    """The PDU sizes that CPUs agree to."""
    with tempfile.TemporaryDirectory() as folder:
        return {f"PDU of {pdu_size} bytes": measure(pdu_size, Path(folder)) for pdu_size in (240, 480, 960)}


if __name__ == "__main__":
    sys.exit(verdict(__doc__, measure_sizes))
