"""Components: creates the parts that one configuration names, one at a time."""

from __future__ import annotations

from agent_core.api import Buffer, Clock, ComponentContext, Extension, Sink, Source, Transform
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


class Components:
    """No I/O: it begins with each part's ``open``. Every method raises ConfigError or PluginError."""

    def __init__(self, config: AgentConfig, catalog: Catalog, clock: Clock) -> None:
        self._config = config
        self._catalog = catalog
        self._clock = clock

    def source(self, source: SourceConfig) -> Source:
        return self._catalog.source(source.type).create(source.config, self._context(source.id, source.type))

    def transform(self, source_id: str, transform: TransformConfig) -> Transform:
        """One step of the source's chain."""
        factory = self._catalog.transform(transform.type)
        return factory.create(transform.config, self._context(source_id, transform.type))

    def buffer(self, sink_id: str, buffer: BufferConfig) -> Buffer:
        """The buffer of one sink."""
        return self._catalog.buffer(buffer.type).create(buffer.config, self._context(sink_id, buffer.type))

    def sink(self, sink: SinkConfig) -> Sink:
        return self._catalog.sink(sink.type).create(sink.config, self._context(sink.id, sink.type))

    def fallback(self, component_id: str, fallback: FallbackConfig) -> Sink:
        """The sink that takes what another cannot; it carries the other's id."""
        return self._catalog.sink(fallback.type).create(fallback.config, self._context(component_id, fallback.type))

    def extension(self, extension: ExtensionConfig) -> Extension:
        factory = self._catalog.extension(extension.type)
        return factory.create(extension.config, self._context(extension.id, extension.type))

    def _context(self, component_id: str, plugin_type: str) -> ComponentContext:
        return ComponentContext(
            component_id=component_id,
            agent_name=self._config.name,
            state_dir=self._config.state_dir,
            plugin=plugin_type,
            clock=self._clock,
            drivers=self._catalog.drivers,
        )
