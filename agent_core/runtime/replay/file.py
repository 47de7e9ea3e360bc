"""ReplayFile: one backup file on its way into a sink, and what can be said of it before it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from agent_core.api import BadLine, ReplayBatch
from agent_core.runtime.replay.position import ReplayPosition
from agent_core.runtime.replay.record_filter import RowSelection

BAD_LINES_KEPT = 1000
"""A file that is no backup at all has only bad lines; nobody reads more than these."""

Reading = Callable[[int], None]
"""Told now and then how many rows were read."""


@dataclass(frozen=True, slots=True)
class ReplayFile:
    """``name`` is how messages call it, ``key`` how the position does.

    ``read`` takes the first data record and the most records of a batch.

    ``finish`` moves it out of the backlog of the sink's own fallback; None for a file that lies elsewhere and is left
    as it is. ``filtered``: its position counts for one filter only, so where it stands says nothing of other rows.
    """

    name: str
    key: str
    size_bytes: int
    rejected: bool
    read: Callable[[int, int], Iterator[ReplayBatch]]
    finish: Callable[[], None] | None
    position: ReplayPosition
    filtered: bool

    def next_record(self) -> int:
        """Where an interrupted replay goes on."""
        return self.position.next_record(self.key)

    def keep(self, next_record: int) -> None:
        """Go on there, should this replay be interrupted."""
        self.position.keep(self.key, next_record)

    def end(self) -> None:
        """The whole replay is complete: when it is asked for again, it begins at the beginning."""
        if self.finish is None or self.filtered:
            self.position.forget()


@dataclass(frozen=True, slots=True)
class FilePreview:
    """What a whole reading of a file showed, from record ``start`` on.

    ``rows`` can be read, ``wanted`` of them pass the filter and lie between ``oldest_ns`` and ``newest_ns`` (UTC ns);
    ``bad_lines`` are the first of ``bad_line_count``. ``stop`` is the record after the last: what is appended to the
    file later is not part of this replay.
    """

    file: ReplayFile
    start: int
    stop: int
    rows: int
    wanted: int
    oldest_ns: int | None
    newest_ns: int | None
    bad_lines: tuple[BadLine, ...]
    bad_line_count: int

    @classmethod
    def of(
        cls, file: ReplayFile, start: int, selection: RowSelection, max_records: int, reading: Reading
    ) -> FilePreview:
        """Read the file from ``start`` to its end. Raises OSError."""
        stop, rows, wanted, bad_line_count = start, 0, 0, 0
        oldest: int | None = None
        newest: int | None = None
        bad_lines: list[BadLine] = []
        for part in file.read(start, max_records):
            stop = part.next_record
            rows += len(part.batch)
            bad_line_count += len(part.bad_lines)
            bad_lines.extend(part.bad_lines[: BAD_LINES_KEPT - len(bad_lines)])
            chosen = selection.of(part.batch)
            if chosen:
                wanted += len(chosen)
                stamps = chosen.stamps()
                first, last = min(stamps), max(stamps)
                oldest = first if oldest is None else min(oldest, first)
                newest = last if newest is None else max(newest, last)
            reading(rows)
        return cls(file, start, stop, rows, wanted, oldest, newest, tuple(bad_lines), bad_line_count)
