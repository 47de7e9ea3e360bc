"""jetstream_buffer is a buffer as the contract says, as far as that applies to one that others fill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from jetstream_buffer.buffer import JetstreamBuffer

from agent_core.api import EMPTY, Batch, Buffer, BufferStats, Clock, Lease
from agent_core.testing.buffers import BufferContract

from .conftest import MakeStream, Stream

LONG = 3600.0


@dataclass
class Filled:
    """A shared buffer with an edge at its other end: ``append`` publishes, and ``lease`` waits for what is there."""

    buffer: JetstreamBuffer
    stream: Stream
    available: int = 0
    durable = True
    blocks = False

    def open(self) -> None:
        self.buffer.open()

    def close(self) -> None:
        self.buffer.close()

    def append(self, batch: Batch) -> Batch:
        self.stream.publish(batch)
        self.available += len(batch)
        return EMPTY

    def lease(self, max_records: int, max_wait_seconds: float) -> Lease | None:
        count = min(max_records, self.available)
        lease = self.buffer.lease(count, LONG) if count else self.buffer.lease(max_records, max_wait_seconds)
        if lease is not None:
            self.available -= len(lease.batch)
        return lease

    def settle(self, lease: Lease) -> None:
        self.buffer.settle(lease)

    def release(self, lease: Lease) -> None:
        self.buffer.release(lease)
        self.available += len(lease.batch)

    def stop_waiting(self) -> None:
        self.buffer.stop_waiting()

    def stats(self) -> BufferStats:
        return self.buffer.stats()


class TestJetstreamBuffer(BufferContract):
    shared = True

    @pytest.fixture(autouse=True)
    def _streams(self, make_stream: MakeStream) -> None:
        self.new_stream = make_stream

    def make_buffer(self, folder: Path, *, capacity: int, when_full: str, clock: Clock) -> Buffer:
        stream = self.new_stream()
        return Filled(stream.buffer(capacity, clock=clock), stream)
