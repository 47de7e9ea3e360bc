"""The demo line: every tag of demo/line1_tags.csv can be simulated, and the line looks like one."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

from simulator_driver.config import SimulatorDriverConfig
from simulator_driver.driver import SimulatorDriver

from agent_core.api import DataType, TagSpec
from agent_core.testing.clock import ManualClock

TAG_LIST = Path(__file__).parents[3] / "demo" / "line1_tags.csv"


def read_rows() -> list[dict[str, str]]:
    with TAG_LIST.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_every_tag_of_the_demo_line_can_be_simulated() -> None:
    tags = [
        TagSpec(row["name"], row["address"], DataType.parse(row["data_type"]), length_bytes=int(row["length"] or 0))
        for row in read_rows()
    ]
    driver = SimulatorDriver(SimulatorDriverConfig("", 2.0, 1, 0.0), ManualClock())
    for tag in tags:
        driver.check(tag)
        states = tag.address.removeprefix("text:").split(",")[0].split("|")
        assert tag.data_type is not DataType.STRING or max(len(state.encode()) for state in states) <= tag.length_bytes
    assert len(driver.read_items(tags)) == len(tags)


def test_the_demo_line_has_three_groups_and_names_that_occur_once() -> None:
    rows = read_rows()
    groups = Counter(row["group"] for row in rows)
    assert set(groups) == {"LINE1_PROCESS", "LINE1_DRIVES", "LINE1_UTILITIES"}
    assert min(groups.values()) > 50
    assert len({row["name"] for row in rows}) == len(rows)
    assert {DataType.parse(row["data_type"]) for row in rows} >= {DataType.FLOAT32, DataType.BOOL, DataType.STRING}
