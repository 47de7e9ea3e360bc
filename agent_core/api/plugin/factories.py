"""Factories: what a plugin registers, one for each kind of component it provides.

``create(config, context)`` is pure: no I/O, no threads; those begin in ``open``. ``config`` has passed ``schema``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import ClassVar, Generic, TypeVar

from agent_core.api.components import BackupReader, Buffer, Config, Extension, Sink, Source, Transform
from agent_core.api.plugin.context import ComponentContext
from agent_core.api.polling.catalog import CatalogConverter
from agent_core.api.polling.driver import Driver

T_co = TypeVar("T_co", covariant=True)
Schema = Mapping[str, object]
"""A JSON Schema (2020-12) of the component's ``config:`` mapping. Beyond the standard it may say:

``format``: ``duration`` ("500ms", "1s", "5m", "2h", "7d" -> float seconds), ``bytes`` ("64MiB" -> int), ``path``
(-> absolute ``Path``; relative ones start at the YAML's folder), ``secret`` (-> ``Secret``).
``formatMinimum``, ``formatMaximum``: bounds of a duration or a size, written like one ("100ms").
``x-plugin-ref``: ``driver`` ...: the string names a plugin of that kind; the keys next to it are checked by its schema.
``default``: filled in by the core, so the schema is the one place of a default.
"""


@dataclass(frozen=True, slots=True)
class Factory(Generic[T_co]):
    """``type`` is the plugin's name everywhere: folder, import package, entry point, YAML, logger, metric label."""

    type: str
    schema: Schema
    create: Callable[[Config, ComponentContext], T_co]
    summary: str
    kind: ClassVar[str] = ""


@dataclass(frozen=True, slots=True)
class SourceFactory(Factory[Source]):
    """Makes a source. ``catalog`` turns the lists of tags that it reads into one another (``tagferry catalog``)."""

    catalog: CatalogConverter | None = None
    kind: ClassVar[str] = "source"


class DriverFactory(Factory[Driver]):
    """Makes a driver for one device; ``config`` is the device's entry without the engine's own keys."""

    kind = "driver"


class TransformFactory(Factory[Transform]):
    """Makes a transform."""

    kind = "transform"


@dataclass(frozen=True, slots=True)
class BufferFactory(Factory[Buffer]):
    """Makes a buffer for one sink. ``shared``: other agents fill it, and others may empty it (see ``Buffer``)."""

    shared: bool = False
    kind: ClassVar[str] = "buffer"


@dataclass(frozen=True, slots=True)
class SinkFactory(Factory[Sink]):
    """Makes a sink; also the fallback of another. ``backup_reader`` reads the files of one that keeps files."""

    backup_reader: BackupReader | None = None
    kind: ClassVar[str] = "sink"


class ExtensionFactory(Factory[Extension]):
    """Makes an extension."""

    kind = "extension"


def load_schema(package: str) -> Schema:
    """Read ``schema.json`` that lies in ``package``. Raises ValueError when it is not a JSON object."""
    loaded = json.loads(files(package).joinpath("schema.json").read_text(encoding="utf-8"))
    if not isinstance(loaded, dict):
        raise ValueError(f"{package}/schema.json is not a JSON object")
    return loaded
