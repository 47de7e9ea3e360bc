"""A buffer that other agents fill: its records are in this agent's ledger from their first lease on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from memory_buffer.plugin import create as create_memory_buffer

from agent_core.api import Batch, Buffer, BufferStats, ComponentContext, Finding, Lease, Log, Severity
from agent_core.registry.events import Events
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.shared_buffer import SharedBuffer
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import batch_of

AWAY = Finding(Severity.CRITICAL, "server", "away")


class FilledElsewhere:
    """A shared buffer: a memory_buffer behind it stands for the others that fill it."""

    durable = True
    blocks = False

    def __init__(self, elsewhere: Buffer) -> None:
        self._elsewhere = elsewhere
        self._known: set[tuple[str, int]] = set()
        self.findings: list[Finding] = []

    def open(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""

    def append(self, batch: Batch) -> Batch:
        raise OSError("filled by others")

    def lease(self, max_records: int, max_wait_seconds: float) -> Lease | None:
        lease = self._elsewhere.lease(max_records, max_wait_seconds)
        if lease is not None:
            self._known.update(zip(lease.batch.names, lease.batch.stamps(), strict=True))
        return lease

    def settle(self, lease: Lease) -> None:
        self._elsewhere.settle(lease)

    def release(self, lease: Lease) -> None:
        self._elsewhere.release(lease)

    def stop_waiting(self) -> None:
        self._elsewhere.stop_waiting()

    def stats(self) -> BufferStats:
        return replace(self._elsewhere.stats(), recovered_records=len(self._known), backlog_messages=7)

    def advice(self) -> list[Finding]:
        return self.findings


@pytest.fixture
def elsewhere(tmp_path: Path) -> Buffer:
    context = ComponentContext("sink", "test", tmp_path, "test", ManualClock())
    return create_memory_buffer({"capacity": 100, "when_full": "drop_oldest", "block_limit": 5.0}, context)


def test_records_are_recovered_with_their_first_lease_and_never_again(elsewhere: Buffer) -> None:
    ledger, clock = Ledger(["sink"]), ManualClock()
    context = SinkContext("sink", ledger, Events(), clock, Log("test", clock))
    inner = FilledElsewhere(elsewhere)
    inner.findings.append(AWAY)
    buffer = SharedBuffer(inner, context)
    buffer.open()
    elsewhere.append(batch_of(*range(5)))
    assert (ledger.snapshot("sink").recovered, buffer.stats().ready_records) == (0, 5)
    lease = buffer.lease(3, 0.0)
    assert lease is not None
    buffer.release(lease)
    assert (ledger.snapshot("sink").recovered, ledger.snapshot("sink").pending) == (3, 3)
    lease = buffer.lease(4, 0.0)
    assert lease is not None
    buffer.settle(lease)
    snapshot = ledger.snapshot("sink")
    assert (snapshot.recovered, snapshot.balanced) == (4, True)
    assert buffer.lease(4, 0.0) is not None
    assert buffer.lease(4, 0.0) is None
    assert ledger.snapshot("sink").recovered == 5
    assert (buffer.durable, buffer.blocks, buffer.advice()) == (True, False, [AWAY])
    with pytest.raises(OSError, match="filled by others"):
        buffer.append(batch_of(1))
    buffer.stop_waiting()
    buffer.close()
