"""From the frozen mapping to AgentConfig."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import cast

from agent_core.api import Config, ConfigProblem, settings
from agent_core.config.model import AgentConfig, ExtensionConfig, SinkConfig


def assemble(file: Path, mapping: Config, warnings: Iterable[ConfigProblem]) -> AgentConfig:
    """The typed form of ``mapping``, which has passed the schema and all checks."""
    every_source = tuple(source["id"] for source in _entries(mapping, "sources"))
    shared = {"inputs": every_source, **{key: mapping[key] for key in ("buffer",) if key in mapping}}
    assembled = {
        **cast(Config, mapping["agent"]),
        **mapping,
        "file": file,
        "sinks": tuple(settings(SinkConfig, {**shared, **sink}) for sink in _entries(mapping, "sinks")),
        "extensions": assemble_extensions(mapping),
        "mapping": mapping,
        "warnings": tuple(warnings),
    }
    return settings(AgentConfig, assembled)


def assemble_extensions(root: Config) -> tuple[ExtensionConfig, ...]:
    """The typed form of ``extensions:``; the other sections may be missing.

    An extension without an id is named after its type.
    """
    taken = {
        entry["id"] for key in ("sources", "sinks", "extensions") for entry in _entries(root, key) if "id" in entry
    }
    extensions = []
    for entry in _entries(root, "extensions"):
        id_, number = entry.get("id", entry["type"]), 1
        while "id" not in entry and id_ in taken:
            number += 1
            id_ = f"{entry['type']}-{number}"
        taken.add(id_)
        extensions.append(settings(ExtensionConfig, {**entry, "id": id_}))
    return tuple(extensions)


def _entries(root: Config, section: str) -> Sequence[Mapping[str, object]]:
    return cast("Sequence[Mapping[str, object]]", root.get(section, ()))
