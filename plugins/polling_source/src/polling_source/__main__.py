"""``python -m polling_source CATALOGUE``: turn a tag catalogue into another form, every bad row named.

CATALOGUE is a SQLite file (``.db``), a tag list (``.csv``), or a YAML file with ``groups:`` or a whole agent.yaml.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import yaml

from agent_core.api import ConfigProblem, GroupMode
from polling_source.config import CatalogConfig, GroupConfig, TriggerConfig
from polling_source.csv_tags import CsvTags
from polling_source.export import Tags, write_csv, yaml_lines
from polling_source.sqlite_catalog import SqliteCatalog
from polling_source.tag import DEFAULT_ENCODING
from polling_source.tag_list import TagList

Found = tuple[Sequence[GroupConfig], Tags, Sequence[ConfigProblem]]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m polling_source",
        description="Turns a tag catalogue into another form: SQLite, CSV or YAML into CSV and YAML.",
    )
    parser.add_argument("catalogue", type=Path, help="scada.db, tags.csv, or a YAML file with groups")
    parser.add_argument("--csv", type=Path, help="write the tags into this tag list")
    parser.add_argument("--yaml", type=Path, help="write the groups into this file; with --csv they refer to it")
    parser.add_argument("--string-length", type=int, help="bytes of a STRING, where a SQLite catalogue does not say")
    parser.add_argument("--encoding", default=DEFAULT_ENCODING, help="of the STRINGs of a SQLite catalogue")
    options = parser.parse_args(arguments)
    groups, tags, problems = _read(options.catalogue, options.string_length, options.encoding)
    for problem in problems:
        print(problem, file=sys.stderr)
    if any(not problem.warning for problem in problems):
        return 2
    if options.csv is not None:
        with options.csv.open("w", encoding="utf-8", newline="") as stream:
            write_csv(tags, stream)
    lines = "\n".join(yaml_lines(groups, tags, options.csv)) + "\n"
    if options.yaml is not None:
        options.yaml.write_text(lines, encoding="utf-8")
    elif options.csv is None:
        print(lines, end="")
    print(f"{len(groups)} groups, {sum(map(len, tags.values())):,} tags", file=sys.stderr)
    return 0


def _read(file: Path, string_length: int | None, encoding: str) -> Found:
    if file.suffix.lower() == ".csv":
        return _from_csv(CsvTags.read(file))
    if file.suffix.lower() in (".yaml", ".yml"):
        return _from_yaml(file)
    found = SqliteCatalog.read(CatalogConfig(file, string_length, encoding))
    return found.groups, found.tags, (*found.problems, *found.tag_problems)


def _from_csv(found: CsvTags) -> Found:
    """A tag list says nothing of devices and intervals: they are left to be filled in."""
    tags: dict[str, list[object]] = {}
    for group, tag in found.rows:
        tags.setdefault(group or "GROUP", []).append(tag)
    groups = [GroupConfig(id_, "PLC01", GroupMode.FIXED, 1.0) for id_ in tags]
    return groups, cast(Tags, tags), (*found.problems, *found.tag_problems)


def _from_yaml(file: Path) -> Found:
    try:
        root = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        return (), {}, [ConfigProblem(f"cannot read the YAML: {error}", file=str(file))]
    groups = [_group(entry, file.parent) for entry in _group_entries(root)]
    if not groups:
        return (), {}, [ConfigProblem("there are no groups", file=str(file))]
    found = TagList.load(groups)
    return groups, found.tags, (*found.problems, *found.tag_problems)


def _group_entries(root: object) -> Iterator[Mapping[str, object]]:
    """Every entry of every ``groups:`` list, wherever it stands."""
    if isinstance(root, Mapping):
        for key, value in root.items():
            if key == "groups" and isinstance(value, list):
                yield from (entry for entry in value if isinstance(entry, Mapping))
            else:
                yield from _group_entries(value)
    elif isinstance(root, list):
        for value in root:
            yield from _group_entries(value)


def _group(entry: Mapping[str, object], folder: Path) -> GroupConfig:
    """Enough of a group to find its tags and to write it again; whether it is right is for ``agent check`` to say."""
    tags_from, trigger = entry.get("tags_from"), entry.get("trigger")
    bit = None
    if isinstance(trigger, Mapping):
        bit = TriggerConfig(str(trigger.get("address", "")), trigger.get("reset") is True)
    return GroupConfig(
        id=str(entry.get("id", "GROUP")),
        device=str(entry.get("device", "PLC01")),
        mode=GroupMode.HANDSHAKE if entry.get("mode") == GroupMode.HANDSHAKE else GroupMode.FIXED,
        interval=_seconds(entry.get("interval")),
        trigger=bit,
        stale_after=_seconds(entry.get("stale_after")),
        resend=_seconds(entry.get("resend")),
        tags=cast("Sequence[Mapping[str, object]] | None", entry.get("tags")),
        tags_from=None if tags_from is None else folder / str(tags_from),
    )


def _seconds(text: object) -> float | None:
    match = re.fullmatch(r"([0-9.]+)\s*(ms|s|m|h|d)", str(text))
    return None if match is None else float(match[1]) * _UNITS[match[2]]


_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

if __name__ == "__main__":
    sys.exit(main())
