"""A value that does not fit its column costs one row: it goes to the fallback with its reason, the others commit."""

import csv
from pathlib import Path

from plant.process import ModbusPlant
from runs.conftest import Case, Database

from agent_core.testing.agent_process import wait_until

NARROW = """
    CREATE TABLE NARROW (
        tag_name VARCHAR2(100) NOT NULL, tag_value VARCHAR2(7) NOT NULL,
        timestamp TIMESTAMP(6) NOT NULL, quality VARCHAR2(20) NOT NULL,
        CONSTRAINT PK_NARROW PRIMARY KEY (tag_name, timestamp))"""


def rows_in(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def narrow_rows(database: Database) -> int:
    return int(database.server.sql("SELECT COUNT(*) FROM NARROW")[0][0])


def test_rows_that_do_not_fit_go_to_the_fallback_and_the_others_commit(
    case: Case, database: Database, plant: ModbusPlant
) -> None:
    database.server.sql(NARROW)
    plant.tags_csv(case.folder / "tags.csv")
    texts = {tag.name for tag in plant.catalogue.groups[0].tags if tag.name.endswith("STRING")}
    assert texts, "their values have eight characters"
    with case.agent({"PLANT_ADDRESS": plant.address}, database.environ) as agent:
        wait_until(lambda: narrow_rows(database) > 1000, what="rows in the table")
        assert agent.stop() == 0, agent.output

    [file] = case.fallback_files(kind="rejected")
    rejected = rows_in(file)
    assert {row["tag_name"] for row in rejected} == texts
    assert all("ORA-12899" in row["reason"] for row in rejected), rejected[0]["reason"]
    assert not case.fallback_files(kind="backup"), "a row that does not fit stops no other"
    ledger = agent.ledger("warehouse")
    assert ledger["rejected"] == len(rejected)
    assert ledger["delivered"] == narrow_rows(database)
    assert ledger["collected"] == ledger["delivered"] + ledger["rejected"]


def test_good_rows_commit_while_the_fallback_cannot_take_those_that_do_not_fit(
    case: Case, database: Database, plant: ModbusPlant
) -> None:
    database.server.sql(NARROW)
    plant.tags_csv(case.folder / "tags.csv")
    in_the_way = case.folder / "backup"
    in_the_way.write_text("where the fallback wants a folder", encoding="utf-8")
    with case.agent({"PLANT_ADDRESS": plant.address}, database.environ) as agent:
        wait_until(lambda: narrow_rows(database) > 2500, what="several batches in the table, one worker")
        in_the_way.unlink()
        wait_until(lambda: any(in_the_way.rglob("rejected_*")), what="the rejected rows that waited")
        assert agent.stop() == 0, agent.output

    [file] = case.fallback_files(kind="rejected")
    ledger = agent.ledger("warehouse")
    assert ledger["rejected"] == len(rows_in(file)) > 0
    assert ledger["delivered"] == narrow_rows(database)
    assert ledger["collected"] == ledger["delivered"] + ledger["rejected"], "nothing was dropped"
