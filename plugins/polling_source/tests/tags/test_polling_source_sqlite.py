"""Groups and tags from a plant's own SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from polling_source.config import BackoffConfig, BadRecords, CatalogConfig, DeviceConfig, PollingSourceConfig, WrongTags
from polling_source.source import PollingSource
from polling_source.tags.catalog import Catalog

from agent_core.api import DataType, GroupMode
from agent_core.testing.fake_drivers import FakeBlockDriver

MakeSource = Callable[..., PollingSource]

SCHEMA = """
CREATE TABLE lines (id INTEGER PRIMARY KEY, line_code TEXT);
CREATE TABLE processes (id INTEGER PRIMARY KEY, process_code TEXT);
CREATE TABLE plc_connections (id INTEGER PRIMARY KEY, plc_code TEXT, ip_address TEXT, port INTEGER,
    network_no INTEGER, station_no INTEGER, enabled INTEGER);
CREATE TABLE polling_groups (id INTEGER PRIMARY KEY, group_name TEXT, line_code TEXT, process_code TEXT,
    plc_id INTEGER, mode TEXT, interval_ms INTEGER, trigger_bit_address TEXT, trigger_bit_offset INTEGER,
    auto_reset_trigger INTEGER, priority TEXT, enabled INTEGER);
CREATE TABLE tags (id INTEGER PRIMARY KEY, plc_id INTEGER, tag_address TEXT, tag_name TEXT, tag_division TEXT,
    data_type TEXT, unit TEXT, scale REAL, machine_code TEXT, polling_group_id INTEGER, enabled INTEGER);
"""

PLANT = """
INSERT INTO plc_connections VALUES (1, 'PLC01', '10.0.0.1', 5010, 0, 255, 1), (2, 'PLC02', '10.0.0.2', 5010, 0, 255, 1),
    (3, 'OLD', '10.0.0.3', 5010, 0, 255, 0);
INSERT INTO polling_groups VALUES
    (10, 'PROCESS1', 'L1', 'P1', 1, 'FIXED', 1000, NULL, NULL, 0, 'NORMAL', 1),
    (11, 'ORDER', 'L1', 'P1', 1, 'HANDSHAKE', 500, 'M100', 0, 1, 'HIGH', 1),
    (12, 'LOT', 'L1', 'P2', 2, 'handshake', 250, 'D200', 3, 0, 'HIGH', 1),
    (13, 'BUTTON', 'L1', 'P2', 2, 'HANDSHAKE', 1000, NULL, NULL, 0, 'HIGH', 1),
    (14, 'UNUSED', 'L1', 'P2', 2, 'FIXED', 1000, NULL, NULL, 0, 'LOW', 0),
    (15, 'GONE', 'L1', 'P3', 3, 'FIXED', 1000, NULL, NULL, 0, 'LOW', 1);
INSERT INTO tags VALUES
    (1, 1, 'D1', 'TEMP', 'T', 'WORD', 'C', 0.1, 'M1', 10, 1),
    (2, 1, 'D2', 'COUNT', 'C', 'DWORD', '', 1.0, 'M1', 10, 1),
    (3, 1, 'D4', 'LOT_NO', 'L', 'STRING', '', 1.0, 'M1', 10, 1),
    (4, 1, 'D30', 'SPEED', 'S', 'REAL', '', NULL, 'M1', 11, 1),
    (5, 2, 'M5', 'RUN', 'B', 'BIT', '', 1, 'M2', 12, 1),
    (6, 2, 'D7', 'STEP', 'S', 'WORD', '', 1, 'M2', 13, 1),
    (7, 2, 'D8', 'OFF', 'S', 'WORD', '', 1, 'M2', 13, 0),
    (8, 2, 'D9', 'LOOSE', 'S', 'WORD', '', 1, 'M2', NULL, 1),
    (9, 2, 'D10', 'OF_UNUSED', 'S', 'WORD', '', 1, 'M2', 14, 1),
    (10, 3, 'D1', 'OF_OLD', 'S', 'WORD', '', 1, 'M3', 15, 1);
