"""``agent run`` with a server: values with its own times and qualities, through its death and return."""

from __future__ import annotations

import sqlite3
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
        - {{id: PLC01, driver: opcua_driver, address: "opc.tcp://{address}/plant", timeout: 1s,
           user: operator, password: "${{OPCUA_PASSWORD}}"}}
      groups:
        - id: FILLER
          device: PLC01
          interval: 100ms
          tags:
            - {{name: REAL, address: "nsu=urn:plant;s=Float", data_type: REAL}}
            - {{name: TEXT, address: "nsu=urn:plant;s=String", data_type: STRING, length: 40}}
            - {{name: SCALED, address: "nsu=urn:plant;s=Int16", data_type: INT, scale: 0.1}}
            - {{name: DOUBTFUL, address: "nsu=urn:plant;s=Byte", data_type: WORD}}
            - {{name: NOWHERE, address: "nsu=urn:plant;s=Nowhere", data_type: REAL}}
sinks:
  - {{id: history, type: sqlite_sink, config: {{path: history.db}}, batch: {{max_wait: 100ms}}}}
"""


def test_values_arrive_as_the_server_has_them_and_again_after_it_was_dead(tmp_path: Path, server: PeerProcess) -> None:
    file = tmp_path / "history.db"

    def rows(name: str, quality: str = "GOOD") -> list[tuple[str, str]]:
        if not file.exists():
            return []
        connection = sqlite3.connect(file)
        try:
            query = "SELECT tag_value, timestamp FROM TAG_DATA WHERE tag_name = ? AND quality = ?"
            return [(str(value), stamp) for value, stamp in connection.execute(query, (name, quality))]
        except sqlite3.OperationalError:  # the table is not there yet
            return []
        finally:
            connection.close()

    server.order("set Float Float 0.1")
    server.order("time Float 134110512001234560")
    server.order("status Byte 40000000")
    (tmp_path / "agent.yaml").write_text(CONFIGURATION.format(address=server.address), encoding="utf-8")
    with AgentProcess(tmp_path / "agent.yaml", {"OPCUA_PASSWORD": "s3cret"}) as agent:
        wait_until(lambda: bool(rows("REAL")), what="rows")
        assert rows("REAL") == [("0.1", "2025-12-24T12:00:00.123456000Z")], "its own time: one row, however often read"
        assert rows("TEXT")[0][0] == "설비 1"
        assert rows("SCALED")[0][0] == "-30.0"
        assert rows("DOUBTFUL", "UNCERTAIN")[0][0] == "200"
        assert rows("NOWHERE", "BAD")
        server.kill()
        wait_until(lambda: bool(rows("REAL", "BAD")), what="a BAD row for the dead server")
        server.start()
        server.order("set Float Float 2.5")
        wait_until(lambda: rows("REAL")[-1][0] == "2.5", what="GOOD rows after its return")
        assert agent.stop() == 0, agent.output
        assert "s3cret" not in agent.output
    assert agent.ledger("history")["pending"] == 0
