"""A backup file that somebody saves while it is replayed: every record of what was saved is in the sink once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from csv_sink.format.line import HEADER, LineWriter
from sqlite_sink.sink import SqliteSink

from agent_core.api import BackupChangedError, Batch, Diversion, DivertReason, ReplayBatch, WriteOutcome
from agent_core.runtime.replay.file_replay import CHANGES_ALLOWED
from agent_core.runtime.replay.report import ReplayEnd
from agent_core.testing.fakes import batch_of

from ..backups import Place, ask, names, rows
from ..conftest import MakeRig
from .watched_backlog import WatchedBacklog


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def save(path: Path, *batches: Batch) -> None:
    """Rewrite the file in place, as an editor does."""
    path.write_bytes(HEADER + b"".join(LineWriter().lines(batch, 0, "sink_down") for batch in batches))


@pytest.fixture
def at_write(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, Callable[[], None]], None]:
    """Do something before the sink's write number ``n``, or before each one (0)."""

    def at_write(number: int, action: Callable[[], None]) -> None:
        real, writes = SqliteSink.write, 0

        def write(sink: SqliteSink, batch: Batch) -> WriteOutcome:
            nonlocal writes
            writes += 1
            if number in (0, writes):
                action()
            return real(sink, batch)

        monkeypatch.setattr(SqliteSink, "write", write)

    return at_write


@pytest.mark.parametrize("number", [1, 2, 3, 5])
def test_every_record_of_the_saved_file_is_in_the_table_once(
    place: Place, at_write: Callable[..., None], number: int, caplog: pytest.LogCaptureFixture
) -> None:
    """The reader has read ahead: what is in its buffer is old."""
    (path,) = place.divert(rows(0, 50))
    at_write(number, lambda: save(path, rows(100, 20), rows(0, 50)))
    result = place.replay()
    assert place.table() == sorted(names(0, 50) + names(100, 20))
    total = result.total
    assert (result.end, total.inserted, total.bad_lines) == (ReplayEnd.COMPLETE, 70, 0)
    assert total.read == total.inserted + total.duplicates
    assert total.balanced
    assert f"backup file changed: sink=local file={path.name}" in caplog.text
    assert (path.parent / "done" / path.name).exists()
    assert not (path.parent / "damaged").exists()


def test_a_file_from_elsewhere_that_is_saved_while_it_is_replayed_is_read_again(
    place: Place, at_write: Callable[..., None], tmp_path: Path
) -> None:
    (path,) = place.divert(rows(0, 50), folder=tmp_path / "other machine")
    at_write(2, lambda: save(path, rows(100, 20), rows(0, 50)))
    result = place.replay(ask(path))
    assert (result.end, result.total.inserted) == (ReplayEnd.COMPLETE, 70)
    assert place.table() == sorted(names(0, 50) + names(100, 20))


def test_a_file_that_is_saved_all_the_time_lets_the_others_pass(place: Place, at_write: Callable[..., None]) -> None:
    first, second = place.divert(rows(0, 20), rows(100, 5))
    times = iter(range(1000))
    at_write(0, lambda: save(first, *([rows(0, 20)] * (2 + next(times) % 2))) if first.exists() else None)
    result = place.replay()
    assert [file.error is None for file in result.files] == [False, True]
    assert "changed while it was read" in str(result.error)
    assert (first.exists(), second.exists()) == (True, False)
    assert place.table() == sorted(names(0, 20) + names(100, 5))
    assert all(file.balanced for file in result.files)


def test_into_a_sink_that_does_not_recognise_records_it_is_not_read_again(
    place: Place, at_write: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SqliteSink, "idempotent", False)
    (path,) = place.divert(rows(0, 50))
    at_write(2, lambda: save(path, rows(100, 20), rows(0, 50)))
    result = place.replay(ask(accept_duplicates=True))
    assert (result.end, result.total.balanced) == (ReplayEnd.STOPPED, True)
    assert "changed while it was read" in str(result.error)
    assert path.exists(), "it stays in the backlog for a person"


class ChangingBacklog(WatchedBacklog):
    """A file of it is changed so often while it is read."""

    def __init__(self, changes: int) -> None:
        super().__init__()
        self.changes = changes

    def read(self, file: str, from_record: int = 0, max_records: int = 500) -> Iterator[ReplayBatch]:
        yield from super().read(file, from_record, max_records)
        if self.changes:
            self.changes -= 1
            raise BackupChangedError(f"{file} was changed")


@pytest.mark.parametrize("changes", [1, CHANGES_ALLOWED])
def test_a_running_agent_reads_a_changed_file_again(
    make_rig: MakeRig, changes: int, caplog: pytest.LogCaptureFixture
) -> None:
    backlog = ChangingBacklog(changes)
    backlog.divert(batch_of(0, 1, 2), Diversion(DivertReason.SINK_DOWN, 0))
    rig = make_rig(max_records=2, replayable=backlog).start()
    backlog.wait_until(lambda _: backlog.finished == ["backup_0.csv"])
    rig.clock.wait_for_waiters(2)
    replay = rig.delivery.status().replay
    assert replay is not None
    assert (replay.inserted, replay.read) == (3, 3 + replay.duplicates)
    assert rig.delivery.status().whereabouts.written == 3, "what is read again is in the sink once"
    assert len(rig.sink.records) == 3
    assert "backup file changed: sink=sink file=backup_0.csv" in caplog.text
