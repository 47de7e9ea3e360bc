"""SqliteExport: groups and tags as the tables of a plant's catalogue, and of ours for what those cannot say."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from agent_core.api import DataType
from polling_source.config import GroupConfig
from polling_source.tags.contents import Contents, ListedDevice
from polling_source.tags.sqlite_catalog import AGENT_FIELDS, AGENT_GROUPS, AGENT_TAGS, bit_address
from polling_source.tags.tag import tag_fields

SCHEMA: Final = """
CREATE TABLE plc_connections (id INTEGER PRIMARY KEY, plc_code TEXT NOT NULL UNIQUE, ip_address TEXT, port INTEGER,
    network_no INTEGER, station_no INTEGER, enabled INTEGER NOT NULL DEFAULT 1);
CREATE TABLE polling_groups (id INTEGER PRIMARY KEY, group_name TEXT NOT NULL UNIQUE, line_code TEXT,
    process_code TEXT, plc_id INTEGER NOT NULL REFERENCES plc_connections (id), mode TEXT NOT NULL,
    interval_ms INTEGER NOT NULL, trigger_bit_address TEXT, trigger_bit_offset INTEGER,
    auto_reset_trigger INTEGER NOT NULL DEFAULT 0, priority TEXT, enabled INTEGER NOT NULL DEFAULT 1);
CREATE TABLE tags (id INTEGER PRIMARY KEY, plc_id INTEGER NOT NULL REFERENCES plc_connections (id),
    tag_address TEXT NOT NULL, tag_name TEXT NOT NULL UNIQUE, tag_division TEXT, data_type TEXT NOT NULL, unit TEXT,
    scale REAL NOT NULL DEFAULT 1, machine_code TEXT,
    polling_group_id INTEGER REFERENCES polling_groups (id), enabled INTEGER NOT NULL DEFAULT 1);
"""

PLANT_NAMES: Final = {
    DataType.BOOL: "BIT",
    DataType.INT16: "INT",
    DataType.UINT16: "WORD",
    DataType.INT32: "DINT",
    DataType.UINT32: "DWORD",
    DataType.INT64: "LINT",
    DataType.UINT64: "LWORD",
    DataType.FLOAT32: "REAL",
    DataType.FLOAT64: "LREAL",
    DataType.STRING: "STRING",
}


def write_sqlite(contents: Contents, file: Path) -> None:
    """``file`` is new. Raises sqlite3.Error."""
    with closing(sqlite3.connect(file)) as connection, connection:
        connection.executescript(SCHEMA)
        _Writing(contents, connection).run()


class _Writing:
    def __init__(self, contents: Contents, connection: sqlite3.Connection) -> None:
        self._contents = contents
        self._connection = connection

    def run(self) -> None:
        devices = {device.id: device for device in self._contents.devices}
        for group in self._contents.groups:
            devices.setdefault(group.device, ListedDevice(group.device))
        plc_ids = {id_: number for number, id_ in enumerate(devices, 1)}
        group_ids = {group.id: number for number, group in enumerate(self._contents.groups, 1)}
        self._connection.executemany(
            "INSERT INTO plc_connections (id, plc_code, ip_address, port, network_no, station_no) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [(plc_ids[device.id], *_plc_row(device)) for device in devices.values()],
        )
        self._connection.executemany(
            "INSERT INTO polling_groups (id, plc_id, group_name, mode, interval_ms, trigger_bit_address, "
            "trigger_bit_offset, auto_reset_trigger) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [(group_ids[group.id], plc_ids[group.device], *_group_row(group)) for group in self._contents.groups],
        )
        self._write_tags(plc_ids, group_ids)
        more = [group for group in self._contents.groups if group.stale_after is not None or group.resend is not None]
        if more:
            self._connection.execute(
                f"CREATE TABLE {AGENT_GROUPS} (group_name TEXT PRIMARY KEY, stale_after_ms REAL, resend_ms REAL)"
            )
            self._connection.executemany(
                f"INSERT INTO {AGENT_GROUPS} VALUES (?, ?, ?)",  # noqa: S608 - a name of ours
                [(group.id, _milliseconds(group.stale_after), _milliseconds(group.resend)) for group in more],
            )

    def _write_tags(self, plc_ids: dict[str, int], group_ids: dict[str, int]) -> None:
        rows: list[tuple[object, ...]] = []
        more: list[tuple[str, dict[str, object]]] = []
        for group in self._contents.groups:
            for tag in self._contents.tags.get(group.id, ()):
                fields = tag_fields(tag)
                if fields.get("scale") == 1.0:
                    # The table says "not scaled" by 1, and the value would keep its type.
                    del fields["scale"]
                    fields.setdefault("offset", 0.0)
                if tag.spec.data_type is DataType.STRING:
                    # Whoever reads the tables may take another encoding for the usual one.
                    fields["encoding"] = tag.spec.encoding
                rows.append(
                    (
                        plc_ids[group.device],
                        tag.spec.address,
                        tag.spec.name,
                        PLANT_NAMES[tag.spec.data_type],
                        fields.get("scale", 1),
                        group_ids[group.id],
                    )
                )
                own = {field: value for field, value in fields.items() if field in AGENT_FIELDS}
                if own:
                    more.append((tag.spec.name, own))
        self._connection.executemany(
            "INSERT INTO tags (plc_id, tag_address, tag_name, data_type, scale, polling_group_id) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )
        columns = [field for field in AGENT_FIELDS if any(field in own for _, own in more)]
        if not columns:
            return
        names = ", ".join(f'"{column}"' for column in columns)
        self._connection.execute(f"CREATE TABLE {AGENT_TAGS} (tag_name TEXT PRIMARY KEY, {names})")
        marks = ", ".join("?" * (len(columns) + 1))
        self._connection.executemany(
            f"INSERT INTO {AGENT_TAGS} VALUES ({marks})",  # noqa: S608 - a name of ours
            [(name, *(own.get(column) for column in columns)) for name, own in more],
        )


def _plc_row(device: ListedDevice) -> tuple[str, str | None, str | None, str | None, str | None]:
    host, separator, port = device.address.rpartition(":")
    if not separator or not port.isdecimal():
        host, port = device.address, ""
    return device.id, host or None, port or None, device.network_no or None, device.station_no or None


def _group_row(group: GroupConfig) -> tuple[str, str, float, str | None, int | None, bool]:
    address, offset = ("", None) if group.trigger is None else _split_bit(group.trigger.address)
    return (
        group.id,
        group.mode.value.upper(),
        _milliseconds(group.interval) or 0,
        address or None,
        offset,
        group.trigger is not None and group.trigger.reset,
    )


def _split_bit(address: str) -> tuple[str, int | None]:
    """Word and bit apart, as other readers of the tables want them, where that can be read back."""
    word, _, bit = address.rpartition(".")
    try:
        offset = int(bit, 10 if ":" in word else 16)
    except ValueError:
        return address, None
    return (word, offset) if word and bit_address(word, str(offset)) == address else (address, None)


def _milliseconds(seconds: float | None) -> float | None:
    """Whole where it is."""
    if seconds is None:
        return None
    milliseconds = round(seconds * 1000, 6)
    return int(milliseconds) if milliseconds == int(milliseconds) else milliseconds
