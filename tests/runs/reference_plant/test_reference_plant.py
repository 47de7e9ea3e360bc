"""The main job, end to end, on real input: Modbus server -> agent -> Oracle stand-in (not Oracle)."""

import pytest
from plant.catalogue import PlantTag
from plant.process import ModbusPlant
from runs.agent_process import wait_until
from runs.conftest import Case, Database

from agent_core.api import DataType, Value


def value_of(tag: PlantTag, text: str) -> Value:
    """What the plant must have served for the table to hold this text."""
    match tag.data_type:
        case DataType.FLOAT32:
            return float(text)
        case DataType.BOOL:
            return text == "1"
        case DataType.STRING:
            return text
        case _:
            return int(text)


@pytest.mark.parametrize(
    "scans", [pytest.param(3, id="short"), pytest.param(60, id="a_minute", marks=pytest.mark.chaos)]
)
def test_every_collected_value_is_in_the_table_once_as_the_plant_served_it(
    case: Case, database: Database, plant: ModbusPlant, scans: int
) -> None:
    plant.tags_csv(case.folder / "tags.csv")
    with case.agent(PLANT_ADDRESS=plant.address, **database.environ) as agent:
        wait_until(lambda: database.count() >= scans * 3491, seconds=scans * 2 + 20, what=f"{scans} scans in the table")
        assert agent.stop() == 0, agent.output

    rows, collected = database.rows(), case.collected()
    assert sorted(rows) == sorted(collected), "microseconds, texts and qualities are those collected; none is twice"
    ledger = agent.ledger("warehouse")
    assert ledger["collected"] == ledger["delivered"] == len(rows)
    assert ledger["pending"] == ledger["dropped"] == 0

    tags = {tag.name: tag for tag in plant.catalogue.tags}
    compared = plant.log.compare((row.name, value_of(tags[row.name], row.text)) for row in rows)
    assert compared.equal, f"missing {compared.missing.total()}, unexpected {compared.unexpected.total()}"
    assert {row.name for row in rows} == set(tags), "all 3,491 tags"
