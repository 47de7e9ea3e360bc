"""WatchedBacklog: a fallback that tells how often the replay has looked at it, and has files that cannot be read."""

from __future__ import annotations

from collections.abc import Iterator

from agent_core.api import BacklogFile, ReplayBatch
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
