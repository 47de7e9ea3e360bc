"""The plugin: registers the buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_core.api import BufferFactory, ComponentContext, Config, hookimpl, load_schema

if TYPE_CHECKING:
    from jetstream_buffer.buffer import JetstreamBuffer


def create(config: Config, context: ComponentContext) -> JetstreamBuffer:
    """Make the buffer; it connects in ``open``."""
    from jetstream_buffer.buffer import JetstreamBuffer
    from jetstream_buffer.config import JetstreamBufferConfig

    return JetstreamBuffer(JetstreamBufferConfig.of(config), context)


@hookimpl
def agent_register_buffer() -> BufferFactory:
    return BufferFactory(
        type="jetstream_buffer",
        schema=load_schema("jetstream_buffer"),
        create=create,
        summary="takes from a NATS JetStream stream, which other agents fill; several agents may share it",
        shared=True,
    )
