"""SqliteCatalog: groups and tags from a plant's own SQLite file.

::

    plc_connections  id, plc_code, ip_address, port, network_no, station_no, enabled
    polling_groups   id, group_name, plc_id, mode, interval_ms, trigger_bit_address, trigger_bit_offset,
                     auto_reset_trigger, enabled, (line_code, process_code, priority)
    tags             plc_id, tag_address, tag_name, data_type, scale, polling_group_id, enabled, (length, encoding,
                     tag_division, unit, machine_code)
    agent_tags       tag_name, length, encoding, offset, word_order, byte_order, min, max, deadband ...
    agent_groups     group_name, stale_after_ms, resend_ms

``plc_id`` and ``polling_group_id`` are the other table's id, or its row number when it has no such column. A PLC is
the device of the YAML whose id is its ``plc_code``: the driver and its keys are said there. What stands in brackets is
not read, but for ``length`` and ``encoding`` where they exist. A row is left out unless its ``enabled`` says yes (1,
-1, true, T, Y, ...); how many tags are, and why, is one warning. The last two tables may be missing, and any column of
theirs but the first: they hold what the agent knows of a tag or group beyond the plant's own tables.
"""

from __future__ import annotations

import math
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from agent_core.api import ConfigProblem, GroupMode
from polling_source.config import CatalogConfig, GroupConfig, TriggerConfig
from polling_source.tags.sqlite_rows import Row, SqliteRows
from polling_source.tags.tag import FIELDS, Place, PlacedTag, parse_tag

_COLUMNS: Final = {
    "plc_connections": ("plc_code", "ip_address", "port"),
    "polling_groups": ("group_name", "plc_id", "mode", "interval_ms"),
    "tags": ("tag_address", "tag_name", "data_type", "polling_group_id"),
}
"""The tables, and the columns without which nothing can be polled."""

AGENT_TAGS: Final = "agent_tags"
AGENT_GROUPS: Final = "agent_groups"
_PLANT_FIELDS: Final = {"name": "tag_name", "address": "tag_address", "data_type": "data_type", "scale": "scale"}
"""The fields of a tag that stand in the plant's own table, and its name for them."""

AGENT_FIELDS: Final = tuple(field for field in FIELDS if field not in _PLANT_FIELDS)
"""The other fields of a tag: columns of ``agent_tags``."""

_ANYWHERE: Final = ("length", "encoding")
"""Fields that the plant's own table may have, too."""

_FIELD_COLUMNS: Final = {
    **_PLANT_FIELDS,
    **{field: f"{AGENT_TAGS}.{field}" for field in AGENT_FIELDS if field not in _ANYWHERE},
}

_BIT_DEVICES: Final = frozenset(
    ("X", "Y", "M", "L", "F", "V", "B", "S", "SM", "SB", "DX", "DY", "TS", "TC", "CS", "CC", "CO", "DI")
)
"""Areas of single bits: Mitsubishi's, and Modbus's two. Everything else is words, which need a bit number."""


@dataclass(frozen=True, slots=True)
class Plc:
    """One row of plc_connections: ``place`` says which. The numbers are texts, as found."""

    code: str
    address: str
    place: Place
    network_no: str = ""
    station_no: str = ""


@dataclass(slots=True)
class SqliteCatalog:
    """What the file says. ``tag_problems`` holds what is wrong with rows of tags, ``problems`` everything else that is
    wrong; the rest is what is right.
    """

    groups: list[GroupConfig] = field(default_factory=list)
    tags: dict[str, list[PlacedTag]] = field(default_factory=dict)
    plcs: dict[str, Plc] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    """Of the groups, by id."""
    problems: list[ConfigProblem] = field(default_factory=list)
    tag_problems: list[ConfigProblem] = field(default_factory=list)

    @classmethod
    def read(cls, config: CatalogConfig) -> SqliteCatalog:
        """Read the whole file; it is opened read-only."""
        catalog = cls()
        try:
            with SqliteRows.of_file(config.sqlite) as rows:
                _Reading(catalog, config, rows).run()
        except sqlite3.Error as error:
            catalog.problems.append(ConfigProblem(f"cannot read the catalogue: {error}", file=str(config.sqlite)))
        return catalog


