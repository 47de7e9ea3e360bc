"""memory_buffer is a buffer as the contract says."""

from __future__ import annotations

from pathlib import Path

from memory_buffer.buffer import MemoryBuffer
from memory_buffer.config import MemoryBufferConfig, WhenFull

from agent_core.api import Clock, ComponentContext
from agent_core.testing.buffers import BufferContract


class TestMemoryBuffer(BufferContract):
    block_limit_seconds = 5.0

    def make_buffer(self, folder: Path, *, capacity: int, when_full: str, clock: Clock) -> MemoryBuffer:
        context = ComponentContext("warehouse", "line-1", folder, "memory_buffer", clock)
        return MemoryBuffer(MemoryBufferConfig(capacity, WhenFull(when_full), self.block_limit_seconds), context)
