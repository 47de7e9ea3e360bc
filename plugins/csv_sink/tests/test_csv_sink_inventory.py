"""How many records lie in the files: exact at every moment, open files and files of earlier runs included."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from csv_sink.files import inventory
from csv_sink.files.inventory import record_count
from csv_sink.sink import CsvSink

from agent_core.api import Diversion, DivertReason, Stock
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import batch_of

SINK_DOWN = Diversion(DivertReason.SINK_DOWN, 0)
REJECTED = Diversion(DivertReason.REJECTED, 0)


def test_a_record_counts_from_the_moment_it_is_stored_until_its_file_is_replayed(
    sink: CsvSink, clock: ManualClock
) -> None:
    sink.backlog()
    sink.divert(batch_of(1, 2, 3), SINK_DOWN)
    sink.divert(batch_of(9), REJECTED)
    assert sink.stock() == Stock(3, 1), "while the files are still open"
    sink.divert(batch_of(4), SINK_DOWN)
    clock.advance(60)
    backup, rejected = sink.backlog()
    assert (backup.records, rejected.records) == (4, 1)
    assert sink.stock() == Stock(4, 1)
    sink.finish(backup.name)
    assert sink.stock() == Stock(0, 1)
    sink.divert(batch_of(5, 6), SINK_DOWN)
    sink.close()
    assert sink.stock() == Stock(2, 1), "what the final ledger prints"


def test_files_of_an_earlier_run_count_once_they_are_listed(
    sink: CsvSink, make_sink: Callable[..., CsvSink], folder: Path
) -> None:
    sink.divert(batch_of("a\nb", 'say "no"\n', 3), SINK_DOWN)
    sink.close()
    later = make_sink()
    later.open()
    assert not later.stock().counted
    later.backlog()
    assert later.stock() == Stock(3, 0)
    next(folder.glob("backup_*.csv")).unlink()
    later.backlog()
    assert later.stock() == Stock(0, 0), "somebody deleted it"


def test_a_part_that_a_killed_process_left_counts(sink: CsvSink, make_sink: Callable[..., CsvSink]) -> None:
    sink.divert(batch_of(1, 2), SINK_DOWN)
    sink._claim._lock.release()  # as a kill does
    later = make_sink()
    later.open()
    later.backlog()
    assert later.stock() == Stock(2, 0)


def test_much_that_is_not_counted_yet_is_estimated(
    sink: CsvSink, make_sink: Callable[..., CsvSink], monkeypatch: pytest.MonkeyPatch
) -> None:
    sink.divert(batch_of(*range(1000)), SINK_DOWN)
    sink.close()
    monkeypatch.setattr(inventory, "COUNTED_AT_ONCE_BYTES", 0)
    later = make_sink()
    later.backlog()
    found = later.stock()
    assert not found.counted
    assert 500 < found.backup_records < 2000
    monkeypatch.undo()
    later.backlog()
    assert later.stock() == Stock(1000, 0)


def test_of_much_that_is_not_counted_yet_a_part_is_counted_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inventory, "COUNTED_AT_ONCE_BYTES", 100)
    files = inventory.Inventory()
    names = [f"backup_20260101_00000{number}.csv" for number in range(4)]
    for name in names:
        (tmp_path / name).write_bytes(b"x" * 59 + b"\n")
        files.add(tmp_path / name, 60, None)
    for counted in (2, 4):
        files.count(tmp_path)
        assert [files.records(name) is not None for name in names].count(True) == counted


def test_a_line_end_within_quotes_ends_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "_CHUNK_BYTES", 3)
    file = tmp_path / "backup.csv"
    for text, records in (
        ("", 0),
        ("head\n", 0),
        ("head\na\nb", 2),
        ('h\n"" ""\n\n\n"', 4),
        ('head\n"a\n""x""\n",1\nb\n', 2),
    ):
        file.write_text(text)
        assert record_count(file) == records, text


def test_a_file_that_is_deleted_counts_no_more(sink: CsvSink, folder: Path, clock: ManualClock) -> None:
    sink.divert(batch_of(9, 8), REJECTED)
    clock.advance(60)
    [file] = sink.backlog()
    assert sink.discard(file.name) == 2
    assert sink.stock() == Stock(0, 0)
    assert list(folder.glob("*.csv")) == []
    with pytest.raises(FileNotFoundError):
        sink.discard(file.name)


def test_a_listing_that_was_overtaken_takes_nothing_away(tmp_path: Path) -> None:
    files = inventory.Inventory()
    for change in (files.add, lambda path, *_: files.remove(path.name)):
        mark = files.mark()
        change(tmp_path / "backup_20260101_000000.csv", 300, 2)
        files.compare(mark, [(tmp_path / "backup_20260101_000001.csv", 300)])
        assert not files.stock().counted
    assert files.stock().backup_records == 0
