"""A long outage: how often the folder is looked at, and how many files there are. Counted, not timed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from csv_sink.files.listing import LOOK_SECONDS
from csv_sink.format.line import HEADER, LineWriter
from csv_sink.sink import CsvSink

from agent_core.api import Batch, Diversion, DivertReason, Origin
from agent_core.testing.clock import START_NS, ManualClock

ORIGIN = Origin("line1", "PLC01", "G")
BATCH = Batch.of(ORIGIN, ("A", "B"), (1, 2), START_NS)
SINK_DOWN = Diversion(DivertReason.SINK_DOWN, START_NS)
LINES = HEADER + LineWriter().lines(BATCH, 0, "sink_down")


class Looks:
    """How often a folder was listed, and names in it were looked up."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.listings = self.stats = 0
        iterdir, stat = Path.iterdir, Path.stat

        def listing(path: Path) -> Iterator[Path]:
            self.listings += path == folder
            return iterdir(path)

        def counted(path: Path, **more: bool) -> os.stat_result:
            self.stats += path.parent == folder
            return stat(path, **more)

        monkeypatch.setattr(Path, "iterdir", listing)
        monkeypatch.setattr(Path, "stat", counted)


def fill(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f"backup_20250101_000000_{number:03d}.csv").write_bytes(LINES)


def replay(sink: CsvSink) -> int:
    """Replay everything as the core does: one look for many files; how many records."""
    records = 0
    while files := sink.backlog():
        for file in files:
            records += sum(len(part.batch) for part in sink.read(file.name))
            sink.finish(file.name)
    return records


@pytest.mark.parametrize("count", [10, 100])
def test_a_replay_lists_the_folder_once_and_touches_each_file_equally_often(
    make_sink: Callable[..., CsvSink], folder: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    fill(folder, count)
    sink = make_sink()
    sink.open()
    looks = Looks(monkeypatch, folder)
    assert replay(sink) == 2 * count
    assert looks.listings == 1
    assert looks.stats <= 8 * count


def test_looking_again_and_again_lists_the_folder_once_a_minute(
    make_sink: Callable[..., CsvSink], folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The replay looks every five seconds, the monitor too, also while the sink is down."""
    fill(folder, 20)
    sink = make_sink()
    sink.open()
    looks = Looks(monkeypatch, folder)
    for _ in range(60):
        sink.divert(BATCH, SINK_DOWN)
        assert len(sink.backlog()) >= 20
        clock.advance(5)
    assert looks.listings == 5
    assert len(sink.backlog()) == 25, "its own files are known at once"


def test_what_others_put_there_or_take_away_is_seen(sink: CsvSink, folder: Path, clock: ManualClock) -> None:
    fill(folder, 3)
    assert len(sink.backlog()) == 3
    (folder / "backup_20240101_000000.csv").write_bytes(LINES)
    os.utime(folder, ns=(0, START_NS + 1))  # a change of the folder shows in its time
    assert sink.backlog()[0].name == "backup_20240101_000000.csv"
    for path in folder.glob("backup_2025*"):
        path.unlink()
    os.utime(folder, ns=(0, START_NS + 2))
    assert len(sink.backlog()) == 1


def test_what_the_folders_time_hides_is_seen_a_minute_later(sink: CsvSink, folder: Path, clock: ManualClock) -> None:
    fill(folder, 1)
    before = folder.stat()
    assert len(sink.backlog()) == 1
    fill(folder, 2)
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))  # as on a file system with a coarse clock
    clock.advance(LOOK_SECONDS)
    assert len(sink.backlog()) == 2


def test_a_folder_that_takes_long_to_list_is_listed_less_often(
    make_sink: Callable[..., CsvSink], folder: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(folder, 3)
    sink = make_sink()
    sink.open()
    looks, iterdir = Looks(monkeypatch, folder), Path.iterdir

    def slow(path: Path) -> Iterator[Path]:
        clock.advance(10 if path == folder else 0)
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", slow)
    for _ in range(100):
        sink.backlog()
        clock.advance(10)
    assert looks.listings == 3, "at most a fiftieth of the time"


def test_a_long_outage_makes_larger_files_not_more(
    make_sink: Callable[..., CsvSink], clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A week in steps of ten minutes, which is how old a file may become at first."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    sink = make_sink(max_file_age_seconds=600.0)
    sink.open()
    sink.backlog()
    steps = 7 * 24 * 6
    for _ in range(steps):
        sink.divert(BATCH, SINK_DOWN)
        clock.advance(600)
    files = sink.backlog()
    assert 200 < len(files) < 300, "not a thousand"
    assert sink.stock().backup_records == 2 * steps
    sizes = [file.records or 0 for file in files]
    assert (sizes[0], sizes == sorted(sizes), max(sizes)) == (2, True, 32)


def test_files_grow_in_size_as_well(make_sink: Callable[..., CsvSink], folder: Path, clock: ManualClock) -> None:
    fill(folder, 60)
    sink = make_sink(max_file_size_bytes=300)
    sink.open()
    assert len(sink.backlog()) == 60
    for _ in range(3):
        sink.divert(BATCH, SINK_DOWN)
    assert [file.records for file in sink.backlog()[60:]] == [6], "twice the size, of whole batches"


def test_when_the_backlog_is_written_the_open_file_is_completed_as_early_as_ever(
    make_sink: Callable[..., CsvSink], folder: Path, clock: ManualClock
) -> None:
    fill(folder, 120)
    sink = make_sink()
    sink.open()
    sink.backlog()
    sink.divert(BATCH, SINK_DOWN)
    clock.advance(61)
    waiting = sink.backlog()
    assert len(waiting) == 120, "it may get four minutes old"
    for file in waiting:
        sink.finish(file.name)
    (last,) = sink.backlog()
    assert last.records == 2
