"""Assembly: from a configuration to parts that are connected and not yet open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent_core.api import Buffer, Clock, Extension, Log, Replayable, Sink, Source, Transform
from agent_core.config.model import AgentConfig, Divert, SinkConfig
from agent_core.registry.catalog import Catalog
from agent_core.registry.events import Events
from agent_core.runtime.components import Components, PartName
from agent_core.runtime.delivery.carrier import Carrier, CarrierSettings
from agent_core.runtime.delivery.delivery import Delivery
from agent_core.runtime.delivery.diverter import Diverter
from agent_core.runtime.delivery.fallback import Fallback
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.retry import Backoff
from agent_core.runtime.delivery.settler import Settler
from agent_core.runtime.delivery.shared_buffer import SharedBuffer
from agent_core.runtime.delivery.shared_sink import SharedSink
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.delivery.sink_gate import ProbeIntervals, SinkGate
from agent_core.runtime.delivery.workers import Workers
from agent_core.runtime.pipeline import Pipeline, Route
from agent_core.runtime.replay.position import ReplayPosition
from agent_core.runtime.replay.replayer import Replayer
from agent_core.runtime.sources.source_watch import SourceWatch, Watched


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that one run consists of, by id."""

    sources: Mapping[str, Source]
    deliveries: Mapping[str, Delivery]
    extensions: Mapping[str, Extension]
    transforms: Mapping[str, Transform]
    """By ``source/number``, the first is 1."""
    pipeline: Pipeline
    watch: SourceWatch
    ledger: Ledger
    names: Mapping[tuple[str, str], PartName]
    """By kind and id."""


class Assembly:
    """Creates the parts that one configuration names. No I/O: it begins with each part's ``open``."""

    def __init__(
        self,
        config: AgentConfig,
        catalog: Catalog,
        events: Events,
        clock: Clock,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._config = config
        self._catalog = catalog
        self._components = Components(config, catalog, clock, redact)
        self._redact = redact
        self._events = events
        self._clock = clock
        self._log = Log("agent_core.delivery", clock)
        self._ledger = Ledger(sink.id for sink in config.sinks)

    def parts(self) -> Parts:
        """Create and connect. Raises ConfigError or PluginError."""
        deliveries = {sink.id: self._delivery(sink) for sink in self._config.sinks}
        sources: dict[str, Source] = {}
        every_transform: dict[str, Transform] = {}
        watched: dict[str, Watched] = {}
        routes: list[Route] = []
        for source in self._config.sources:
            sources[source.id] = self._components.source(source)
            transforms = tuple(self._components.transform(source.id, transform) for transform in source.transforms)
            every_transform.update({f"{source.id}/{n}": part for n, part in enumerate(transforms, 1)})
            watched[source.id] = Watched(sources[source.id], source.type, source.stale_after_seconds)
            fed = tuple(deliveries[sink.id] for sink in self._config.sinks if source.id in sink.inputs)
            types = tuple(transform.type for transform in source.transforms)
            routes.append(Route(source.id, source.type, transforms, fed, types))
        extensions = {extension.id: self._components.extension(extension) for extension in self._config.extensions}
        pipeline = Pipeline(routes, self._ledger, self._events, self._clock)
        watch = SourceWatch(watched, pipeline.intakes, self._clock, self._redact)
        names = {(name.kind, name.id): name for name in self._names()}
        return Parts(sources, deliveries, extensions, every_transform, pipeline, watch, self._ledger, names)

    def _names(self) -> Iterator[PartName]:
        name = self._components.name
        for source in self._config.sources:
            yield name("source", source.id, source.type)
            for number, transform in enumerate(source.transforms, 1):
                yield name("transform", f"{source.id}/{number}", transform.type)
        for sink in self._config.sinks:
            yield name("sink", sink.id, sink.type)
            yield name("buffer", sink.id, sink.buffer.type)
            if sink.fallback is not None:
                yield name("fallback", sink.id, sink.fallback.type)
        for extension in self._config.extensions:
            yield name("extension", extension.id, extension.type)

    def _delivery(self, config: SinkConfig) -> Delivery:
        context = SinkContext(config.id, self._ledger, self._events, self._clock, self._log, self._redact)
        sink = self._components.sink(config)
        buffer = self._components.buffer(config.id, config.buffer)
        if self._catalog.buffer(config.buffer.type).shared:
            buffer = SharedBuffer(buffer, context)
        fallback = None
        if config.fallback is not None:
            fallback = Fallback(config.fallback.type, self._components.fallback(config.id, config.fallback))
        return delivery_path(context, config, sink, buffer, fallback, self._config.state_dir)


def delivery_path(
    context: SinkContext, config: SinkConfig, sink: Sink, buffer: Buffer, fallback: Fallback | None, state_dir: Path
) -> Delivery:
    """Build the whole path of one sink's records.

    ::

        accept -> buffer -> workers: carrier -> gate -> sink -> settler
                     | evicted          | given up               | rejected
                     `------------------+------ diverter <-------'
                                                    |
                     sink <- gate <- replay <- fallback
    """
    intervals = ProbeIntervals(config.breaker.probe_interval_seconds, config.breaker.throttled_interval_seconds)
    backoff = Backoff.of(config.retry)
    divert_after_retries = not buffer.durable if config.divert is None else config.divert is Divert.AFTER_RETRIES
    carrying = CarrierSettings(backoff, intervals, divert_after_retries, config.divert_after_seconds)

    gate = SinkGate(context.clock, context.announce_state)
    shared = SharedSink(sink, gate, context.clock)
    diverter = Diverter(context, fallback)
    settler = Settler(context, shared, buffer, diverter, backoff)
    carrier = Carrier(context, shared, buffer, diverter, gate, settler, carrying)
    workers = Workers(context, config.workers, config.batch, buffer, gate, carrier, settler)
    replay = None
    if config.fallback is not None and fallback is not None and isinstance(fallback.sink, Replayable):
        position = ReplayPosition(state_dir / "replay" / f"{config.id}.json")
        replaying = replace(context, log=Log("agent_core.replay", context.clock))
        replay = Replayer(replaying, config, shared, fallback, fallback.sink, gate, intervals, position)
    return Delivery(context, config, buffer, gate, shared, diverter, workers, replay)