class _Reading:
    def __init__(self, catalog: SqliteCatalog, config: CatalogConfig, rows: SqliteRows) -> None:
        self._catalog = catalog
        self._config = config
        self._tables = rows
        self._plcs: dict[object, Plc | None] = {}
        self._groups: dict[object, GroupConfig | None] = {}
        self._missing: dict[object, str] = {}
        """Why the tags of a group that is None are left out, by the key of the group."""
        self._left_out: Counter[str] = Counter()
        """Tags by the reason for which they are not polled."""
        self._tag_rows = 0
        self._agent_tags: dict[str, Row] = {}
        self._agent_groups: dict[str, Row] = {}

    def run(self) -> None:
        columns = {table: self._tables.columns(table) for table in _COLUMNS}
        for table, wanted in _COLUMNS.items():
            missing = [column for column in wanted if column not in columns[table]]
            if missing:
                what = f"column {', '.join(missing)}" if columns[table] else "the table"
                self._problem(table, None, f"{what} is missing")
        if self._catalog.problems:
            return
        self._agent_tags = self._named(AGENT_TAGS, "tag_name")
        self._agent_groups = self._named(AGENT_GROUPS, "group_name")
        for place, row in self._rows("plc_connections"):
            self._read_plc(place, row)
        for place, row in self._rows("polling_groups"):
            self._read_group(place, row)
        for place, row in self._rows("tags"):
            self._tag_rows += 1
            self._read_tag(place, row)
        self._tell_left_out()
        for group in self._catalog.groups:
            faultless = all(problem.warning for problem in self._catalog.problems) and not self._catalog.tag_problems
            if faultless and not self._catalog.tags.get(group.id):
                self._catalog.problems.append(self._catalog.places[group.id].problem(f"group {group.id} has no tags"))

    def _rows(self, table: str) -> Iterator[tuple[Place, Row]]:
        """Every row with its columns in lower case; ``key`` is what other tables refer to."""
        for number, key, row in self._tables.rows(table):
            yield Place(file=f"{self._config.sqlite} {table}", line=number), {**row, "key": key}

    def _named(self, table: str, column: str) -> dict[str, Row]:
        """The rows of a table that need not be there, by name."""
        if column not in self._tables.columns(table):
            return {}
        return {_text(row, column): row for _, row in self._rows(table)}

    def _tell_left_out(self) -> None:
        """Tags that are not polled are not wrong, but nobody should have to look for them."""
        if self._left_out:
            reasons = "; ".join(f"{count} because {reason}" for reason, count in self._left_out.most_common())
            message = f"{self._left_out.total()} of {self._tag_rows} tags are left out: {reasons}"
            file = f"{self._config.sqlite} tags"
            self._catalog.problems.append(ConfigProblem(message, file=file, warning=True))

    def _problem(self, table: str, line: int | None, message: str) -> None:
        self._catalog.problems.append(ConfigProblem(message, file=f"{self._config.sqlite} {table}", line=line))

    def _read_plc(self, place: Place, row: Row) -> None:
        code = _text(row, "plc_code")
        address = ":".join(filter(None, (_text(row, "ip_address"), _text(row, "port"))))
        plc = Plc(code, address, place, _text(row, "network_no"), _text(row, "station_no"))
        known = plc if _disabled(row) is None else None
        self._plcs[row["key"]] = self._plcs[code] = known
        if known is not None:
            self._catalog.plcs[code] = known

    def _read_group(self, place: Place, row: Row) -> None:
        self._groups[row["key"]] = None
        disabled = _disabled(row)
        self._missing[row["key"]] = "their group has a problem" if disabled is None else f"of their group, {disabled}"
        if disabled is not None:
            return
        if row["plc_id"] not in self._plcs:
            self._catalog.problems.append(place.problem(f"column plc_id: there is no PLC {row['plc_id']!r}"))
            return
        plc = self._plcs[row["plc_id"]]
        name = _text(row, "group_name")
        mode = _text(row, "mode").lower()
        wrong = list(self._check_group(row, name, mode))
        self._catalog.problems.extend(place.problem(message) for message in wrong)
        if plc is None:
            self._missing[row["key"]] = "their PLC is disabled"
        if plc is None or wrong:
            return
        bit = bit_address(_text(row, "trigger_bit_address"), _text(row, "trigger_bit_offset"))
        is_fixed = mode == GroupMode.FIXED
        more = self._agent_groups.get(name, {})
        group = GroupConfig(
            id=name,
            device=plc.code,
            mode=GroupMode(mode),
            interval=float(str(row["interval_ms"])) / 1000 if is_fixed or bit else None,
            trigger=TriggerConfig(bit, _flag(row, "auto_reset_trigger")) if bit and not is_fixed else None,
            stale_after=_seconds(more, "stale_after_ms"),
            resend=_seconds(more, "resend_ms"),
        )
        self._groups[row["key"]] = group
        self._catalog.places[name] = place
        self._catalog.groups.append(group)

    def _check_group(self, row: Row, name: str, mode: str) -> Iterator[str]:
        if not name:
            yield "column group_name: is empty"
        if name in self._catalog.places:
            yield f"column group_name: {name} appears twice"
        if mode not in tuple(GroupMode):
            yield f"column mode: {row['mode']!r} is none of {', '.join(GroupMode)}"
        if mode == GroupMode.FIXED or _text(row, "trigger_bit_address"):
            try:
                interval_ms = float(str(row["interval_ms"]))
            except ValueError:
                interval_ms = 0.0
            if not 0 < interval_ms < math.inf:
                interval = row["interval_ms"]
                what = "it is empty; write" if interval is None else f"{interval!r} is not"
                yield f"column interval_ms: {what} a number of milliseconds"
        more = self._agent_groups.get(name, {})
        for column in ("stale_after_ms", "resend_ms"):
            try:
                _seconds(more, column)
            except ValueError:
                yield f"column {AGENT_GROUPS}.{column}: {more[column]!r} is not a number of milliseconds"

    def _read_tag(self, place: Place, row: Row) -> None:
        reason = _disabled(row)
        if reason is None and row["polling_group_id"] is None:
            reason = "polling_group_id is empty"
        if reason is not None:
            self._left_out[reason] += 1
            return
        if row["polling_group_id"] not in self._groups:
            message = f"column polling_group_id: there is no group {row['polling_group_id']!r}"
            self._catalog.tag_problems.append(place.problem(message))
            return
        group = self._groups[row["polling_group_id"]]
        if group is None:
            self._left_out[self._missing[row["polling_group_id"]]] += 1
            return
        plc = self._plcs.get(row.get("plc_id"))
        if plc is not None and plc.code != group.device:
            message = f"column plc_id: {plc.code} is not the PLC of its group {group.id}, {group.device}"
            self._catalog.tag_problems.append(place.problem(message))
            return
        is_string = _text(row, "data_type").upper() == "STRING"
        more = self._agent_tags.get(_text(row, "tag_name"), {})
        scale = row.get("scale")
        fields = {
            **{field: more.get(field) for field in AGENT_FIELDS},
            **{field: row[column] for field, column in _PLANT_FIELDS.items() if column in row},
            # A scale of 1 is the table's way of saying none: the value keeps its type.
            "scale": None if scale is None or str(scale) in ("1", "1.0") or is_string else scale,
            "encoding": more.get("encoding") or row.get("encoding") or self._config.encoding,
        }
        if is_string:
            fields["length"] = more.get("length") or row.get("length") or self._config.string_length
        tag = parse_tag(fields, place, _FIELD_COLUMNS)
        if isinstance(tag, list):
            self._catalog.tag_problems.extend(tag)
        else:
            self._catalog.tags.setdefault(group.id, []).append(tag)


