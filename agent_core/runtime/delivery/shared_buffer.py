"""SharedBuffer: a buffer that other agents fill, as this agent's ledger sees it."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from agent_core.api import Account, Advising, Batch, Buffer, BufferStats, Finding, Lease
from agent_core.runtime.delivery.sink_context import SinkContext


class SharedBuffer:
    """A Buffer around a shared one: records are counted as recovered and pending when they are first leased.

    ``Delivery`` counts what the buffer has recovered when it is opened; this counts what it recovers from then on,
    before anybody can settle it.
    """

    def __init__(self, buffer: Buffer, context: SinkContext) -> None:
        self._buffer = buffer
        self._advising = buffer if isinstance(buffer, Advising) else None
        self._context = context
        self._lock = threading.Lock()
        self._counted = 0

    @property
    def durable(self) -> bool:
        return self._buffer.durable

    @property
    def blocks(self) -> bool:
        return self._buffer.blocks

    def open(self) -> None:
        self._buffer.open()
        self._counted = self._buffer.stats().recovered_records

    def close(self) -> None:
        self._buffer.close()

    def append(self, batch: Batch) -> Batch:
        return self._buffer.append(batch)

    def lease(self, max_records: int, max_wait_seconds: float) -> Lease | None:
        lease = self._buffer.lease(max_records, max_wait_seconds)
        if lease is not None:
            with self._lock:
                recovered = self._buffer.stats().recovered_records
                self._context.move(Account.RECOVERED, Account.PENDING, recovered - self._counted)
                self._counted = recovered
        return lease

    def settle(self, lease: Lease) -> None:
        self._buffer.settle(lease)

    def release(self, lease: Lease) -> None:
        self._buffer.release(lease)

    def stop_waiting(self) -> None:
        self._buffer.stop_waiting()

    def stats(self) -> BufferStats:
        return self._buffer.stats()

    def advice(self) -> Sequence[Finding]:
        return () if self._advising is None else self._advising.advice()
