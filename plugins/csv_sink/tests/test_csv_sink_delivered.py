"""Copies of what was delivered: ``keep_done``."""

from __future__ import annotations

import logging
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from csv_sink.backup import CsvBackups
from csv_sink.sink import CsvSink

from agent_core.api import Batch
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import batch_of

MakeSink = Callable[..., CsvSink]


def read(files: list[Path]) -> list[object]:
    return [value for file in files for part in CsvBackups().read(file) for value in part.batch.values]


@pytest.fixture
def keeping(make_sink: MakeSink) -> CsvSink:
    sink = make_sink(keep_done_seconds=3600.0)
    sink.open()
    return sink


def test_copies_are_read_back_as_they_were_delivered(keeping: CsvSink) -> None:
    for number in range(3):
        keeping.keep_delivered(batch_of(number))
    keeping.close()
    (file,) = keeping.delivered_files()
    assert file.name.startswith("delivered_")
    assert read([file]) == [0, 1, 2]
    assert keeping.backlog() == []
    assert keeping.stock().backup_records == 0
    assert keeping.advice() == ()


def test_without_keep_done_there_is_no_copy_no_thread_and_no_folder(sink: CsvSink, folder: Path) -> None:
    sink.keep_delivered(batch_of(0))
    sink.close()
    assert sink.delivered_files() == []
    assert not (folder / "done").exists()


def test_a_file_is_complete_after_its_age_and_deleted_after_keep_done(
    keeping: CsvSink, clock: ManualClock, folder: Path
) -> None:
    keeping.keep_delivered(batch_of(1))
    clock.wait_for_a_wait_of(1.0)
    clock.advance(1.0)
    clock.wait_for_a_wait_of(1.0)
    assert keeping.delivered_files() == []
    assert len(list((folder / "done").iterdir())) == 1
    clock.advance(60.0)  # no further record came
    clock.wait_for_a_wait_of(1.0)
    (first,) = keeping.delivered_files()
    os.utime(first, ns=(clock.time_ns(), clock.time_ns()))
    clock.advance(3601.0)
    clock.wait_for_a_wait_of(1.0)
    keeping.keep_delivered(batch_of(2))
    keeping.close()
    (second,) = keeping.delivered_files()
    assert read([second]) == [2]


def test_what_a_dead_process_left_is_completed_at_the_next_start(
    keeping: CsvSink, make_sink: MakeSink, folder: Path
) -> None:
    keeping.keep_delivered(batch_of(1))
    keeping.close()
    (file,) = keeping.delivered_files()
    part = file.with_name(f"{file.name}.part")
    file.rename(part)
    part.write_bytes(part.read_bytes() + b"2026-01-01T00:00:00.0000")
    make_sink(keep_done_seconds=3600.0).open()
    assert read(list(keeping.delivered_files())) == [1]


def test_copies_that_a_full_disk_does_not_take_are_counted_and_said_and_take_no_room(
    keeping: CsvSink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, clock: ManualClock
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    keeping.keep_delivered(batch_of(1))
    with caplog.at_level(logging.WARNING):
        keeping.close()
    assert "delivered records not copied" in caplog.text
    assert keeping.delivered_files() == []
    (finding,) = keeping.advice()
    assert "no copy of 1 delivered records" in finding.message
    clock.advance(3601.0)
    assert keeping.advice() == ()


def test_a_slow_disk_costs_copies_not_memory(keeping: CsvSink, clock: ManualClock) -> None:
    many = Batch.join([batch_of(*range(1000))] * 100)
    for _ in range(3):
        keeping.keep_delivered(many)
    assert "100,000 delivered records" in keeping.advice()[0].message


def test_a_full_disk_takes_old_copies_before_it_refuses_records(
    keeping: CsvSink, monkeypatch: pytest.MonkeyPatch, make_sink: MakeSink
) -> None:
    keeping.keep_delivered(batch_of(1))
    keeping.close()
    (file,) = keeping.delivered_files()
    sink = make_sink(min_free_disk_bytes=1000)
    sink.open()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0 if file.exists() else 10_000))
    assert sink.write(batch_of(2)).inserted == 1
    assert not file.exists()


def test_what_was_replayed_is_kept_as_long_as_what_was_copied(
    make_sink: MakeSink, clock: ManualClock, folder: Path
) -> None:
    sink = make_sink(keep_done_seconds=7200.0, done_retention_seconds=60.0)
    sink.open()
    sink.write(batch_of(1))
    clock.advance(60.0)
    (file,) = sink.backlog()
    assert len(list(sink.read(file.name))) == 1
    sink.finish(file.name)
    clock.advance(3600.0)
    sink.backlog()
    assert [path.name for path in sink.delivered_files()] == [file.name]
    clock.advance(3601.0)
    sink.backlog()
    assert sink.delivered_files() == []


def test_a_batch_of_which_nothing_was_delivered_makes_no_file(keeping: CsvSink, folder: Path) -> None:
    keeping.keep_delivered(Batch.join([]))
    keeping.close()
    assert not (folder / "done").exists()


def test_without_a_thread_to_be_had_there_are_no_copies_and_the_fallback_works(
    make_sink: MakeSink, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_thread(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    sink = make_sink(keep_done_seconds=3600.0)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        sink.open()
    assert "copies not started: " in caplog.text
    sink.keep_delivered(batch_of(0))
    assert sink.write(batch_of(1)).inserted == 1
    sink.close()
    (file,) = sink.backlog()
    assert file.name.startswith("backup_")


def test_what_is_no_exception_does_not_end_the_copies(
    keeping: CsvSink, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panic(path: Path) -> object:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", panic)
        keeping.keep_delivered(batch_of(1))
        clock.wait_for_a_wait_of(1.0)
        clock.advance(1.0)
        clock.wait_for_a_wait_of(1.0)
    keeping.keep_delivered(batch_of(2))
    keeping.close()
    assert read(list(keeping.delivered_files())) == [2]
    assert "no copy of 1 delivered records" in keeping.advice()[0].message


class Unprintable(float):
    """A value whose own method fails."""

    def __float__(self) -> float:
        raise ArithmeticError("no float")


def test_a_record_that_makes_no_line_is_said_to_have_no_copy(keeping: CsvSink) -> None:
    keeping.keep_delivered(batch_of(1.0, Unprintable()))
    keeping.close()
    assert read(list(keeping.delivered_files())) == [1.0]
    assert "no copy of 1 delivered records" in keeping.advice()[0].message
