"""YamlCatalog: groups, and the devices beside them, from a YAML file that need not be a whole configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

from agent_core.api import ConfigError, ConfigProblem, GroupMode
from agent_core.api.document import Document, read_document
from polling_source.config import GroupConfig, TriggerConfig
from polling_source.tags.contents import ListedDevice
from polling_source.tags.tag import YamlPath

_UNIT_MILLISECONDS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


@dataclass(frozen=True, slots=True)
class YamlCatalog:
    """``groups`` with the path of each in the file, for problems."""

    devices: Sequence[ListedDevice]
    groups: Sequence[tuple[GroupConfig, YamlPath]]
    _document: Document

    @classmethod
    def read(cls, file: Path) -> YamlCatalog:
        """Every ``groups:`` and ``devices:`` list, wherever it stands. Raises ConfigError when there is no group.

        Every scalar is the text that was written, so that a tag called ``007`` stays one. Whether the groups are right
        is for ``tagferry check`` to say.
        """
        document = read_document(file, as_texts=True)
        groups = [(_group(entry, file.parent), path) for entry, path in _entries(document.root, "groups", ())]
        if not groups and not document.problems:
            document.problems.append(ConfigProblem("there are no groups", file=str(file)))
        for group, path in groups:
            for number, entry in enumerate(cast("Sequence[object]", group.tags or ())):
                if not isinstance(entry, Mapping):
                    where = (*path, "tags", number)
                    document.problems.append(document.problem("expected a mapping (key: value)", where))
        if document.problems:
            raise ConfigError(document.problems)
        return cls([_device(entry) for entry, _ in _entries(document.root, "devices", ())], groups, document)

    def placed(self, problem: ConfigProblem) -> ConfigProblem:
        """A problem of the n-th group, or of the file, with the place where it stands in the file."""
        if problem.file is not None:
            return problem
        path: YamlPath = ()
        match problem.path:
            case ("groups", int(number), *rest):
                path = (*self.groups[number][1], *rest)
        line, column = self._document.position(path)
        return replace(problem, file=self._document.file, path=path or problem.path, line=line, column=column)


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
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)\s*(ms|s|m|h|d)", str(text), re.ASCII)
    return None if match is None else float(match[1]) * _UNIT_MILLISECONDS[match[2]] / 1000
