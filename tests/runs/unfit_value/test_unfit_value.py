"""A value that does not fit its column costs one row: it goes to the fallback with its reason, the others commit."""

import csv

from plant.process import ModbusPlant
from runs.agent_process import wait_until
from runs.conftest import Case, Database

NARROW = """
    CREATE TABLE NARROW (
        tag_name VARCHAR2(100) NOT NULL, tag_value VARCHAR2(7) NOT NULL,
        timestamp TIMESTAMP(6) NOT NULL, quality VARCHAR2(20) NOT NULL,
        CONSTRAINT PK_NARROW PRIMARY KEY (tag_name, timestamp))"""


def test_rows_that_do_not_fit_go_to_the_fallback_and_the_others_commit(
    case: Case, database: Database, plant: ModbusPlant
) -> None:
    database.server.sql(NARROW)

    def narrow_rows() -> int:
        return int(database.server.sql("SELECT COUNT(*) FROM NARROW")[0][0])

    plant.tags_csv(case.folder / "tags.csv")
    texts = {tag.name for tag in plant.catalogue.groups[0].tags if tag.name.endswith("STRING")}
    assert texts, "their values have eight characters"
    with case.agent({"PLANT_ADDRESS": plant.address}, database.environ) as agent:
        wait_until(lambda: narrow_rows() > 1000, what="rows in the table")
        assert agent.stop() == 0, agent.output

    [file] = case.fallback_files(kind="rejected")
    with file.open(encoding="utf-8", newline="") as stream:
        rejected = list(csv.DictReader(stream))
    assert {row["tag_name"] for row in rejected} == texts
    assert all("ORA-12899" in row["reason"] for row in rejected), rejected[0]["reason"]
    assert not case.fallback_files(kind="backup"), "a row that does not fit stops no other"
    ledger = agent.ledger("warehouse")
    assert ledger["rejected"] == len(rejected)
    assert ledger["delivered"] == narrow_rows()
    assert ledger["collected"] == ledger["delivered"] + ledger["rejected"]
