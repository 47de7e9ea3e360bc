"""A process that appends and settles until it is killed; what it has done it says on standard output."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from disk_buffer.buffer import DiskBuffer
from disk_buffer.config import DiskBufferConfig, WhenFull
from disk_buffer.store import Changes, Store

from agent_core.api import ComponentContext
from agent_core.testing.records import RecordMaker, numbers


class DyingStore(Store):
    """Kills the process (-9) inside the nth call of a kind."""

    def __init__(self, file: Path, moment: str, nth: int) -> None:
        super().__init__(file)
        self._moment, self._left = moment, nth

    def write(self, changes: Changes, *, sync: bool) -> None:
        kind = "append" if changes.added else "settle"
        self.die_at(f"before {kind}")
        super().write(changes, sync=sync)
        self.die_at(f"after {kind}")
        if self._moment == "checkpoint":
            self.checkpoint()
            self.die_at("checkpoint")

    def die_at(self, moment: str) -> None:
        if moment == self._moment:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def made(folder: Path, store: Store | None = None, capacity: int = 1_000_000) -> DiskBuffer:
    config = DiskBufferConfig(folder, capacity, 2**30, WhenFull.DROP_OLDEST, 5.0, 0.0, 500)
    return DiskBuffer(config, ComponentContext("warehouse", "line-1", folder, "disk_buffer"), store, reserve_bytes=4096)


def main() -> None:
    folder, moment, nth, first = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    buffer = made(folder, DyingStore(folder / "warehouse" / "records.db", moment, nth))
    buffer.open()
    maker = RecordMaker()
    maker.made = first

    def settle() -> None:
        while True:
            lease = buffer.lease(40, 0.001)
            if lease is not None:
                buffer.settle(lease)
                os.write(1, b"".join(b"settled %d\n" % number for number in numbers(lease.batch)))

    threading.Thread(target=settle, daemon=True).start()
    for count in range(1, 100_000):
        batch = maker.batch(count % 60 + 1)
        os.write(1, b"".join(b"tried %d\n" % number for number in numbers(batch)))
        buffer.append(batch)
        os.write(1, b"".join(b"appended %d\n" % number for number in numbers(batch)))


if __name__ == "__main__":
    main()
