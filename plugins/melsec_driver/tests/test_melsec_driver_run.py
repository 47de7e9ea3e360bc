"""``tagferry run`` with a PLC: values as the PLC holds them, through its death and return, in both codes."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from plant.driver_run import DriverRun
from plant.peer import PeerProcess


@pytest.mark.parametrize("code", ["binary", "ascii"])
def test_values_arrive_as_the_plc_holds_them_and_again_after_it_was_dead(tmp_path: Path, code: str) -> None:
    with PeerProcess("mc_responder", tmp_path, "--code", code) as peer:
        text = struct.unpack("<4H", "設備3".encode("shift_jis").ljust(8, b"\0"))
        real = struct.unpack("<2H", struct.pack("<f", 0.1))
        for line in (
            f"set D1000 {real[0]} {real[1]} 2 1",
            f"set D1010 {text[0]} {text[1]} {text[2]} {text[3]}",
            "set W1FF 65535",
        ):
            peer.order(line)
        run = DriverRun(
            tmp_path,
            f'driver: melsec_driver, address: "{peer.address}", data_code: {code}, timeout: 30s',
            "name: REAL, address: D1000, data_type: REAL",
            "name: DWORD, address: D1002, data_type: DWORD",
            "name: SCALED, address: W1FF, data_type: INT, scale: 0.1",
            "name: TEXT, address: D1010, data_type: STRING, length: 8, encoding: shift_jis",
            "name: BIT, address: M100, data_type: BIT",
            "name: MODES, address: M96, data_type: WORD",
            "name: NOWHERE, address: D20480, data_type: WORD",
        )
        modes = sum(((96 + bit + 0x90) % 3 == 0) << bit for bit in range(16))
        expected = {"REAL": "0.1", "DWORD": "65538", "SCALED": "-0.1", "TEXT": "設備3", "BIT": "0", "MODES": str(modes)}
        run.survives_the_death_of(peer, expected)
