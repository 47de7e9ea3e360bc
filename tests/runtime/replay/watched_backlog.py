"""Watched and stocked backlogs: fallbacks that tell how often the replay has looked at them, or what they hold."""

from __future__ import annotations

from collections.abc import Iterator

from agent_core.api import BacklogFile, ReplayBatch, Stock
from agent_core.testing.fakes import FakeBacklog


class WatchedBacklog(FakeBacklog):
    """Files in ``unreadable`` cannot be read; ``looks`` counts the listings."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.unreadable: set[str] = set()

    def backlog(self) -> list[BacklogFile]:
        with self.changed:
            self.looks += 1
            self.changed.notify_all()
        return super().backlog()

    def read(self, file: str, from_record: int = 0, max_records: int = 500) -> Iterator[ReplayBatch]:
        if file in self.unreadable:
            raise PermissionError(13, "Permission denied", file)
        return super().read(file, from_record, max_records)

    def wait_for_looks(self, count: int) -> None:
        self.wait_until(lambda _: self.looks >= count)


class StockedBacklog(WatchedBacklog):
    """A fallback that knows how many records it holds."""

    def stock(self) -> Stock:
        files = FakeBacklog.backlog(self)
        backup, rejected = (sum(file.records or 0 for file in files if file.rejected is kind) for kind in (False, True))
        return Stock(backup, rejected)

    def discard(self, file: str) -> int:
        [records] = [waiting.records or 0 for waiting in FakeBacklog.backlog(self) if waiting.name == file]
        self.finish(file)
        return records
