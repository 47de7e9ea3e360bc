"""Replaying from the page, in a real Chromium, over a real agent of two sources and two sinks."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from monitored.browser import PHONE, TOKEN, WALL, OpenPage, free_port, picture
from monitored.running import Served
from playwright.sync_api import FloatRect, Page, expect

from agent_core.api import BacklogFile
from agent_core.testing.agent_process import AgentProcess

pytestmark = pytest.mark.browser

PLANT = """
agent: {{name: Plant, state_dir: state}}
sources:
  - id: line1
    type: polling_source
    config:
      devices: [{{id: LINE1, driver: simulator_driver}}]
      groups:
        - {{id: FILLER, device: LINE1, interval: 500ms, tags: [{{name: SPEED, address: "sine:", data_type: float32}}]}}
  - id: utilities
    type: polling_source
    config:
      devices: [{{id: CHILLER, driver: simulator_driver}}]
      groups:
        - id: COOLING
          device: CHILLER
          interval: 500ms
          tags: [{{name: CHILLER_TEMPERATURE, address: "sine:min=4,max=8", data_type: float32}}]
buffer: {{type: memory_buffer, config: {{capacity: 20000}}}}
sinks:
  - id: warehouse
    type: sqlite_sink
    inputs: [line1]
    config: {{path: data.db, synchronous: normal}}
    fallback: {{type: csv_sink, config: {{directory: backup, max_file_age: 1s}}, replay: "off"}}
  - id: archive
    type: csv_sink
    config: {{directory: archive}}
    fallback: {{type: csv_sink, config: {{directory: backup-archive}}, replay: "off"}}
extensions:
  - {{type: http_monitor, config: {{listen: "127.0.0.1:{port}", token: "${{MONITOR_TOKEN}}"}}}}
"""
"""One sink has a unique key, the other has none; nothing is replayed automatically."""
HEADER = "timestamp,tag_name,tag_value,value_type,quality,source,device,group,insertion_attempt_time,reason"


def write_backup(folder: Path, name: str, *values: float, seconds: int = 0) -> None:
    """A file as csv_sink leaves it, with the values of a tag called OLD, one a second."""
    lines = [
        f"2026-01-01T00:00:{second:02}.000000000Z,OLD,{value},float,GOOD,line1,LINE1,FILLER,2026-01-01T00:01:00.000000000Z,"
        for second, value in enumerate(values, seconds)
    ]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join([HEADER, *lines, ""]), encoding="utf-8")


@dataclass
class Plant:
    """A running agent of two sources and two sinks, with files to replay."""

    agent: AgentProcess
    folder: Path
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def old_values(self) -> list[float]:
        """Those of the tag OLD in the warehouse's table, by time."""
        with closing(sqlite3.connect(self.folder / "data.db")) as table:
            return [
                value for (value,) in table.execute("SELECT tag_value FROM TAG_DATA WHERE tag_name = 'OLD' ORDER BY 1")
            ]

    def forget_old(self) -> None:
        """What an operator does who mends the cause: take the rows out that stand in the way."""
        with closing(sqlite3.connect(self.folder / "data.db")) as table, table:
            table.execute("DELETE FROM TAG_DATA WHERE tag_name = 'OLD'")


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder, port = tmp_path_factory.mktemp("plant"), free_port()
    (folder / "agent.yaml").write_text(PLANT.format(port=port), encoding="utf-8")
    write_backup(folder / "backup" / "warehouse", "backup_20260101_000000.csv", 1.5, 2.5, 3.5)
    write_backup(folder / "backup" / "warehouse", "rejected_20260101_000003.csv", 9.5, 9.5, 4.5, seconds=1)
    write_backup(folder / "backup-archive" / "archive", "backup_20260101_000000.csv", 7.5)
    with AgentProcess(folder / "agent.yaml", {"MONITOR_TOKEN": TOKEN}) as agent:
        agent.wait_for("agent started")
        yield Plant(agent, folder, port)


def give_token(page: Page, token: str = TOKEN) -> None:
    expect(page.locator("#token-dialog")).to_be_visible()
    page.locator("#token-input").fill(token)
    page.keyboard.press("Enter")


def box_of(page: Page, selector: str) -> FloatRect:
    box = page.locator(selector).bounding_box()
    assert box is not None, selector
    return box


def test_each_source_is_joined_to_the_sinks_that_it_feeds(open_page: OpenPage, plant: Plant) -> None:
    page = open_page(plant.url)
    lines = page.locator(".wire.moving")
    expect(lines).to_have_count(3)
    expect(page.locator(".lane .from")).to_have_text(["from line1", "from every source"])
    expect(page.locator(".pipeline > .flow")).not_to_be_visible()
    joints = ["line1 > warehouse", "line1 > archive", "utilities > archive"]
    for viewport in (WALL, PHONE):
        page.set_viewport_size(viewport)
        for joint in joints:
            source, sink = joint.split(" > ")
            from_box = box_of(page, f".stack > [data-key={source}]")
            to_box = box_of(page, f".lane[data-key={sink}] .buffer")
            tip = page.locator(f".wire[data-key='{joint}'] .tip").bounding_box()
            pipe = page.locator(f".wire[data-key='{joint}'] .pipe").bounding_box()
            assert tip is not None
            assert pipe is not None
            assert tip["x"] + tip["width"] == pytest.approx(to_box["x"], abs=2), "it ends at the buffer"
            assert to_box["y"] < tip["y"] < to_box["y"] + to_box["height"]
            near_top = min(pipe["y"], tip["y"]), max(pipe["y"] + pipe["height"], tip["y"])
            assert near_top[0] <= from_box["y"] + from_box["height"] / 2 + 2
            assert near_top[1] >= from_box["y"] + from_box["height"] / 2 - 2, "and begins at the source"
            assert pipe["x"] >= 0
    picture(page, "plant-phone", whole=True)