"""


def make_file(file: Path, *scripts: str) -> Path:
    with closing(sqlite3.connect(file)) as connection:
        for script in scripts:
            connection.executescript(script)
    return file


def load(file: Path, string_length: int | None = 16, devices: tuple[str, ...] = ("PLC01", "PLC02")) -> Catalog:
    polling = PollingSourceConfig(
        devices=tuple(DeviceConfig(device, "fake_driver", True, 1, {}) for device in devices),
        groups=(),
        catalog=CatalogConfig(file, string_length, "shift_jis"),
        wrong_tags=WrongTags.REFUSE,
        bad_records=BadRecords.ON_CHANGE,
        backoff=BackoffConfig(1.0, 30.0),
        refused_retry=60.0,
        max_groups=10,
    )
    return Catalog.load(polling)


def test_enabled_groups_of_enabled_plcs_are_polled_as_the_tables_say(tmp_path: Path) -> None:
    catalog = load(make_file(tmp_path / "scada.db", SCHEMA, PLANT))
    (left_out,) = catalog.problems
    assert left_out.warning
    assert left_out.message == (
        "4 of 10 tags are left out: 1 because enabled says no; 1 because polling_group_id is empty; "
        "1 because of their group, enabled says no; 1 because their PLC is disabled"
    )
    facts = [(group.id, group.device, group.mode, group.interval) for group in catalog.groups]
    assert facts == [
        ("PROCESS1", "PLC01", GroupMode.FIXED, 1.0),
        ("ORDER", "PLC01", GroupMode.HANDSHAKE, 0.5),
        ("LOT", "PLC02", GroupMode.HANDSHAKE, 0.25),
        ("BUTTON", "PLC02", GroupMode.HANDSHAKE, None),
    ]
    triggers = [group.trigger and (group.trigger.address, group.trigger.reset) for group in catalog.groups]
    assert triggers == [None, ("M100", True), ("D200.3", False), None]
    names = {group: [tag.spec.name for tag in tags] for group, tags in catalog.tags.items()}
    assert names == {"PROCESS1": ["TEMP", "COUNT", "LOT_NO"], "ORDER": ["SPEED"], "LOT": ["RUN"], "BUTTON": ["STEP"]}
    temp, count, lot = (tag.spec for tag in catalog.tags["PROCESS1"])
    assert (temp.data_type, temp.address, temp.scale) == (DataType.UINT16, "D1", 0.1)
    assert (count.data_type, count.scale) == (DataType.UINT32, None)
    assert (lot.data_type, lot.length_bytes, lot.encoding) == (DataType.STRING, 16, "shift_jis")


@pytest.mark.parametrize(
    ("address", "offset", "expected"),
    [
        ("D200", "3", "D200.3"),
        ("D200", "10", "D200.A"),
        ("hr:200", "10", "hr:200.10"),
        ("M100", "0", "M100"),
        ("B0110", "NULL", "B0110"),
        ("SD210", "0", "SD210.0"),
        ("co:5", "0", "co:5"),
        ("D200.5", "NULL", "D200.5"),
    ],
)
def test_a_trigger_bit_is_written_as_its_driver_reads_it(
    tmp_path: Path, address: str, offset: str, expected: str
) -> None:
    change = f"UPDATE polling_groups SET trigger_bit_address = '{address}', trigger_bit_offset = {offset} WHERE id = 11"
    catalog = load(make_file(tmp_path / "scada.db", SCHEMA, PLANT, change))
    assert catalog.groups[1].trigger is not None
    assert catalog.groups[1].trigger.address == expected


def test_a_source_runs_on_a_catalogue_alone(tmp_path: Path, make_source: MakeSource) -> None:
    file = make_file(tmp_path / "scada.db", SCHEMA, PLANT)
    devices = {"PLC01": FakeBlockDriver(), "PLC02": FakeBlockDriver()}
    settings = {"sqlite": file, "string_length": 16, "encoding": "ascii"}
    source = make_source(devices, [], catalog=settings)
    (problem,) = source.check()
    assert str(problem).startswith(f"{file} polling_groups:11: group ORDER: resetting the trigger bit writes to")
    make_file(file, "UPDATE polling_groups SET auto_reset_trigger = 0")
    source.open()
    assert [status.group_id for status in source.groups()] == ["PROCESS1", "ORDER", "LOT", "BUTTON"]


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("UPDATE tags SET tag_name = '' WHERE id = 1", "tags:1: column tag_name: is empty"),
        ("UPDATE tags SET tag_address = NULL WHERE id = 1", "tags:1: column tag_address: is empty"),
        ("UPDATE tags SET data_type = 'WORX' WHERE id = 2", "tags:2: column data_type: unknown data type 'WORX'"),
        ("UPDATE tags SET scale = 'x' WHERE id = 1", "tags:1: column scale: 'x' is not a number"),
        ("UPDATE tags SET polling_group_id = 99 WHERE id = 1", "tags:1: column polling_group_id: there is no group 99"),
        ("UPDATE tags SET tag_name = 'TEMP' WHERE id = 6", "tags:6: tag TEMP of group BUTTON is already in group"),
        ("DELETE FROM tags WHERE id = 6", "polling_groups:13: group BUTTON has no tags"),
        ("UPDATE polling_groups SET plc_id = 9 WHERE id = 10", "polling_groups:10: column plc_id: there is no PLC 9"),
        ("UPDATE polling_groups SET mode = 'X' WHERE id = 10", "polling_groups:10: column mode: 'X' is none of fixed"),
        (
            "UPDATE polling_groups SET interval_ms = 0 WHERE id = 10",
            "polling_groups:10: column interval_ms: 0 is not a number of milliseconds",
        ),
        (
            "UPDATE polling_groups SET group_name = 'ORDER' WHERE id = 12",
            "polling_groups:12: column group_name: ORDER appears twice",
        ),
        ("ALTER TABLE tags DROP COLUMN tag_name", "tags: column tag_name is missing"),
        ("DROP TABLE polling_groups", "polling_groups: the table is missing"),
    ],
)
def test_every_bad_row_is_named_with_its_table_and_number(tmp_path: Path, script: str, problem: str) -> None:
    file = make_file(tmp_path / "scada.db", SCHEMA, PLANT, script)
    found = [str(found) for found in load(file).errors]
    assert found[0].startswith(f"{file} {problem}")
    assert len(found) == 1


def test_every_tag_is_polled_or_counted_however_a_yes_is_spelled(tmp_path: Path) -> None:
    spellings = ["1", "1.0", "-1", "'T'", "'Y'", "'true'", "' On '", "0", "'N'", "NULL", "'예'", "1"]
    rows = ", ".join(
        f"({100 + n}, 1, 'D{n}', 'TAG{n}', 'M', 'WORD', '', 1, 'M1', {'NULL' if n == 11 else 10}, {enabled})"
        for n, enabled in enumerate(spellings)
    )
    catalog = load(
        make_file(tmp_path / "scada.db", SCHEMA, PLANT, f"DELETE FROM tags; INSERT INTO tags VALUES {rows};")
    )
    assert [tag.spec.name for tag in catalog.tags["PROCESS1"]] == [f"TAG{n}" for n in range(7)]
    (left_out,) = (problem for problem in catalog.problems if problem.warning)
    assert left_out.message == (
        "5 of 12 tags are left out: 2 because enabled says no; 1 because enabled is empty; "
        "1 because enabled is '예', which is neither yes nor no; 1 because polling_group_id is empty"
    )
    assert str(left_out.file).endswith("scada.db tags")


def test_an_interval_that_is_missing_is_one_problem_of_its_group(tmp_path: Path) -> None:
    file = make_file(tmp_path / "scada.db", SCHEMA, PLANT, "UPDATE polling_groups SET interval_ms = NULL WHERE id = 10")
    found = load(file).problems
    assert [problem.message for problem in found if not problem.warning] == [
        "column interval_ms: it is empty; write a number of milliseconds"
    ]
    assert "3 because their group has a problem" in next(problem.message for problem in found if problem.warning)


def test_a_string_needs_a_length_from_somewhere(tmp_path: Path) -> None:
    file = make_file(tmp_path / "scada.db", SCHEMA, PLANT)
    (problem,) = (problem for problem in load(file, string_length=None).problems if not problem.warning)
    assert problem.message == "column length: a string needs its length in bytes"
    make_file(file, "ALTER TABLE tags ADD COLUMN length INTEGER; UPDATE tags SET length = 6 WHERE id = 3")
    assert load(file, string_length=None).tags["PROCESS1"][2].spec.length_bytes == 6


def test_a_plc_without_a_device_is_named_with_the_line_to_add(tmp_path: Path) -> None:
    file = make_file(tmp_path / "scada.db", SCHEMA, PLANT)
    found = [problem for problem in load(file, devices=("PLC01",)).problems if not problem.warning]
    assert len(found) == 2
    assert found[0].message == "group LOT: there is no device 'PLC02'"
    assert found[0].hint == 'add to devices: {id: PLC02, driver: ..., address: "10.0.0.2:5010"}'


def test_a_file_that_is_no_catalogue_is_told_so(tmp_path: Path) -> None:
    (missing,) = load(tmp_path / "gone.db", devices=()).problems
    assert missing.message.startswith("cannot read the catalogue: No such file")
    assert not (tmp_path / "gone.db").exists()
    other = tmp_path / "other.db"
    other.write_text("name,address\n" * 100, encoding="utf-8")
    (wrong,) = load(other, devices=()).problems
    assert wrong.message == "cannot read the catalogue: file is not a database"
