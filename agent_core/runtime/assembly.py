"""Assembly: from a configuration to parts that are connected and not yet open."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from agent_core.api import Clock, Extension, Source
from agent_core.config.model import AgentConfig, Divert, Replay, SinkConfig
from agent_core.registry.catalog import Catalog
from agent_core.registry.events import Events
from agent_core.runtime.components import Components
from agent_core.runtime.delivery.carrier import CarrierSettings
from agent_core.runtime.delivery.delivery import Delivery
from agent_core.runtime.delivery.fallback import Fallback
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.retry import Backoff
from agent_core.runtime.delivery.sink_gate import ProbeIntervals
from agent_core.runtime.pipeline import Pipeline, Route
from agent_core.runtime.replay.replayer import ReplaySettings


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything one run is made of, by id."""

    sources: Mapping[str, Source]
    deliveries: Mapping[str, Delivery]
    extensions: Mapping[str, Extension]
    pipeline: Pipeline
    ledger: Ledger


class Assembly:
    """Creates the parts that one configuration names. No I/O: that begins with each part's ``open``."""

    def __init__(self, config: AgentConfig, catalog: Catalog, events: Events, clock: Clock) -> None:
        self._config = config
        self._components = Components(config, catalog, clock)
        self._events = events
        self._clock = clock
        self._ledger = Ledger(sink.id for sink in config.sinks)

    def parts(self) -> Parts:
        """Create and connect. Raises ConfigError or PluginError."""
        deliveries = {sink.id: self._delivery(sink) for sink in self._config.sinks}
        sources: dict[str, Source] = {}
        routes: list[Route] = []
        for source in self._config.sources:
            sources[source.id] = self._components.source(source)
            transforms = tuple(self._components.transform(source.id, transform) for transform in source.transforms)
            fed = tuple(deliveries[sink.id] for sink in self._config.sinks if source.id in sink.inputs)
            routes.append(Route(source.id, source.type, transforms, fed))
        extensions = {extension.id: self._components.extension(extension) for extension in self._config.extensions}
        logger = logging.getLogger("agent_core.pipeline")
        pipeline = Pipeline(routes, self._ledger, self._events, self._clock, logger)
        return Parts(sources, deliveries, extensions, pipeline, self._ledger)

    def _delivery(self, sink: SinkConfig) -> Delivery:
        buffer = self._components.buffer(sink.id, sink.buffer)
        intervals = ProbeIntervals(sink.breaker.probe_interval_seconds, sink.breaker.throttled_interval_seconds)
        fallback, replay = None, None
        if sink.fallback is not None:
            fallback = Fallback(sink.fallback.type, self._components.fallback(sink.id, sink.fallback))
            automatic = sink.fallback.replay is Replay.AUTOMATIC
            replay = ReplaySettings(sink.batch.max_records, sink.fallback.replay_rate, intervals, automatic)
        carrier = CarrierSettings(
            backoff=Backoff.of(sink.retry),
            probe_intervals=intervals,
            divert_after_retries=not buffer.durable if sink.divert is None else sink.divert is Divert.AFTER_RETRIES,
        )
        return Delivery(
            sink.id,
            sink.type,
            sink.inputs,
            self._components.sink(sink),
            buffer,
            fallback,
            workers=sink.workers,
            max_records=sink.batch.max_records,
            max_wait_seconds=sink.batch.max_wait_seconds,
            carrier=carrier,
            replay=replay,
            state_dir=self._config.state_dir,
            ledger=self._ledger,
            events=self._events,
            clock=self._clock,
            logger=logging.getLogger("agent_core.delivery"),
        )
