"""disk_buffer is a buffer as the contract says, also for records that are no longer in memory."""

from __future__ import annotations

from pathlib import Path

from disk_buffer.buffer import DiskBuffer
from disk_buffer.config import DiskBufferConfig, WhenFull

from agent_core.api import Clock, ComponentContext
from agent_core.testing.buffers import BufferContract


class TestDiskBuffer(BufferContract):
    block_limit_seconds = 5.0

    memory_records = 3
    """So that most records are only on disk; the agent's own suite runs the contract with the default."""

    def make_buffer(self, folder: Path, *, capacity: int, when_full: str, clock: Clock) -> DiskBuffer:
        context = ComponentContext("warehouse", "line-1", folder, "disk_buffer", clock)
        config = DiskBufferConfig(
            directory=None,
            capacity_records=capacity,
            max_bytes=2**30,
            when_full=WhenFull(when_full),
            block_limit_seconds=self.block_limit_seconds,
            sync_interval_seconds=0.0,
            memory_records=self.memory_records,
        )
        return DiskBuffer(config, context, reserve_bytes=4096)
