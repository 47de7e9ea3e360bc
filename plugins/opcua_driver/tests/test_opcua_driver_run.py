"""``tagferry run`` with a server: values with its own times and qualities, through its death and return."""

from __future__ import annotations

from pathlib import Path

from plant.driver_run import DriverRun
from plant.peer import PeerProcess

from agent_core.testing.agent_process import wait_until


def test_values_arrive_as_the_server_has_them_and_again_after_it_was_dead(tmp_path: Path, server: PeerProcess) -> None:
    server.order("set Float Float 0.1")
    server.order("time Float 134110512001234560")
    server.order("status Byte 40000000")
    run = DriverRun(
        tmp_path,
        f'driver: opcua_driver, address: "opc.tcp://{server.address}/plant", timeout: 30s, '
        'user: operator, password: "${OPCUA_PASSWORD}"',
        'name: REAL, address: "nsu=urn:plant;s=Float", data_type: REAL',
        'name: TEXT, address: "nsu=urn:plant;s=String", data_type: STRING, length: 40',
        'name: SCALED, address: "nsu=urn:plant;s=Int16", data_type: INT, scale: 0.1',
        'name: DOUBTFUL, address: "nsu=urn:plant;s=Byte", data_type: WORD',
        'name: NOWHERE, address: "nsu=urn:plant;s=Nowhere", data_type: REAL',
    )
    with run.agent({"OPCUA_PASSWORD": "s3cret"}) as agent:
        wait_until(lambda: bool(run.rows("REAL")), what="rows")
        assert run.rows("REAL") == [("0.1", "2025-12-24T12:00:00.123456000Z")], "its own time: one row, however often"
        assert run.values("TEXT") == {"설비 1"}
        assert run.values("SCALED") == {"-30.0"}
        assert run.values("DOUBTFUL", "UNCERTAIN") == {"200"}
        assert run.rows("NOWHERE", "BAD")
        server.kill()
        wait_until(lambda: bool(run.rows("REAL", "BAD")), what="a BAD row for the dead server")
        server.start()
        server.order("set Float Float 2.5")
        wait_until(lambda: run.rows("REAL")[-1][0] == "2.5", what="GOOD rows after its return")
        assert agent.stop() == 0, agent.output
        assert "s3cret" not in agent.output
    assert agent.ledger("history")["pending"] == 0
