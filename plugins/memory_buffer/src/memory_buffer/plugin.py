"""The plugin: registers the buffer."""

from __future__ import annotations

from agent_core.api import BufferFactory, ComponentContext, Config, hookimpl, load_schema, settings
from memory_buffer.buffer import MemoryBuffer
from memory_buffer.config import MemoryBufferConfig


def create(config: Config, context: ComponentContext) -> MemoryBuffer:
    """Make the buffer. Pure."""
    return MemoryBuffer(settings(MemoryBufferConfig, config), context)


@hookimpl
def agent_register_buffer() -> BufferFactory:
    return BufferFactory(
        type="memory_buffer",
        schema=load_schema("memory_buffer"),
        create=create,
        summary="bounded, in memory, first in, first out; lost with the process",
    )