def test_a_waiting_backup_goes_in_by_the_button(open_page: OpenPage, plant: Plant) -> None:
    page = open_page(plant.url)
    file = page.locator("#backups [data-key='warehouse/backup_20260101_000000.csv']")
    expect(file).to_contain_text("waits for you: replay is off")
    expect(file.locator(".about")).to_contain_text(re.compile(r"^warehouse · 3 records · \d+ B · from .+, .+ ago$"))
    picture(page, "plant")
    page.keyboard.press("r")
    page.keyboard.press("Escape")
    button = page.get_by_role("button", name="Replay backup_20260101_000000.csv into warehouse")
    button.focus()
    page.keyboard.press("Enter")
    give_token(page, "wrong")
    expect(page.locator("#token-error")).to_have_text("The token is wrong. Try again.")
    assert plant.old_values() == []
    give_token(page)
    expect(page.locator(".toast")).to_contain_text("backup_20260101_000000.csv will be replayed next")
    expect(page.locator("#events")).to_contain_text("backup_20260101_000000.csv was replayed: 3 inserted")
    expect(file).to_have_count(0)
    assert plant.old_values() == [1.5, 2.5, 3.5]
    done = (
        "action=replay_backup target=warehouse/backup_20260101_000000.csv by=token client=127.0.0.1 note=- outcome=done"
    )
    assert done in plant.agent.output


def test_rejected_records_go_in_once_the_table_takes_them(open_page: OpenPage, plant: Plant) -> None:
    page = open_page(plant.url, PHONE)
    page.get_by_role("button", name="Replay rejected_20260101_000003.csv into warehouse").click()
    dialog = page.locator("#confirm-dialog")
    expect(dialog).to_contain_text("Records that it rejects again go to a new file")
    picture(page, "confirm")
    dialog.get_by_role("button", name="Cancel").click()
    expect(page.locator("#token-dialog")).not_to_be_visible()
    page.get_by_role("button", name="Replay rejected_20260101_000003.csv into warehouse").click()
    dialog.get_by_role("button", name="Replay").click()
    give_token(page)
    expect(page.locator("#events")).to_contain_text("rejected_20260101_000003.csv was replayed: 1 inserted, 2 rejected")
    expect(page.locator("#rejected")).to_contain_text("OLD = 9.5")
    again = page.locator("#backups [data-key^='warehouse/rejected_']")
    expect(again).to_have_count(1)
    expect(again).to_contain_text("rejected for their content")
    plant.forget_old()
    again.get_by_role("button", name="Replay").click()
    dialog.get_by_role("button", name="Replay").click()
    expect(page.locator("#events")).to_contain_text("was replayed: 2 inserted")
    expect(again).to_have_count(0)
    assert plant.old_values() == [9.5, 9.5]


def test_a_replay_that_would_be_refused_says_why_before_anybody_asks(open_page: OpenPage, plant: Plant) -> None:
    page = open_page(plant.url)
    file = page.locator("#backups [data-key^='archive/']")
    button = file.get_by_role("button", name="Replay")
    expect(file.locator(".how")).to_contain_text(re.compile("^archive .*replay"))
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_accessible_name(re.compile("not possible, archive "))
    expect(button).to_have_attribute("title", re.compile("tagferry replay --accept-duplicates"))
    button.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".toast", has_text="is not replayed")).to_be_visible()
    assert "target=archive" not in plant.agent.output
    picture(page, "refused", whole=True)


def test_rejected_records_are_looked_at_exported_and_deleted(
    open_page: OpenPage, served: Served, tmp_path: Path
) -> None:
    name = "rejected_20260101_000000.csv"
    path = tmp_path / name
    path.write_text(
        "timestamp,tag_name,tag_value,quality,group,reason\n"
        '2026-01-01T00:00:00Z,OLD,"a, ""b""\nc",GOOD,G,"rejected: ORA-12899: too large"\n',
        encoding="utf-8",
    )
    served.agent.files = {"warehouse": [BacklogFile(name, path.stat().st_size, 1, rejected=True, path=path)]}
    page = open_page(f"http://127.0.0.1:{served.port}/")
    page.get_by_role("button", name=f"Look into {name}").click()
    dialog = page.locator("#file-dialog")
    expect(dialog.locator("th")).to_have_text(["timestamp", "tag name", "tag value", "quality", "group", "reason"])
    expect(dialog.locator("tbody tr")).to_have_count(1)
    expect(dialog.locator("tbody td").nth(2)).to_have_text('a, "b"\nc')
    expect(dialog.locator("tbody td").nth(5)).to_have_text("rejected: ORA-12899: too large")
    picture(page, "rejected-file")
    dialog.get_by_role("button", name="Close").click()
    with page.expect_download() as exported:
        page.get_by_role("button", name=f"Export {name}").click()
    assert Path(exported.value.path()).read_bytes() == path.read_bytes()
    confirm = page.locator("#confirm-dialog")
    page.get_by_role("button", name=f"Delete {name}").click()
    expect(confirm).to_contain_text("rejected 1 record in it")
    confirm.get_by_role("button", name="Delete").click()
    expect(confirm).to_contain_text("1 record of rejected_20260101_000000.csv cannot be brought back")
    assert served.agent.deleted == [], "asked twice"
    confirm.get_by_role("button", name="Delete permanently").click()
    expect(page.locator(".toast")).to_contain_text("is deleted, with 1 rejected record")
    assert served.agent.deleted == [("warehouse", name)]
    expect(page.locator("#backups .backup")).to_have_count(0)
