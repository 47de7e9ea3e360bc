"""YamlCatalog: groups, and the devices beside them, from a YAML file that need not be a whole configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import yaml

from agent_core.api import ConfigError, ConfigProblem, GroupMode
from polling_source.config import GroupConfig, TriggerConfig
from polling_source.tags.contents import ListedDevice
from polling_source.tags.tag import YamlPath

_BaseLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _TextLoader(_BaseLoader):  # type: ignore[misc, valid-type]
    """Every scalar is the text that was written, so that a tag called ``on`` stays one."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own interface


_TextLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile("^<<$"), ["<"])

_UNIT_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class YamlCatalog:
    """``groups`` with the path of each in the file, for problems."""

    devices: Sequence[ListedDevice]
    groups: Sequence[tuple[GroupConfig, YamlPath]]

    @classmethod
    def read(cls, file: Path) -> YamlCatalog:
        """Every ``groups:`` and ``devices:`` list, wherever it stands. Raises ConfigError when there is no group.

        Whether the groups are right is for ``tagferry check`` to say.
        """
        try:
            root = yaml.load(file.read_text(encoding="utf-8-sig"), _TextLoader)  # noqa: S506 - safe: it makes texts
        except (OSError, ValueError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError([ConfigProblem(f"cannot read the YAML: {reason}", file=str(file))]) from error
        groups = [(_group(entry, file.parent), path) for entry, path in _entries(root, "groups", ())]
        if not groups:
            raise ConfigError([ConfigProblem("there are no groups", file=str(file))])
        return cls([_device(entry) for entry, _ in _entries(root, "devices", ())], groups)


def _entries(node: object, wanted: str, path: YamlPath) -> Iterator[tuple[Mapping[str, object], YamlPath]]:
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key == wanted and isinstance(value, list):
                for index, entry in enumerate(value):
                    if isinstance(entry, Mapping):
                        yield entry, (*path, key, index)
            else:
                yield from _entries(value, wanted, (*path, str(key)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _entries(value, wanted, (*path, index))


def _device(entry: Mapping[str, object]) -> ListedDevice:
    return ListedDevice(str(entry.get("id", "PLC01")), str(entry.get("driver") or ""), str(entry.get("address") or ""))


def _group(entry: Mapping[str, object], folder: Path) -> GroupConfig:
    tags_from, trigger, tags = entry.get("tags_from"), entry.get("trigger"), entry.get("tags")
    bit = None
    if isinstance(trigger, Mapping):
        bit = TriggerConfig(str(trigger.get("address", "")), str(trigger.get("reset")).lower() == "true")
    return GroupConfig(
        id=str(entry.get("id", "GROUP")),
        device=str(entry.get("device", "PLC01")),
        mode=GroupMode.HANDSHAKE if entry.get("mode") == GroupMode.HANDSHAKE.value else GroupMode.FIXED,
        interval=_seconds(entry.get("interval")),
        trigger=bit,
        stale_after=_seconds(entry.get("stale_after")),
        resend=_seconds(entry.get("resend")),
        tags=cast("Sequence[Mapping[str, object]]", tags) if isinstance(tags, list) else None,
        tags_from=None if tags_from is None else folder / str(tags_from),
    )


def _seconds(text: object) -> float | None:
    match = re.fullmatch(r"([0-9.]+)\s*(ms|s|m|h|d)", str(text))
    return None if match is None else float(match[1]) * _UNIT_MILLISECONDS[match[2]] / 1000
