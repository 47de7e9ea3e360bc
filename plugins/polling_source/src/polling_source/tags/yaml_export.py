"""YamlExport: groups and tags as they stand in the YAML of a source's ``config:``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from agent_core.api import GroupMode
from agent_core.api.files.private import shared_opener
from polling_source.config import GroupConfig
from polling_source.tags.contents import Contents, ListedDevice
from polling_source.tags.tag import tag_fields


def write_yaml(contents: Contents, file: Path, tags_from: str | None) -> None:
    """The tags stand in it, or in the CSV file ``tags_from`` (as written from the YAML's folder)."""
    lines = [*_device_lines(contents), *_group_lines(contents, tags_from)]
    with open(file, "w", encoding="utf-8", newline="\n", opener=shared_opener) as stream:
        stream.write("\n".join(lines) + "\n")


def _device_lines(contents: Contents) -> Iterator[str]:
    """Comments where the driver is not known: whoever reads them fills it in."""
    known = [device for device in contents.devices if device.address]
    if not known:
        return
    mark = "" if all(device.driver for device in known) else "# "
    yield f"{mark}devices:"
    for device in known:
        keys = {"id": device.id, "driver": device.driver or "DRIVER", "address": device.address}
        yield f"{mark}  - {_flow(keys)}{_note(device)}"


def _note(device: ListedDevice) -> str:
    numbers = (("network_no", device.network_no), ("station_no", device.station_no))
    note = ", ".join(f"{name} {number}" for name, number in numbers if number)
    return f"  # {note}" if note else ""


def _group_lines(contents: Contents, tags_from: str | None) -> Iterator[str]:
    yield "groups:"
    for group in contents.groups:
        keys = _keys(group)
        if tags_from is not None:
            yield f"  - {_flow({**keys, 'tags_from': tags_from})}"
            continue
        for number, (key, value) in enumerate(keys.items()):
            yield f"{'    ' if number else '  - '}{key}: {_flow(value)}"
        yield "    tags:"
        for tag in contents.tags.get(group.id, ()):
            yield f"      - {_flow(tag_fields(tag))}"


def _keys(group: GroupConfig) -> dict[str, object]:
    keys: dict[str, object] = {"id": group.id, "device": group.device, "mode": group.mode}
    if group.interval is not None:
        keys["interval"] = duration(group.interval)
    if group.trigger is not None:
        keys["trigger"] = {"address": group.trigger.address, "reset": group.trigger.reset}
    for key, seconds in (("stale_after", group.stale_after), ("resend", group.resend)):
        if seconds is not None:
            keys[key] = duration(seconds)
    return keys


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
