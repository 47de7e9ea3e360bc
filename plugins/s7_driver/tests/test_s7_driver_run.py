"""``tagferry run`` with a PLC: values as the PLC holds them, through its death and return."""

from __future__ import annotations

import struct
from pathlib import Path

from plant.driver_run import DriverRun
from plant.peer import PeerProcess


def test_values_arrive_as_the_plc_holds_them_and_again_after_it_was_dead(tmp_path: Path) -> None:
    with PeerProcess("s7_server", tmp_path) as plc:
        values = struct.pack(">fih", 0.1, -65538, -1) + b"\x08\x05" + "Größe".encode("latin-1")
        plc.order(f"set DB1 1000 {values.hex()}")
        run = DriverRun(
            tmp_path,
            f'driver: s7_driver, address: "{plc.address}", timeout: 30s',
            "name: REAL, address: DB1.DBD1000, data_type: REAL",
            "name: DINT, address: DB1.DBD1004, data_type: DINT",
            "name: SCALED, address: DB1.DBW1008, data_type: INT, scale: 0.1",
            "name: TEXT, address: DB1.STRING1010, data_type: STRING, length: 8, encoding: latin-1",
            "name: BIT, address: M9.3, data_type: BIT",
            "name: NOWHERE, address: DB2.DBW99, data_type: WORD",
        )
        expected = {"REAL": "0.1", "DINT": "-65538", "SCALED": "-0.1", "TEXT": "Größe", "BIT": "1"}
        run.survives_the_death_of(plc, expected)
