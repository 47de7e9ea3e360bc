"""ReplayFile: one backup file to be written into a sink, and the account of its records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from agent_core.api import BacklogFile, Replayable, ReplayBatch, WriteOutcome
from agent_core.runtime.replay.position import ReplayPosition


@dataclass(frozen=True, slots=True)
class ReplayFile:
    """``name`` is how messages call it, ``key`` how the position does.

    ``read`` takes the first data record and the most records of a batch.

    ``finish`` moves it out of the backlog of the sink's own fallback; None for a file that lies elsewhere and is left
    as it is. ``filtered``: some of its records may not be wanted.
    """

    name: str
    key: str
    size_bytes: int
    rejected: bool
    read: Callable[[int, int], Iterator[ReplayBatch]]
    finish: Callable[[], None] | None
    position: ReplayPosition
    filtered: bool = False

    @classmethod
    def of_backlog(cls, file: BacklogFile, fallback: Replayable, position: ReplayPosition) -> ReplayFile:
        """A file of the sink's own fallback."""
        return cls(
            name=file.name,
            key=backlog_key(file),
            size_bytes=file.size_bytes,
            rejected=file.rejected,
            read=partial(fallback.read, file.name),
            finish=partial(fallback.finish, file.name),
            position=position,
        )

    def next_record(self) -> int:
        """Where an interrupted replay resumes."""
        return self.position.next_record(self.key)

    def end(self) -> None:
        """It is complete: the next replay begins at the first record."""
        self.position.drop(self.key)


def backlog_key(file: BacklogFile) -> str:
    """What a position calls a file: one that somebody has edited, to fix a line of it, begins at its first record."""
    return f"{file.name} {file.version or file.size_bytes}"


@dataclass(slots=True)
class FileLedger:
    """Records of one file: ``read = inserted + duplicates + rejected + skipped + remaining``.

    ``skipped`` did not pass the filter. ``repeated`` of the duplicates were written by this replay itself, before the
    file was changed and begun again; of ``written_before``, so many may still come. ``next_record`` is where the next
    replay resumes. ``own``: the file lies in the backlog of the sink's fallback; ``moved``: it has left that.
    ``error``: why it was not written to its end.
    """

    file: str
    own: bool = False
    read: int = 0
    inserted: int = 0
    duplicates: int = 0
    rejected: int = 0
    skipped: int = 0
    remaining: int = 0
    bad_lines: int = 0
    next_record: int = 0
    repeated: int = 0
    written_before: int = 0
    moved: bool = False
    error: str | None = None

    @property
    def balanced(self) -> bool:
        """Anything else is a defect of the agent."""
        return self.read == self.inserted + self.duplicates + self.rejected + self.skipped + self.remaining

    def add(self, read: int, outcome: WriteOutcome, bad_lines: int) -> None:
        """Count records that were read, what became of those that were written, and lines that make no record."""
        repeated = min(self.written_before, outcome.duplicates)
        self.written_before -= repeated
        self.repeated += repeated
        self.inserted += outcome.inserted
        self.duplicates += outcome.duplicates
        self.rejected += len(outcome.rejected)
        self.skipped += read - outcome.total
        self.bad_lines += bad_lines
        self.read += max(0, read - self.remaining)  # more than anybody expected
        self.remaining = max(0, self.remaining - read)

    def begin_again(self) -> None:
        """The file was changed: it is read from its first record, damaged lines included.

        What was written stays counted, and so is what is read a second time.
        """
        self.next_record = 0
        self.bad_lines = 0
        self.written_before = self.inserted + self.duplicates - self.repeated

    def complete(self) -> None:
        """The file has ended, perhaps earlier than expected."""
        self.read -= self.remaining
        self.remaining = 0
