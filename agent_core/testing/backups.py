"""BackupContract: what every fallback that stores reasons and can be replayed has to pass.

Used like SinkContract and together with it: such a fallback is also a sink.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Protocol

import pytest

from agent_core.api import (
    BAD,
    EMPTY,
    GOOD,
    UNCERTAIN,
    Batch,
    Component,
    Diversion,
    DivertReason,
    FallbackSink,
    Origin,
    Replayable,
)
from agent_core.testing.clock import START_NS
from agent_core.testing.contract import Contract
from agent_core.testing.sinks import ORIGIN, SECOND_NS, VALUES, numbered_batch, together

SINK_DOWN: Final = Diversion(DivertReason.RETRIES_EXHAUSTED, START_NS)


class Backup(Component, FallbackSink, Replayable, Protocol):
    """What BackupContract tests."""


class BackupContract(Contract):
    """The behaviour of ``FallbackSink`` together with ``Replayable``: diverted records are read back equal."""

    def make_backup(self, folder: Path) -> Backup:
        """A fallback that is not open. With the same folder again: another one for the same files."""
        raise NotImplementedError(f"{type(self).__name__}.make_backup")

    @pytest.fixture
    def backup(self, tmp_path: Path) -> Iterator[Backup]:
        backup = self.make_backup(tmp_path)
        backup.open()
        yield backup
        backup.close()

    def test_records_come_back_as_they_were_diverted(self, backup: Backup) -> None:
        names = [f"TAG_{number:02d}" for number in range(len(VALUES))]
        stamps = array("q", (START_NS + 37 * number - (number % 3) * 2 * START_NS for number in range(len(VALUES))))
        qualities = bytes((GOOD, UNCERTAIN, BAD)[number % 3] for number in range(len(VALUES)))
        batch = Batch.join(
            [
                Batch.of(ORIGIN, names, VALUES, stamps, qualities),
                Batch.of(Origin('li"ne', "장치 2", "a,b"), ('TAG "X",\n1', "=TAG"), (1, "x"), START_NS),
            ]
        )
        backup.divert(batch, SINK_DOWN)
        self._expect_backlog(backup, batch)

    def test_records_rejected_for_their_content_are_kept_apart(self, backup: Backup) -> None:
        good, refused = numbered_batch(3), numbered_batch(2, START_NS + SECOND_NS)
        backup.divert(good, SINK_DOWN)
        backup.divert(refused, Diversion(DivertReason.REJECTED, START_NS, ("ORA-12899: too large, by 3", "ORA-1438")))
        self._expect_backlog(backup, good)
        self._expect_backlog(backup, refused, rejected=True)

    def test_an_empty_batch_leaves_no_backlog(self, backup: Backup) -> None:
        backup.divert(EMPTY, SINK_DOWN)
        assert self._backlog(backup) == []

    def test_files_come_oldest_first(self, backup: Backup) -> None:
        batches = [numbered_batch(3, START_NS + number * SECOND_NS) for number in range(3)]
        for batch in batches:
            backup.divert(batch, SINK_DOWN)
            backup.close()
            backup.open()
        self._expect_backlog(backup, *batches)

    def test_reading_continues_from_any_record(self, backup: Backup) -> None:
        batch = numbered_batch(25)
        backup.divert(batch, SINK_DOWN)
        (name,) = self._backlog(backup)
        for start in (0, 1, 10, 24, 25):
            parts = list(backup.read(name, from_record=start, max_records=10))
            assert all(1 <= len(part.batch) <= 10 for part in parts)
            assert keys_of(part.batch for part in parts) == keys_of([batch.slice(start, 25)])
            assert all(not part.bad_lines for part in parts)
            if parts:
                assert parts[-1].next_record == 25
                resumed = list(backup.read(name, from_record=parts[0].next_record))
                assert keys_of(part.batch for part in resumed) == keys_of(part.batch for part in parts[1:])

    def test_a_finished_file_leaves_the_backlog_permanently(self, backup: Backup) -> None:
        for number in range(2):
            backup.divert(numbered_batch(3, START_NS + number * SECOND_NS), SINK_DOWN)
            backup.close()
            backup.open()
        first, second = self._backlog(backup)
        backup.finish(first)
        assert self._backlog(backup) == [second]

    def test_records_outlive_the_backup_that_took_them(self, tmp_path: Path) -> None:
        batch = numbered_batch(500)
        first = self.make_backup(tmp_path)
        first.open()
        first.divert(batch, SINK_DOWN)
        first.close()
        second = self.make_backup(tmp_path)
        second.open()
        self._expect_backlog(second, batch)
        second.close()

    def test_several_threads_divert_at_the_same_time(self, backup: Backup) -> None:
        batches = [numbered_batch(50, START_NS + number * SECOND_NS) for number in range(16)]
        together(4, lambda batch: backup.divert(batch, SINK_DOWN), batches)
        names = self._backlog(backup)
        records = keys_of(part.batch for name in names for part in backup.read(name))
        assert Counter(records) == Counter(keys_of(batches))

    def test_close_is_safe_without_open_and_twice(self, tmp_path: Path) -> None:
        backup = self.make_backup(tmp_path)
        backup.close()
        backup.open()
        backup.close()
        backup.close()

    def _backlog(self, backup: Backup, *, rejected: bool = False) -> list[str]:
        """Names of the complete files. Closing completes what was still being written."""
        backup.close()
        backup.open()
        return [file.name for file in backup.backlog() if file.rejected is rejected]

    def _expect_backlog(self, backup: Backup, *batches: Batch, rejected: bool = False) -> None:
        names = self._backlog(backup, rejected=rejected)
        parts = [part for name in names for part in backup.read(name)]
        assert [part.bad_lines for part in parts] == [()] * len(parts)
        assert keys_of(part.batch for part in parts) == keys_of(batches)


def keys_of(batches: Iterable[Batch]) -> list[str]:
    """The records as texts: NaN equals NaN, 1 differs from 1.0 and True, Decimal 1.0 from 1.00."""
    return [repr(tuple(record)) for batch in batches for record in batch.records()]