def bit_address(address: str, offset: str) -> str | None:
    """``D100`` with offset 10 is ``D100.A``, ``hr:100`` with it ``hr:100.10``; ``M100`` has no offset, or 0."""
    area = re.match("[A-Za-z]*", address)
    if area is not None and area[0].upper() in _BIT_DEVICES and offset in ("", "0"):
        return address
    if ":" not in address and offset.isdecimal():
        offset = f"{int(offset):X}"  # Mitsubishi writes the bits of a word in hexadecimal
    return f"{address}.{offset}" if address and offset else address or None


def _seconds(row: Row, column: str) -> float | None:
    """Milliseconds as seconds. Raises ValueError."""
    text = _text(row, column)
    if not text:
        return None
    seconds = float(text) / 1000
    if not math.isfinite(seconds):
        raise ValueError(text)
    return seconds


def _text(row: Row, column: str) -> str:
    value = row.get(column)
    return "" if value is None else str(value).strip()


_YES: Final = frozenset(("true", "t", "yes", "y", "on"))
_NO: Final = frozenset(("false", "f", "no", "n", "off"))


def _flag(row: Row, column: str) -> bool:
    return _yes_or_no(_text(row, column)) is True


def _yes_or_no(text: str) -> bool | None:
    """None for what is neither; every number but 0 is a yes (-1 is that of some databases)."""
    if text.lower() in _YES or text.lower() in _NO:
        return text.lower() in _YES
    try:
        return float(text) != 0
    except ValueError:
        return None


def _disabled(row: Row) -> str | None:
    """Why a row is left out; None if it is not. A table without the column enables every row."""
    if "enabled" not in row:
        return None
    text = _text(row, "enabled")
    match _yes_or_no(text):
        case True:
            return None
        case False:
            return "enabled says no"
        case None:
            return f"enabled is {text[:20]!r}, which is neither yes nor no" if text else "enabled is empty"
