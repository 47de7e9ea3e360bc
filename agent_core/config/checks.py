"""What JSON Schema cannot say about the core's own part."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from agent_core.api import Config, ConfigProblem, did_you_mean
from agent_core.api.document import Document, PathKey

SECTIONS = ("sources", "sinks", "extensions")
MAX_ENTRIES: Final = 1000
"""Of a list whose entries are parts, or name some. What is checked per part costs a millisecond."""
_MAX_GUESSED: Final = 20
_MAX_NAMED: Final = 12


def problems_of_size(document: Document, root: Mapping[str, object]) -> Iterator[ConfigProblem]:
    """The first list that would take long to validate. ``root`` may have any shape."""
    plugins = root.get("plugins")
    lists: list[tuple[PathKey, object]] = [((section,), root.get(section)) for section in SECTIONS]
    if isinstance(plugins, Mapping):
        lists += [(("plugins", key), plugins.get(key)) for key in ("enabled", "disabled")]
    for section, key in (("sinks", "inputs"), ("sources", "transforms")):
        lists += [((section, index, key), entry.get(key)) for index, entry in _entries(root, section)]
    for path, value in lists:
        if isinstance(value, list) and len(value) > MAX_ENTRIES:
            yield document.problem(f"more than {MAX_ENTRIES} entries", (*path, MAX_ENTRIES))
            return


def problems_of_names(
    document: Document, root: Mapping[str, object], shared_buffers: Collection[str] = ()
) -> Iterator[ConfigProblem]:
    """Problems of ids and inputs. ``root`` may have any shape: what the schema refuses is skipped here.

    ``shared_buffers`` are the types of buffers that other agents fill.
    """
    yield from _duplicate_ids(document, root)
    yield from _inputs(document, root, shared_buffers)


def problems_of_sources(
    document: Document, root: Mapping[str, object], shared_buffers: Collection[str]
) -> Iterator[ConfigProblem]:
    """Without a source there is nothing to collect, unless every sink has a shared buffer."""
    sinks = [_buffer_type(root, sink) in shared_buffers for _, sink in _entries(root, "sinks")]
    if sinks and all(sinks):
        return
    if "sources" not in root:
        yield document.problem("missing key 'sources'", (), "Where records come from", at_key=True)
    elif root["sources"] == []:
        yield document.problem("must not be empty", ("sources",), at_key=True)


def _duplicate_ids(document: Document, root: Mapping[str, object]) -> Iterator[ConfigProblem]:
    first: dict[str, PathKey] = {}
    for section in SECTIONS:
        for index, entry in _entries(root, section):
            id_ = entry.get("id")
            if not isinstance(id_, str):
                continue
            path: PathKey = (section, index, "id")
            # Ids name folders and files, and Windows does not tell a from A there.
            known = first.setdefault(id_.lower(), path)
            if known != path:
                where = f"{known[0]}[{known[1]}], line {document.position(known).line}"
                yield document.problem(
                    f"the id {id_!r} is already used", path, f"by {where}; ids must be unique in the file"
                )


def _inputs(document: Document, root: Mapping[str, object], shared_buffers: Collection[str]) -> Iterator[ConfigProblem]:
    sources = [str(entry["id"]) for _, entry in _entries(root, "sources") if isinstance(entry.get("id"), str)]
    fed: set[object] = set()
    guesses = 0
    for index, sink in _entries(root, "sinks"):
        inputs = sink.get("inputs")
        type_ = _buffer_type(root, sink)
        if type_ in shared_buffers:
            if inputs or (inputs is None and sources):
                path: PathKey = ("sinks", index) if inputs is None else ("sinks", index, "inputs")
                message = f"{type_} is filled by other agents, so the sink has no inputs"
                yield document.problem(message, path, "set inputs: []", at_key=True)
            continue
        if inputs == []:
            yield document.problem("must not be empty", ("sinks", index, "inputs"), at_key=True)
        if not isinstance(inputs, list) or not inputs:
            inputs = sources
        fed.update(name for name in inputs if isinstance(name, str))
        for position, name in enumerate(inputs):
            if isinstance(name, str) and name not in sources:
                guesses += 1
                hint = did_you_mean(name, sources) if guesses <= _MAX_GUESSED else None
                if hint is None and len(sources) <= _MAX_NAMED:
                    hint = f"known: {', '.join(sources)}"
                yield document.problem(f"no source has the id {name!r}", ("sinks", index, "inputs", position), hint)
    for index, source in _entries(root, "sources"):
        if isinstance(source.get("id"), str) and source["id"] not in fed:
            path = ("sources", index, "id")
            problem = document.problem(
                f"no sink uses the source {source['id']!r}", path, "check the inputs: of the sinks"
            )
            yield replace(problem, warning=True)


def problems_of_fallbacks(document: Document, config: Config) -> Iterator[ConfigProblem]:
    """Two fallbacks in one folder would compete for its lock and replay each other's records.

    ``config`` is converted.
    """
    first: dict[tuple[str, str], PathKey] = {}
    for index, sink in _entries(config, "sinks"):
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
                    f"two fallbacks share a {key}",
                    path,
                    f"the other belongs to sinks[{known[1]}], line {document.position(known).line}; "
                    f"give each its own, such as {value.name}/{sink['id']}",
                )


def _buffer_type(root: Mapping[str, object], sink: Mapping[str, object]) -> str | None:
    """The type of the sink's own buffer or of the default one, when there is one."""
    buffer = sink.get("buffer", root.get("buffer"))
    type_ = buffer.get("type") if isinstance(buffer, Mapping) else None
    return type_ if isinstance(type_, str) else None


def _entries(root: Mapping[str, object], section: str) -> Iterator[tuple[int, Mapping[str, object]]]:
    entries = root.get(section)
    for index, entry in enumerate(entries if isinstance(entries, (list, tuple)) else ()):
        if isinstance(entry, Mapping):
            yield index, entry
