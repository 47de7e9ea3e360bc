"""``agent run`` with a PLC: values as the PLC holds them, through its death and return, in both codes."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

import pytest
from plant.peer import PeerProcess
from runs.agent_process import AgentProcess, wait_until

CONFIGURATION = """\
sources:
  - id: line1
    type: polling_source
    config:
      backoff: {{initial: 100ms, max: 200ms}}
      devices:
        - {{id: PLC01, driver: melsec_driver, address: "{address}", data_code: {code}, timeout: 500ms}}
      groups:
        - id: PRESS
          device: PLC01
          interval: 100ms
          tags:
            - {{name: REAL, address: D1000, data_type: REAL}}
            - {{name: DWORD, address: D1002, data_type: DWORD}}
            - {{name: SCALED, address: W1FF, data_type: INT, scale: 0.1}}
            - {{name: TEXT, address: D1010, data_type: STRING, length: 8, encoding: shift_jis}}
            - {{name: BIT, address: M100, data_type: BIT}}
            - {{name: MODES, address: M96, data_type: WORD}}
            - {{name: NOWHERE, address: D20480, data_type: WORD}}
sinks:
  - {{id: history, type: sqlite_sink, config: {{path: history.db}}, batch: {{max_wait: 100ms}}}}
"""


@pytest.mark.parametrize("code", ["binary", "ascii"])
def test_values_arrive_as_the_plc_holds_them_and_again_after_it_was_dead(tmp_path: Path, code: str) -> None:
    file = tmp_path / "history.db"

    def rows(name: str, quality: str = "GOOD") -> list[str]:
        if not file.exists():
            return []
        connection = sqlite3.connect(file)
        try:
            query = "SELECT tag_value FROM TAG_DATA WHERE tag_name = ? AND quality = ?"
            return [str(row[0]) for row in connection.execute(query, (name, quality))]
        except sqlite3.OperationalError:  # the table is not there yet
            return []
        finally:
            connection.close()

    with PeerProcess("mc_responder", tmp_path, "--code", code) as peer:
        text = struct.unpack("<4H", "設備3".encode("shift_jis").ljust(8, b"\0"))
        real = struct.unpack("<2H", struct.pack("<f", 0.1))
        for line in (
            f"set D1000 {real[0]} {real[1]} 2 1",
            f"set D1010 {text[0]} {text[1]} {text[2]} {text[3]}",
            "set W1FF 65535",
        ):
            peer.order(line)
        configuration = CONFIGURATION.format(address=peer.address, code=code)
        (tmp_path / "agent.yaml").write_text(configuration, encoding="utf-8")
        with AgentProcess(tmp_path / "agent.yaml") as agent:
            wait_until(lambda: len(rows("REAL")) > 1, what="rows")
            assert set(rows("REAL")) == {"0.1"}
            assert set(rows("DWORD")) == {"65538"}
            assert set(rows("SCALED")) == {"-0.1"}
            assert set(rows("TEXT")) == {"設備3"}
            assert set(rows("BIT")) == {"0"}
            assert set(rows("MODES")) == {str(sum(((96 + bit + 0x90) % 3 == 0) << bit for bit in range(16)))}
            assert rows("NOWHERE", "BAD")
            assert not rows("NOWHERE")
            peer.kill()
            wait_until(lambda: bool(rows("REAL", "BAD")), what="a BAD row for the dead PLC")
            before = len(rows("REAL"))
            peer.start()
            wait_until(lambda: len(rows("REAL")) > before, what="GOOD rows after its return")
            assert agent.stop() == 0, agent.output
        assert agent.ledger("history")["pending"] == 0
