"""Records that a buffer cannot read any more are counted as dropped, once, so that the ledger is right again."""

from dataclasses import replace
from pathlib import Path

from memory_buffer.buffer import MemoryBuffer
from memory_buffer.config import MemoryBufferConfig, WhenFull

from agent_core.api import BufferStats, ComponentContext, DropReason
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import batch_of

from ..conftest import MakeRig


class DamagedBuffer(MemoryBuffer):
    """Loses records when the test says so."""

    lost = 0

    def lose(self, records: int) -> None:
        lease = self.lease(records, 0.0)
        assert lease is not None
        self.settle(lease)
        self.lost += len(lease.batch)

    def stats(self) -> BufferStats:
        return replace(super().stats(), damaged_records=self.lost)


def test_what_a_buffer_lost_is_dropped_with_a_reason(make_rig: MakeRig, tmp_path: Path) -> None:
    context = ComponentContext("sink", "test", tmp_path, "test", ManualClock())
    buffer = DamagedBuffer(MemoryBufferConfig(100, WhenFull.DROP_OLDEST, 5.0), context)
    rig = make_rig(buffer=buffer)
    rig.delivery.accept(batch_of(*range(10)))
    buffer.lose(4)
    for _ in range(2):
        rig.delivery.look_at_backlog()
        ledger = rig.ledger.snapshot("sink")
        assert (ledger.dropped, ledger.pending) == (4, 6)
        assert ledger.dropped_by_reason == {DropReason.BUFFER_DAMAGED: 4}
