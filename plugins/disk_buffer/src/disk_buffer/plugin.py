"""The plugin: registers the buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_core.api import BufferFactory, ComponentContext, Config, hookimpl, load_schema, settings

if TYPE_CHECKING:
    from disk_buffer.buffer import DiskBuffer


def create(config: Config, context: ComponentContext) -> DiskBuffer:
    """Make the buffer; the file is touched in ``open``."""
    from disk_buffer.buffer import DiskBuffer
    from disk_buffer.config import DiskBufferConfig

    return DiskBuffer(settings(DiskBufferConfig, config), context)


@hookimpl
def agent_register_buffer() -> BufferFactory:
    return BufferFactory(
        type="disk_buffer",
        schema=load_schema("disk_buffer"),
        create=create,
        summary="bounded, in a file, first in, first out; survives the process and the machine",
    )
