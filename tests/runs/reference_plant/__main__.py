"""The main job as a command: ``make plant``, or ``python -m runs.reference_plant`` with ``PYTHONPATH=tests``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from oracle_standin.process import Standin
from plant.process import ModbusPlant
from runs.conftest import Case, Database
from runs.reference_plant.verdict import verdict


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m runs.reference_plant",
        description="Polls 3,491 tags of a Modbus server each second into a database table, then compares the table "
        "with what the server logged. The database is a stand-in, not Oracle; the driver is the real one.",
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long to collect (default 20)")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder, Standin() as server, ModbusPlant(Path(folder)) as plant:
        case, database = Case(Path(folder) / "run", Path(__file__).parent), Database(server)
        plant.tags_csv(case.folder / "tags.csv")
        print(f"Modbus server on {plant.address}, database on {server.dsn} (stand-in, not Oracle)", flush=True)
        with case.agent({"PLANT_ADDRESS": plant.address}, database.environ, echo=True) as agent:
            end = time.monotonic() + seconds
            while time.monotonic() < end and agent.running():
                time.sleep(0.1)
            code = agent.stop()
        found = verdict(case, database, plant)
        print(found)
        print("every value is in the table once, as it was served" if found.good else "THE TABLE IS WRONG")
        return 0 if found.good and code == 0 else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
