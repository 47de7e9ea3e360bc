"""Export: groups and tags as a CSV tag list, or as the YAML of a source's ``groups:``."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from agent_core.api import GroupMode
from polling_source.config import GroupConfig
from polling_source.csv_tags import GROUP
from polling_source.tag import DEFAULT_ENCODING, FIELDS, PlacedTag

Tags = Mapping[str, Sequence[PlacedTag]]
"""By group id."""


def write_csv(tags: Tags, stream: TextIO) -> None:
    """A tag list with the columns that are needed, and ``group``."""
    rows = [(group, tag_fields(tag)) for group, placed in tags.items() for tag in placed]
    columns = [column for column in FIELDS if any(column in fields for _, fields in rows)]
    writer = csv.writer(stream)
    writer.writerow([*columns, GROUP])
    for group, fields in rows:
        cells = [fields.get(column, "") for column in columns]
        writer.writerow(["true" if cell is True else cell for cell in cells] + [group])


def yaml_lines(groups: Sequence[GroupConfig], tags: Tags, tags_from: Path | None) -> Iterator[str]:
    """The ``groups:`` of a source's config, with the tags in it, or in the file ``tags_from``."""
    yield "groups:"
    for group in groups:
        keys: dict[str, object] = {"id": group.id, "device": group.device, "mode": group.mode}
        if group.interval is not None:
            keys["interval"] = duration(group.interval)
        if group.trigger is not None:
            keys["trigger"] = {"address": group.trigger.address, "reset": group.trigger.reset}
        for key, seconds in (("stale_after", group.stale_after), ("resend", group.resend)):
            if seconds is not None:
                keys[key] = duration(seconds)
        if tags_from is not None:
            yield f"  - {_flow({**keys, 'tags_from': tags_from.as_posix()})}"
            continue
        for number, (key, value) in enumerate(keys.items()):
            yield f"{'    ' if number else '  - '}{key}: {_flow(value)}"
        yield "    tags:"
        for tag in tags.get(group.id, ()):
            yield f"      - {_flow(tag_fields(tag))}"


def tag_fields(tag: PlacedTag) -> dict[str, object]:
    """The fields of a tag that say more than their default, in the order of the columns."""
    spec, rule = tag.spec, tag.rule
    labels = None if rule.labels is None else ";".join(f"{number}={text}" for number, text in rule.labels.items())
    fields: dict[str, object | None] = {
        "name": spec.name,
        "address": spec.address,
        "data_type": spec.data_type.value,
        "length": spec.length_bytes or None,
        "encoding": spec.encoding if spec.length_bytes and spec.encoding != DEFAULT_ENCODING else None,
        "scale": spec.scale,
        "offset": spec.offset,
        "word_order": spec.word_order and spec.word_order.value,
        "byte_order": spec.byte_order and spec.byte_order.value,
        "min": rule.minimum,
        "max": rule.maximum,
        "deadband": rule.deadband,
        "deadband_percent": rule.deadband_percent,
        "on_change": True if rule.on_change else None,
        "enum": labels,
    }
    return {column: value for column, value in fields.items() if value is not None}


def duration(seconds: float) -> str:
    """As the YAML writes it: ``500ms``, ``1s``, ``90s``."""
    milliseconds = round(seconds * 1000)
    return f"{milliseconds // 1000}s" if milliseconds % 1000 == 0 else f"{milliseconds}ms"


def _flow(value: object) -> str:
    """A value in one line of YAML. Texts are quoted unless they are plain words."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, GroupMode):
        return value.value
    if isinstance(value, str):
        plain = value.replace("_", "").replace("-", "").isalnum() and value.isascii() and value[:1].isalpha()
        if plain and value.lower() not in _YAML_WORDS:
            return value
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return str(value)


_YAML_WORDS = frozenset(("y", "n", "yes", "no", "on", "off", "null", "true", "false"))
"""Words that YAML 1.1 takes for something else than a text."""
