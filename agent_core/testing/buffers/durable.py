"""DurableModel: the model of a buffer whose records outlive it: it is closed and opened again, and it crashes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from hypothesis.stateful import rule

from agent_core.api import Buffer
from agent_core.testing.buffers.model import BufferModel
from agent_core.testing.clock import ManualClock
from agent_core.testing.records import records


class DurableModel(BufferModel):
    """A BufferModel that keeps its files in a folder.

    After ``close`` exactly the records that were neither settled nor evicted are there. A crash is a copy of the
    folder at any moment between two calls: that is what a killed process leaves. Then those records are there, in
    order; of the others some may be, which is a repetition, and nothing that was never appended.
    """

    def __init__(
        self,
        make_in: Callable[..., Buffer],
        when_full: str,
        folders: Iterator[Path],
    ) -> None:
        super().__init__(self._make_first, when_full)
        self._make_in = make_in
        self._folders = folders

    def _make_first(self, *, capacity: int, when_full: str, clock: ManualClock) -> Buffer:
        self._folder = next(self._folders)
        self._again = partial(self._make_in, capacity=capacity, when_full=when_full, clock=clock)
        return self._opened(self._folder)

    @rule()
    def reopen(self) -> None:
        self._buffer.close()
        self._adopt(self._opened(self._folder), repeats=False)

    @rule()
    def crash(self) -> None:
        left, self._folder = self._folder, next(self._folders)
        shutil.copytree(left, self._folder, dirs_exist_ok=True)
        dead = self._buffer
        self._adopt(self._opened(self._folder), repeats=True)
        dead.close()

    def _opened(self, folder: Path) -> Buffer:
        buffer = self._again(folder)
        buffer.open()
        if buffer.blocks:
            buffer.stop_waiting()
        return buffer

    def _adopt(self, buffer: Buffer, *, repeats: bool) -> None:
        self._buffer = buffer
        lease = buffer.lease(1_000_000, 0.0)
        found = [] if lease is None else records(lease.batch)
        if lease is not None:
            buffer.release(lease)
        pending = self._ready + [record for _, lent in self._out for record in lent]
        names = {record.name for record in pending}
        kept = sorted(pending, key=lambda record: self._position[record.name])
        assert [record for record in found if record.name in names] == kept
        assert found == sorted(set(found), key=lambda record: self._position[record.name])
        assert repeats or len(found) == len(kept), "settled or evicted records are there after an orderly close"
        assert buffer.stats().recovered_records == len(found)
        self._settled -= len(found) - len(kept)
        self._ready, self._out, self._over = found, [], []
        self._most = len(found)
