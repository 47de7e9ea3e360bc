"""``agent run`` with a PLC: values as the PLC holds them, through its death and return."""

from __future__ import annotations

import sqlite3
import struct
from pathlib import Path

from plant.peer import PeerProcess
from runs.agent_process import AgentProcess, wait_until

CONFIGURATION = """\
sources:
  - id: line1
    type: polling_source
    config:
      backoff: {{initial: 100ms, max: 200ms}}
      devices:
        - {{id: PLC01, driver: s7_driver, address: "{address}", timeout: 500ms}}
      groups:
        - id: MIXER
          device: PLC01
          interval: 100ms
          tags:
            - {{name: REAL, address: DB1.DBD1000, data_type: REAL}}
            - {{name: DINT, address: DB1.DBD1004, data_type: DINT}}
            - {{name: SCALED, address: DB1.DBW1008, data_type: INT, scale: 0.1}}
            - {{name: TEXT, address: DB1.STRING1010, data_type: STRING, length: 8, encoding: latin-1}}
            - {{name: BIT, address: M9.3, data_type: BIT}}
            - {{name: NOWHERE, address: DB2.DBW99, data_type: WORD}}
sinks:
  - {{id: history, type: sqlite_sink, config: {{path: history.db}}, batch: {{max_wait: 100ms}}}}
"""


def test_values_arrive_as_the_plc_holds_them_and_again_after_it_was_dead(tmp_path: Path) -> None:
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

    with PeerProcess("s7_server", tmp_path) as peer:
        values = struct.pack(">fih", 0.1, -65538, -1) + b"\x08\x05" + "Größe".encode("latin-1")
        peer.order(f"set DB1 1000 {values.hex()}")
        (tmp_path / "agent.yaml").write_text(CONFIGURATION.format(address=peer.address), encoding="utf-8")
        with AgentProcess(tmp_path / "agent.yaml") as agent:
            wait_until(lambda: len(rows("REAL")) > 1, what="rows")
            assert set(rows("REAL")) == {"0.1"}
            assert set(rows("DINT")) == {"-65538"}
            assert set(rows("SCALED")) == {"-0.1"}
            assert set(rows("TEXT")) == {"Größe"}
            assert set(rows("BIT")) == {"1"}
            assert rows("NOWHERE", "BAD")
            assert not rows("NOWHERE")
            peer.kill()
            wait_until(lambda: bool(rows("REAL", "BAD")), what="a BAD row for the dead PLC")
            before = len(rows("REAL"))
            peer.start()
            wait_until(lambda: len(rows("REAL")) > before, what="GOOD rows after its return")
            assert agent.stop() == 0, agent.output
        assert agent.ledger("history")["pending"] == 0
