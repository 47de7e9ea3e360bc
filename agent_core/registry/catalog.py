"""Catalog: what the loaded plugins provide, frozen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

from agent_core.api import (
    BufferFactory,
    DriverFactory,
    ExtensionFactory,
    Factory,
    PluginError,
    SinkFactory,
    SourceFactory,
    TransformFactory,
    did_you_mean,
)

FACTORY_CLASSES: Final[tuple[type[Factory[object]], ...]] = (
    SourceFactory,
    DriverFactory,
    TransformFactory,
    BufferFactory,
    SinkFactory,
    ExtensionFactory,
)
KINDS: Final = tuple(factory_class.kind for factory_class in FACTORY_CLASSES)
"""source, driver, transform, buffer, sink, extension."""

F = TypeVar("F", bound=Factory[object])


@dataclass(frozen=True, slots=True)
class Plugin:
    """One loaded plugin. ``name`` is that of its entry point; ``factories`` may be empty (a plugin that observes).

    ``built_for`` says which versions of the core its distribution asks for, such as ``>=0.2,<0.3``; empty for any.
    """

    name: str
    distribution: str
    version: str
    summary: str
    factories: tuple[Factory[object], ...]
    built_for: str = ""

    @property
    def kinds(self) -> tuple[str, ...]:
        """What it provides, in the order of KINDS."""
        return tuple(factory.kind for factory in self.factories)


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """One installed plugin that cannot be used, and why. ``distribution`` names both when two claim one name."""

    name: str
    distribution: str
    version: str
    reason: str


class Catalog:
    """The factories by kind and type, and facts about their plugins. Immutable."""

    __slots__ = ("_factories", "broken", "plugins")

    def __init__(self, plugins: Iterable[Plugin] = (), broken: Iterable[BrokenPlugin] = ()) -> None:
        self.plugins: Final = tuple(sorted(plugins, key=lambda plugin: plugin.name))
        self.broken: Final = tuple(sorted(broken, key=lambda plugin: plugin.name))
        self._factories: Final = MappingProxyType(
            {(factory.kind, factory.type): factory for plugin in self.plugins for factory in plugin.factories}
        )

    def distribution(self, plugin: str) -> str:
        """Name and version of the distribution that a plugin comes from; empty when that is not known."""
        found = next((known for known in self.plugins if known.name == plugin), None)
        return "" if found is None else f"{found.distribution} {found.version}".strip()

    def types(self, kind: str) -> tuple[str, ...]:
        """The types of one kind, sorted."""
        return tuple(sorted(type_ for known, type_ in self._factories if known == kind))

    def get(self, kind: str, type: str) -> Factory[object]:  # noqa: A002 - the YAML's own word
        """The factory. Raises PluginError that names the nearest type, or what the plugin of that name provides."""
        found = self._factories.get((kind, type))
        if found is not None:
            return found
        for broken in self.broken:
            if broken.name == type:
                raise PluginError(f"plugin {type} cannot be used: {broken.reason}")
        for plugin in self.plugins:
            if plugin.name == type:
                provided = " and ".join(f"a {kind}" for kind in plugin.kinds) or "nothing that the YAML can name"
                raise PluginError(f"plugin {type} provides no {kind}; it provides {provided}")
        known = self.types(kind)
        hint = did_you_mean(type, known) or f"known: {', '.join(known) or 'none'}"
        raise PluginError(f"no {kind} is called {type!r}; {hint}")

    def source(self, type: str) -> SourceFactory:  # noqa: A002
        """The source factory. Raises PluginError."""
        return self._get(SourceFactory, type)

    def transform(self, type: str) -> TransformFactory:  # noqa: A002
        """The transform factory. Raises PluginError."""
        return self._get(TransformFactory, type)

    def buffer(self, type: str) -> BufferFactory:  # noqa: A002
        """The buffer factory. Raises PluginError."""
        return self._get(BufferFactory, type)

    def sink(self, type: str) -> SinkFactory:  # noqa: A002
        """The sink factory. Raises PluginError."""
        return self._get(SinkFactory, type)

    def extension(self, type: str) -> ExtensionFactory:  # noqa: A002
        """The extension factory. Raises PluginError."""
        return self._get(ExtensionFactory, type)

    @property
    def drivers(self) -> Mapping[str, DriverFactory]:
        """The loaded drivers by type, as ComponentContext wants them."""
        return MappingProxyType({type_: self._get(DriverFactory, type_) for type_ in self.types("driver")})

    def _get(self, wanted: type[F], type_: str) -> F:
        found = self.get(wanted.kind, type_)
        assert isinstance(found, wanted)
        return found
