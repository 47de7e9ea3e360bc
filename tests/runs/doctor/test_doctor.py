"""``tagferry doctor`` against a real Modbus server and the database (stand-in, not Oracle), healthy and not."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from typing import NamedTuple

import pytest
from oracle_standin.process import Standin
from plant.process import ModbusPlant
from runs.conftest import Case, Database

from agent_core.testing.agent_process import AGENT, wait_until
from agent_core.testing.suite.patience import within


class Report(NamedTuple):
    code: int
    findings: list[dict[str, str]]
    text: str

    def of(self, kind: str, severity: str) -> list[dict[str, str]]:
        return [finding for finding in self.findings if (finding["kind"], finding["severity"]) == (kind, severity)]

    def bad(self) -> list[str]:
        return [f"{finding['kind']}: {finding['message']}" for finding in self.findings if finding["severity"] != "ok"]


def doctor(case: Case, plant_address: str, environ: Mapping[str, str], *arguments: str) -> Report:
    done = subprocess.run(
        [*AGENT, "doctor", "--json", *arguments],
        cwd=case.folder,
        env={**os.environ, **case.environ, "PLANT_ADDRESS": plant_address, **environ},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert done.stderr == "", done.stderr
    return Report(done.returncode, json.loads(done.stdout)["findings"], done.stdout)


def test_where_all_is_well_nothing_failed_and_nothing_is_left_behind(
    case: Case, database: Database, plant: ModbusPlant
) -> None:
    plant.tags_csv(case.folder / "tags.csv")
    before = sorted(case.folder.rglob("*"))
    report = doctor(case, plant.address, database.environ)
    assert report.code == 0, report.bad()
    assert not [finding for finding in report.findings if finding["severity"] == "critical"]
    assert {finding["kind"] for finding in report.findings} == {"agent", "source", "buffer", "sink", "fallback"}
    assert sorted(case.folder.rglob("*")) == before
    assert database.count() == 0, "the trial row was rolled back"
    wait_until(lambda: not database.server.sessions(), what="no session left")


def test_beside_a_running_agent_it_disturbs_nothing(case: Case, database: Database, plant: ModbusPlant) -> None:
    plant.tags_csv(case.folder / "tags.csv")
    with case.agent({"PLANT_ADDRESS": plant.address}, database.environ) as agent:
        wait_until(lambda: database.count() > 0, what="rows in the table")
        report = doctor(case, plant.address, database.environ)
        rows = database.count()
        wait_until(lambda: database.count() > rows, what="more rows in the table")
        assert agent.stop() == 0, agent.output
    assert report.code == 0, report.bad()
    assert "agent: an agent runs with it now" in report.bad()
    assert agent.ledger("warehouse")["dropped"] == 0


def test_everything_that_is_wrong_is_in_one_report(case: Case, database: Database, plant: ModbusPlant) -> None:
    plant.tags_csv(case.folder / "tags.csv")
    database.server.sql("DROP TABLE TAG_DATA")
    (case.folder / "backup").write_text("a file where a folder should be", encoding="utf-8")
    report = doctor(case, "127.0.0.1:1", database.environ)
    assert report.code == 1
    for kind in ("source", "sink", "fallback"):
        assert report.of(kind, "critical"), kind
        assert all(finding["next_step"] for finding in report.of(kind, "critical"))
    assert "CREATE TABLE" in report.of("sink", "critical")[0]["next_step"]


def test_a_wrong_password_is_tried_once_and_not_printed(case: Case, database: Database, plant: ModbusPlant) -> None:
    plant.tags_csv(case.folder / "tags.csv")
    database.server.reset_counters()
    report = doctor(case, plant.address, {**database.environ, "ORACLE_PASSWORD": "nobody-knows"})
    assert report.code == 1
    assert "ORA-01017" in report.of("sink", "critical")[0]["message"]
    assert "nobody-knows" not in report.text
    assert database.server.counters()["bad_logons"] == 1


def black_holed(server: Standin) -> None:
    server.black_hole(True)


def silent_after_log_in(server: Standin) -> None:
    server.fault("execute", "hang", times=0)


@pytest.mark.parametrize("fault", [black_holed, silent_after_log_in])
def test_a_database_that_never_answers_holds_nothing_up(
    case: Case, database: Database, plant: ModbusPlant, fault: object
) -> None:
    plant.tags_csv(case.folder / "tags.csv")
    fault(database.server)  # type: ignore[operator]
    with within(25):
        report = doctor(case, plant.address, database.environ)
    assert report.code == 1
    assert report.of("sink", "critical")
    assert report.of("fallback", "ok"), "the parts behind it are asked, too"


def test_a_check_is_left_behind_when_its_time_is_up(case: Case, database: Database, plant: ModbusPlant) -> None:
    plant.tags_csv(case.folder / "tags.csv")
    database.server.black_hole(True)
    agent_yaml = case.folder / "agent.yaml"
    agent_yaml.write_text(agent_yaml.read_text(encoding="utf-8").replace("login: 2s", "login: 90s"), encoding="utf-8")
    with within(0.3):  # of the process, to its end
        report = doctor(case, plant.address, database.environ, "--timeout", "300ms")
    assert report.code == 1
    assert "did not end within 0.3 s and was left behind" in report.of("sink", "critical")[0]["message"]
