"""The main job, end to end, on real input: Modbus server -> agent -> Oracle stand-in (not Oracle)."""

import pytest
from plant.process import ModbusPlant
from runs.conftest import Case, Database
from runs.reference_plant.verdict import verdict

from agent_core.testing.agent_process import wait_until
from agent_core.testing.suite.patience import PROCESS_SECONDS


@pytest.mark.parametrize(
    "scans", [pytest.param(3, id="short"), pytest.param(60, id="a_minute", marks=pytest.mark.chaos)]
)
def test_every_collected_value_is_in_the_table_once_as_the_plant_served_it(
    case: Case, database: Database, plant: ModbusPlant, scans: int
) -> None:
    plant.tags_csv(case.folder / "tags.csv")
    with case.agent({"PLANT_ADDRESS": plant.address}, database.environ) as agent:
        wait_until(
            lambda: database.count() >= scans * 3491,
            seconds=scans * 2 + PROCESS_SECONDS,
            what=f"{scans} scans in the table",
        )
        assert agent.stop() == 0, agent.output

    found = verdict(case, database, plant)
    assert found.good, found
    assert found.tags == 3491
    ledger = agent.ledger("warehouse")
    assert ledger["collected"] == ledger["delivered"] == found.collected
    assert ledger["pending"] == ledger["dropped"] == 0
