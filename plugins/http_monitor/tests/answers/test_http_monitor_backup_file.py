"""Files of rejected records: looked at, taken away, deleted."""

from __future__ import annotations

from pathlib import Path

import pytest
from monitored.running import Monitored

from agent_core.api import BacklogFile

REJECTED = "rejected_20260101_000000.csv"
BACKUP = "backup_20260101_000000.csv"
TEXT = "timestamp,tag_name\n1,A\n2,B\n3,C\n"


@pytest.fixture
def with_files(monitored: Monitored, tmp_path: Path) -> Monitored:
    for name in (REJECTED, BACKUP):
        (tmp_path / name).write_text(TEXT, encoding="utf-8")
    monitored.agent.files = {
        "warehouse": [
            BacklogFile(REJECTED, 30, 3, rejected=True, path=tmp_path / REJECTED),
            BacklogFile(BACKUP, 30, 3, rejected=False, path=tmp_path / BACKUP),
        ]
    }
    return monitored


def test_a_file_can_be_exported_and_its_first_records_looked_at(with_files: Monitored) -> None:
    path = f"/api/sinks/warehouse/backups/{REJECTED}"
    whole = with_files.client.get(path)
    assert (whole.status, whole.text) == (200, TEXT)
    assert REJECTED in whole.headers["content-disposition"]
    head = with_files.client.get(f"{path}?records=2")
    assert (head.status, head.text) == (200, "timestamp,tag_name\n1,A\n2,B\n")


@pytest.mark.parametrize("name", ["other.csv", "..%2Fagent.yaml", "%2Fetc%2Fpasswd"])
def test_no_other_file_can_be_read(with_files: Monitored, tmp_path: Path, name: str) -> None:
    (tmp_path / "other.csv").write_text("secret")
    assert with_files.client.get(f"/api/sinks/warehouse/backups/{name}").status == 404


def test_a_file_that_is_gone_is_not_found(with_files: Monitored, tmp_path: Path) -> None:
    (tmp_path / REJECTED).unlink()
    assert with_files.client.get(f"/api/sinks/warehouse/backups/{REJECTED}").status == 404
    assert with_files.client.get(f"/api/sinks/warehouse/backups/{REJECTED}?records=1").status == 404
    assert with_files.client.get(f"/api/sinks/other/backups/{REJECTED}").status == 404


def test_rejected_records_are_deleted_and_counted_in_the_events(with_files: Monitored) -> None:
    answer = with_files.client.post(f"/api/sinks/warehouse/backups/{REJECTED}/delete")
    assert (answer.status, answer.json()["records"]) == (200, 3)
    assert with_files.agent.deleted == [("warehouse", REJECTED)]
    [event, *_] = with_files.client.get("/api/events").json()["events"]
    assert event["kind"] == "operator_action"
    assert event["message"].startswith(f"delete_rejected {REJECTED} by ")
    assert event["records"] == 3
    assert with_files.client.get("/api/backups").json()["rejected_files"] == 0, "at once, not with the next look"


def test_good_records_cannot_be_deleted(with_files: Monitored) -> None:
    answer = with_files.client.post(f"/api/sinks/warehouse/backups/{BACKUP}/delete")
    assert (answer.status, "good records" in answer.json()["detail"]) == (409, True)
    assert with_files.client.post("/api/sinks/warehouse/backups/other.csv/delete").status == 404
