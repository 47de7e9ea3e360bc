"""What JSON Schema cannot say about the core's own part."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import cast

from agent_core.api import Config, ConfigProblem
from agent_core.config.document import Document, PathKey

SECTIONS = ("sources", "sinks", "extensions")


def problems(document: Document, config: Config) -> Iterator[ConfigProblem]:
    """Problems of a configuration that has passed the schema, formats converted."""
    yield from _duplicate_ids(document, config)
    yield from _inputs(document, config)
    yield from _shared_fallbacks(document, config)


def _duplicate_ids(document: Document, config: Config) -> Iterator[ConfigProblem]:
    first: dict[str, PathKey] = {}
    for section in SECTIONS:
        for index, entry in enumerate(_entries(config, section)):
            if "id" not in entry:
                continue
            id_, path = str(entry["id"]), (section, index, "id")
            # Ids name folders and files, and Windows does not tell a from A there.
            known = first.setdefault(id_.lower(), path)
            if known != path:
                where = f"{known[0]}[{known[1]}], line {document.position(known).line}"
                yield document.problem(f"the id {id_!r} is taken", path, f"by {where}; ids are unique in the file")


def _inputs(document: Document, config: Config) -> Iterator[ConfigProblem]:
    sources = [str(entry["id"]) for entry in _entries(config, "sources")]
    fed: set[str] = set()
    for index, sink in enumerate(_entries(config, "sinks")):
        inputs = sink.get("inputs")
        names = sources if inputs is None else [str(name) for name in cast(Sequence[object], inputs)]
        fed.update(names)
        for position, name in enumerate(names):
            if name not in sources:
                near = get_close_matches(name, sources, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sources)}"
                yield document.problem(f"no source has the id {name!r}", ("sinks", index, "inputs", position), hint)
    for index, name in enumerate(sources):
        if name not in fed:
            problem = document.problem(f"no sink takes the source {name!r}", ("sources", index, "id"), "see inputs:")
            yield replace(problem, warning=True)


def _shared_fallbacks(document: Document, config: Config) -> Iterator[ConfigProblem]:
    """Two fallbacks would fight over one folder's lock and replay each other's rows."""
    first: dict[tuple[str, str], PathKey] = {}
    for index, sink in enumerate(_entries(config, "sinks")):
        fallback = sink.get("fallback")
        if not isinstance(fallback, Mapping):
            continue
        for key, value in cast(Mapping[str, object], fallback["config"]).items():
            if not isinstance(value, Path):
                continue
            path: PathKey = ("sinks", index, "fallback", "config", key)
            known = first.setdefault((str(fallback["type"]), os.path.normcase(os.path.realpath(value))), path)
            if known != path:
                yield document.problem(
                    f"two fallbacks share one {key}",
                    path,
                    f"the other is that of sinks[{known[1]}], line {document.position(known).line}; "
                    f"give each its own, such as {value.name}/{sink['id']}",
                )


def _entries(config: Config, section: str) -> Sequence[Mapping[str, object]]:
    return cast("Sequence[Mapping[str, object]]", config.get(section, ()))
