"""A PLC that is not there: the agent runs, says so once, reports BAD, and recovers by itself."""

import sqlite3

from plant.process import ModbusPlant
from runs.conftest import Case

from agent_core.testing.agent_process import wait_until


def test_the_agent_starts_without_the_plc_and_reads_it_when_it_comes(case: Case, plant: ModbusPlant) -> None:
    plant.tags_csv(case.folder / "tags.csv")
    tags = len(plant.catalogue.groups[0].tags)
    plant.pause()

    def rows(quality: str) -> int:
        if not (case.folder / "history.db").exists():
            return 0
        connection = sqlite3.connect(case.folder / "history.db")
        try:
            return int(connection.execute("SELECT count(*) FROM TAG_DATA WHERE quality = ?", (quality,)).fetchone()[0])
        except sqlite3.OperationalError:  # the table is not there yet
            return 0
        finally:
            connection.close()

    with case.agent({"PLANT_ADDRESS": plant.address}) as agent:
        agent.wait_for("device unreachable")
        wait_until(lambda: rows("BAD") == tags, what="one BAD row for each tag")
        wait_until(lambda: agent.output.count("records/s") > 20, what="two seconds of running")
        assert agent.output.count("device unreachable") == 1, "said once, not at each try"
        assert rows("BAD") == tags, "bad_records: on_change is one BAD row for each tag"
        plant.resume()
        wait_until(lambda: rows("GOOD") >= 2 * tags, what="GOOD rows after the PLC came back")
        assert agent.stop() == 0, agent.output
    assert agent.ledger("history")["pending"] == 0
