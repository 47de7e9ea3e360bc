"""NamedPlugins: which plugins a configuration names, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from typing import NamedTuple, Protocol

from agent_core.api import BufferFactory, Config, ConfigProblem, Factory, PluginError
from agent_core.api.document import Document, PathKey
from agent_core.config.schema.applicable import SchemaWalk, Subschema
from agent_core.config.schema.merged import PLUGIN_REF


class Registry(Protocol):
    """What the configuration needs of the plugins; ``agent_core.registry.Registry`` is one."""

    @property
    def names(self) -> Sequence[str]:
        """Every installed plugin."""

    def disable(self, names: Sequence[str]) -> None:
        """Never load these."""

    def load(self, name: str) -> object:
        """Import one plugin. Raises PluginError."""

    def factory(self, kind: str, type: str) -> Factory[object]:  # noqa: A002
        """Load the plugin and return its factory. Raises PluginError."""

    def resolve_secret(self, reference: str) -> str | None:
        """Ask the loaded plugins. Raises PluginError."""

    def check_config(self, config: Config) -> Sequence[ConfigProblem]:
        """Ask the loaded plugins."""


class Named(NamedTuple):
    """A component's ``type``, and the component's entry."""

    kind: str
    type: str
    path: PathKey
    entry: Mapping[str, object]


class NamedPlugins:
    """Loads what the configuration names and keeps the factories and the failures."""

    def __init__(self, document: Document, registry: Registry) -> None:
        self._document = document
        self._registry = registry
        self.factories: dict[tuple[str, str], Factory[object]] = {}
        self.problems: list[ConfigProblem] = []
        self.failed: set[PathKey] = set()
        self.cause: PluginError | None = None
        self._passed_over: Set[PathKey] = frozenset()

    @property
    def shared_buffers(self) -> Set[str]:
        """Types of loaded buffers that other agents fill."""
        return {type_ for (_, type_), made in self.factories.items() if isinstance(made, BufferFactory) and made.shared}

    def load(self, root: Mapping[str, object], passed_over: Set[PathKey] = frozenset()) -> None:
        """Load every plugin that ``root`` names, also those named by other plugins' configs.

        ``passed_over`` are the paths of names that are unknown because their ``${...}`` has no value.
        """
        self._passed_over = passed_over
        for kind, type_, path, entry in _components(root):
            factory = self._factory(kind, type_, (*path, "type"))
            config = entry.get("config")
            if factory is not None and isinstance(config, Mapping):
                walk = SchemaWalk(factory.schema)
                self._references(walk, config, walk.of(walk.root, config), (*path, "config"))

    def enabled(self, names: Sequence[tuple[str, PathKey]]) -> None:
        """Load plugins under ``plugins: {enabled: [...]}``."""
        for name, path in names:
            try:
                self._registry.load(name)
            except PluginError as error:
                self._failed(error, path)

    def _factory(self, kind: str, type_: str, path: PathKey) -> Factory[object] | None:
        if path in self._passed_over:
            return None
        try:
            factory = self._registry.factory(kind, type_)
        except PluginError as error:
            self._failed(error, path)
            return None
        self.factories[kind, type_] = factory
        return factory

    def _failed(self, error: PluginError, path: PathKey) -> None:
        message, _, hint = str(error).partition("; ")
        self.problems.append(self._document.problem(message, path, hint or None))
        self.failed.add(path)
        self.cause = self.cause or error

    def _references(self, walk: SchemaWalk, value: object, subschemas: list[Subschema], path: PathKey) -> None:
        if not subschemas:
            return
        if isinstance(value, Mapping):
            for key, inner in self._with_named_defaults(walk, value, subschemas):
                inner_schemas = walk.property(subschemas, key, inner)
                for kind in {str(schema[PLUGIN_REF]) for schema in inner_schemas if PLUGIN_REF in schema}:
                    if isinstance(inner, str):
                        factory = self._factory(kind, inner, (*path, key))
                        if factory is not None:
                            named = SchemaWalk(factory.schema)
                            self._references(named, value, named.of(named.root, value), path)
                self._references(walk, inner, inner_schemas, (*path, key))
        elif isinstance(value, list):
            for index, inner in enumerate(value):
                self._references(walk, inner, walk.item(subschemas, index, inner), (*path, index))

    def _with_named_defaults(
        self, walk: SchemaWalk, value: Mapping[str, object], subschemas: list[Subschema]
    ) -> Iterator[tuple[str, object]]:
        yield from value.items()
        seen = set(value)
        for key, default in walk.defaults(subschemas, value):
            if key not in seen:
                seen.add(key)
                yield key, default


def _components(root: Mapping[str, object]) -> Iterator[Named]:
    """Every entry with a ``type``; entries of the wrong shape are left to the schema."""
    yield from _named("buffer", root.get("buffer"), ("buffer",))
    for section, kind in (("sources", "source"), ("sinks", "sink"), ("extensions", "extension")):
        entries = root.get(section)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            path: PathKey = (section, index)
            yield from _named(kind, entry, path)
            if not isinstance(entry, Mapping):
                continue
            if kind == "sink":
                yield from _named("buffer", entry.get("buffer"), (*path, "buffer"))
                yield from _named("sink", entry.get("fallback"), (*path, "fallback"))
            transforms = entry.get("transforms") if kind == "source" else None
            for number, transform in enumerate(transforms if isinstance(transforms, list) else ()):
                yield from _named("transform", transform, (*path, "transforms", number))


def _named(kind: str, entry: object, path: PathKey) -> Iterator[Named]:
    if isinstance(entry, Mapping) and isinstance(entry.get("type"), str):
        yield Named(kind, entry["type"], path, entry)
