"""Components: creates the parts that one configuration names, one at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from agent_core.api import (
    Buffer,
    Clock,
    ComponentContext,
    Config,
    ConfigError,
    ConfigProblem,
    Driver,
    DriverFactory,
    Extension,
    Factory,
    PluginError,
    Sink,
    Source,
    Transform,
)
from agent_core.config.model import (
    AgentConfig,
    BufferConfig,
    ExtensionConfig,
    FallbackConfig,
    SinkConfig,
    SourceConfig,
    TransformConfig,
)
from agent_core.registry.catalog import Catalog
from agent_core.registry.contracts import misfits
from agent_core.runtime.deadline import run_one
from agent_core.runtime.error_words import typed_text_of

T = TypeVar("T")
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class PartName:
    """Who a part is, for log and messages: ``sink warehouse (oracle_sink, tagferry-oracle-sink 0.2.0)``."""

    kind: str
    id: str
    plugin: str
    distribution: str

    def __str__(self) -> str:
        return f"{self.kind} {self.id} ({', '.join(filter(None, (self.plugin, self.distribution)))})"


class Components:
    """No I/O: it begins with each part's ``open``. ``create`` has ``start_timeout`` to return.

    Every method raises ConfigError, with paths from the root of the YAML, when ``create`` raises, does not return in
    time, or returns something that is not such a part; and PluginError when there is no such plugin.
    """

    def __init__(self, config: AgentConfig, catalog: Catalog, clock: Clock, redact: Callable[[str], str] = str) -> None:
        self._config = config
        self._catalog = catalog
        self._clock = clock
        self._redact = redact
        self._drivers = {name: self._checked(driver) for name, driver in catalog.drivers.items()}

    def source(self, source: SourceConfig) -> Source:
        path: Path = ("sources", _index(self._config.sources, source.id))
        return self._create(self._catalog.source(source.type), source.config, source.id, path)

    def transform(self, source_id: str, transform: TransformConfig) -> Transform:
        """One step of the source's chain."""
        number = _index(self._config.sources, source_id)
        steps = self._config.sources[number].transforms
        step = next(index for index, known in enumerate(steps) if known is transform)
        path: Path = ("sources", number, "transforms", step)
        return self._create(self._catalog.transform(transform.type), transform.config, source_id, path)

    def buffer(self, sink_id: str, buffer: BufferConfig) -> Buffer:
        """The buffer of one sink."""
        path = self._sink_path(sink_id, "buffer")
        return self._create(self._catalog.buffer(buffer.type), buffer.config, sink_id, path)

    def sink(self, sink: SinkConfig) -> Sink:
        return self._create(self._catalog.sink(sink.type), sink.config, sink.id, self._sink_path(sink.id))

    def fallback(self, component_id: str, fallback: FallbackConfig) -> Sink:
        """The sink that takes what another cannot; it carries the other's id."""
        path = self._sink_path(component_id, "fallback")
        return self._create(self._catalog.sink(fallback.type), fallback.config, component_id, path)

    def extension(self, extension: ExtensionConfig) -> Extension:
        path: Path = ("extensions", _index(self._config.extensions, extension.id))
        return self._create(self._catalog.extension(extension.type), extension.config, extension.id, path)

    def name(self, kind: str, component_id: str, plugin: str) -> PartName:
        """What to call a part."""
        return PartName(kind, component_id, plugin, self._catalog.distribution(plugin))

    def _sink_path(self, sink_id: str, *below: str) -> Path:
        number = _index(self._config.sinks, sink_id)
        if below == ("buffer",):
            entries = self._config.mapping.get("sinks")
            entry = entries[number] if isinstance(entries, Sequence) and number < len(entries) else {}
            if not (isinstance(entry, Mapping) and "buffer" in entry):
                return below
        return ("sinks", number, *below)

    def _create(self, factory: Factory[T], config: Config, component_id: str, path: Path) -> T:
        context = ComponentContext(
            component_id=component_id,
            agent_name=self._config.name,
            state_dir=self._config.state_dir,
            plugin=factory.type,
            clock=self._clock,
            drivers=self._drivers,
            redact=self._redact,
        )
        try:
            return self._made(factory, partial(factory.create, config, context))
        except ConfigError as error:
            raise ConfigError(below(path, error.problems)) from error
        except PluginError as error:
            raise ConfigError([ConfigProblem(str(error), (*path, "type"))]) from error

    def _checked(self, factory: DriverFactory) -> DriverFactory:
        """A source makes its own drivers; they are held to their contract as well."""

        def create(config: Config, context: ComponentContext) -> Driver:
            driver = factory.create(config, context)
            self._check(factory, driver)
            return driver

        return DriverFactory(factory.type, factory.schema, create, factory.summary)

    def _made(self, factory: Factory[T], create: Callable[[], T]) -> T:
        seconds = self._config.start_timeout_seconds
        ended = run_one(create, seconds, self._clock)
        if ended is None:
            who = self._who(factory)
            raise PluginError(f"{who} has not returned from create after {seconds:g} s; create must do no I/O")
        if isinstance(ended.error, (ConfigError, PluginError)):
            raise ended.error
        if ended.error is not None:
            words = typed_text_of(ended.error)
            raise PluginError(f"{self._who(factory)} raised in create: {words}") from ended.error
        [part] = ended.values
        self._check(factory, part)
        return part

    def _check(self, factory: Factory[T], part: T) -> None:
        if found := misfits(part, factory.kind):
            raise PluginError(f"what {self._who(factory)} creates is not a {factory.kind}: {'; '.join(found)}")

    def _who(self, factory: Factory[T]) -> str:
        distribution = self._catalog.distribution(factory.type)
        return f"{factory.type} ({distribution})" if distribution else factory.type


def below(path: Path, problems: Sequence[ConfigProblem]) -> Sequence[ConfigProblem]:
    """Problems whose paths start at the ``config:`` of a part, with paths from the root.

    Those of another file need none.
    """
    return [
        replace(problem, path=(*path, "config", *problem.path)) if problem.file is None else problem
        for problem in problems
    ]


def _index(entries: Sequence[SourceConfig | SinkConfig | ExtensionConfig], wanted: str) -> int:
    """Its place in the YAML; 0 for a part that is none of its own, such as a fallback under another name."""
    return next((index for index, entry in enumerate(entries) if entry.id == wanted), 0)
