"""The plugin: registers the sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_core.api import ComponentContext, Config, SinkFactory, hookimpl, load_schema

if TYPE_CHECKING:
    from jetstream_sink.sink import JetstreamSink


def create(config: Config, context: ComponentContext) -> JetstreamSink:
    """Make the sink; it connects in its first write."""
    from jetstream_sink.config import JetstreamSinkConfig
    from jetstream_sink.sink import JetstreamSink

    return JetstreamSink(JetstreamSinkConfig.of(config), context)


@hookimpl
def agent_register_sink() -> SinkFactory:
    return SinkFactory(
        type="jetstream_sink",
        schema=load_schema("jetstream_sink"),
        create=create,
        summary="publishes to a NATS JetStream stream, for writers that take over from each other",
    )
