"""CPU and time of reading 3,491 REALs from a PLC: planned blocks, one request a tag, and raw client libraries.

The PLC is the responder of ``kits/plant`` in a process of its own (its time is part of the scan time, not of the
CPU). All read the same blocks in the same run; the best of the rounds counts,
since other load on the machine only ever adds. The raw libraries return Python ints that are not yet REALs.

``--limit 1.3`` exits with 1 when the driver needs more CPU for the same blocks than that times the fastest library.
"""

from __future__ import annotations

import struct
import sys
import tempfile
from pathlib import Path

import pymcprotocol  # type: ignore[import-untyped]
import slmp
from melsec_driver.plugin import create
from plant.peer import PeerProcess
from plant.scan_times import ScanTimes, fastest, verdict

from agent_core.api import ComponentContext, DataType, TagSpec
from agent_core.testing.settings import settings_of

TAGS = 3_491


def measure(code: str, folder: Path) -> float:
    """Measure and print one data code; the driver's CPU as a multiple of the fastest library's."""
    with PeerProcess("mc_responder", folder, "--code", code) as peer:
        reals = struct.pack(f"<{TAGS}f", *(20 + number / 10 for number in range(TAGS)))
        peer.order("set D0 " + " ".join(str(word) for word in struct.unpack(f"<{2 * TAGS}H", reals)))
        context = ComponentContext("PLC01", "bench", folder, "melsec_driver")
        driver = create(settings_of("melsec_driver", address=peer.direct_address, data_code=code, timeout=5.0), context)
        tags = [TagSpec(f"T{number:04}", f"D{2 * number}", DataType.FLOAT32) for number in range(TAGS)]
        times = ScanTimes(TAGS)
        plan = times.add_blocks(driver, tags)

        raw = pymcprotocol.Type3E()
        raw.setaccessopt(commtype=code)
        raw.connect("127.0.0.1", peer.direct_port)

        def pymcprotocol_blocks() -> None:
            for block in plan.blocks:
                assert len(raw.batchread_wordunits(f"D{block.start}", block.units)) == block.units

        times.add_raw("pymcprotocol, the same blocks", fastest(pymcprotocol_blocks))
        raw.close()
        if code == "binary":  # plc-comm-slmp has no ASCII code
            target = slmp.SlmpTarget(network=0, station=0xFF, module_io=0x03FF, multidrop=0)
            with slmp.SlmpClient(
                "127.0.0.1", peer.direct_port, transport="tcp", default_target=target, plc_profile="melsec:qnudv"
            ) as client:

                def slmp_blocks() -> None:
                    for block in plan.blocks:
                        assert len(client.read_devices(f"D{block.start}", block.units, bit_unit=False)) == block.units

                times.add_raw("plc-comm-slmp, the same blocks", fastest(slmp_blocks))
        driver.close()

    return times.report(f"{code}: {TAGS} REALs in {len(plan.blocks)} requests")


def measure_codes() -> dict[str, float]:
    """Both data codes."""
    with tempfile.TemporaryDirectory() as folder:
        return {code: measure(code, Path(folder)) for code in ("binary", "ascii")}


if __name__ == "__main__":
    sys.exit(verdict(__doc__, measure_codes))
