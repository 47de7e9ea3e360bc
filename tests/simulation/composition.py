"""Composition: the agent of a history: the model's source and table; buffer and fallback are the real ones."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from csv_sink.plugin import agent_register_sink
from memory_buffer.config import MemoryBufferConfig
from memory_buffer.plugin import agent_register_buffer
from simulation.cast import ModelTable, MoodyBuffer, MoodyTransform
from simulation.world import World

from agent_core.api import (
    Buffer,
    BufferFactory,
    ComponentContext,
    Config,
    Sink,
    SinkFactory,
    Source,
    SourceFactory,
    Transform,
    TransformFactory,
)
from agent_core.api import (
    settings as settings_of,
)
from agent_core.config.model import (
    AgentConfig,
    BatchConfig,
    BreakerConfig,
    BufferConfig,
    FallbackConfig,
    LogConfig,
    LogFormat,
    PluginsConfig,
    Replay,
    RetryConfig,
    SinkConfig,
    SourceConfig,
    TransformConfig,
)
from agent_core.registry.catalog import Catalog, Plugin


def catalog(table: ModelTable, make_source: Callable[[ComponentContext], Source], transform: MoodyTransform) -> Catalog:
    """The plugins of one life."""

    def create_source(config: Config, context: ComponentContext) -> Source:
        return make_source(context)

    def create_sink(config: Config, context: ComponentContext) -> Sink:
        return table

    def create_transform(config: Config, context: ComponentContext) -> Transform:
        return transform

    def create_buffer(config: Config, context: ComponentContext) -> Buffer:
        return MoodyBuffer(settings_of(MemoryBufferConfig, config), context)

    buffer = agent_register_buffer()
    moody = BufferFactory("moody_buffer", buffer.schema, create_buffer, "")
    return Catalog(
        [
            Plugin("numbers", "d", "1", "", (SourceFactory("numbers", {}, create_source, ""),)),
            Plugin("table", "d", "1", "", (SinkFactory("table", {}, create_sink, ""),)),
            Plugin("csv_sink", "d", "1", "", (agent_register_sink(),)),
            Plugin("memory_buffer", "d", "1", "", (buffer,)),
            Plugin("moody_buffer", "d", "1", "", (moody,)),
            Plugin("moody_transform", "d", "1", "", (TransformFactory("moody_transform", {}, create_transform, ""),)),
        ]
    )


def configuration(world: World) -> AgentConfig:
    """What the world's settings make of the agent."""
    settings = world.settings
    fallback = FallbackConfig(
        "csv_sink",
        {
            "directory": world.folder / "backup",
            "max_file_size": 2000,
            "max_file_age": 20.0,
            "min_free_disk": 0,
            "done_retention": 1e9,
        },
        Replay.AUTOMATIC if settings.replay else Replay.OFF,
        1000,
    )
    sink = SinkConfig(
        id="sink",
        type="table",
        inputs=("line",),
        config={},
        buffer=BufferConfig(
            "moody_buffer" if settings.moody_buffer else "memory_buffer",
            {"capacity": settings.capacity, "when_full": settings.when_full, "block_limit": 2.0},
        ),
        batch=BatchConfig(settings.max_records, 0.5),
        retry=RetryConfig(2, 1, 2, 0.2, 10),
        breaker=BreakerConfig(10, 20),
        workers=settings.workers,
        write_limit_seconds=20,
        divert=None,
        divert_after_seconds=5,
        fallback=fallback if settings.fallback else None,
    )
    transforms = (TransformConfig("moody_transform", {}),) if settings.transformed else ()
    return AgentConfig(
        file=world.folder / "agent.yaml",
        name="line-1",
        state_dir=world.folder / "state",
        shutdown_timeout_seconds=settings.shutdown_seconds,
        start_timeout_seconds=5,
        plugins=PluginsConfig((), ()),
        log=LogConfig("info", LogFormat.CONSOLE, None),
        sources=(SourceConfig("line", "numbers", {}, transforms, None),),
        sinks=(sink,),
        extensions=(),
        mapping=MappingProxyType({}),
        warnings=(),
    )
