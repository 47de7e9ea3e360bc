"""What a manual replay says of itself: before, while and after it writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from agent_core.runtime.replay.file import FilePreview


@dataclass(frozen=True, slots=True)
class ReplayPreview:
    """What would be replayed. ``left_out`` names files of rejected rows that were not asked for."""

    sink_id: str
    sink_type: str
    files: tuple[FilePreview, ...]
    left_out: tuple[str, ...]

    @property
    def rows(self) -> int:
        """Rows that would be read."""
        return sum(file.rows for file in self.files)

    @property
    def wanted(self) -> int:
        """Rows that would be written."""
        return sum(file.wanted for file in self.files)


@dataclass(frozen=True, slots=True)
class ReplayProgress:
    """How far it came: file ``number`` of ``files`` (from 1); ``rows_total`` is None while the files are looked at."""

    file: str
    number: int
    files: int
    rows: int
    rows_total: int | None
    elapsed_seconds: float


class ReplayEnd(StrEnum):
    """How a replay ended: all written, asked to stop, or the sink could not go on."""

    COMPLETE = "complete"
    INTERRUPTED = "interrupted"
    STOPPED = "stopped"


@dataclass(slots=True)
class FileLedger:
    """Rows of one file: ``read = inserted + duplicates + rejected + skipped + remaining``.

    ``skipped`` did not pass the filter. ``next_record`` is where it goes on. ``own``: the file lies in the backlog of
    the sink's fallback; ``moved``: it has left that.
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
    moved: bool = False

    @property
    def balanced(self) -> bool:
        """Anything else is a defect of the agent."""
        return self.read == self.inserted + self.duplicates + self.rejected + self.skipped + self.remaining


@dataclass(frozen=True, slots=True)
class ReplayResult:
    """What became of every row. ``error`` says why it stopped; ``rejected_files`` hold what the sink refused."""

    sink_id: str
    end: ReplayEnd
    files: tuple[FileLedger, ...]
    elapsed_seconds: float
    rejected_codes: Mapping[str, int]
    rejected_files: tuple[str, ...]
    error: str | None = None

    @property
    def total(self) -> FileLedger:
        """The sum over all files."""
        return FileLedger(
            self.sink_id,
            read=sum(file.read for file in self.files),
            inserted=sum(file.inserted for file in self.files),
            duplicates=sum(file.duplicates for file in self.files),
            rejected=sum(file.rejected for file in self.files),
            skipped=sum(file.skipped for file in self.files),
            remaining=sum(file.remaining for file in self.files),
            bad_lines=sum(file.bad_lines for file in self.files),
        )
