"""A fallback that fails for a while: which records wait, which are lost, what is said, and that it works again.

The fallback is a ``csv_sink`` in a real folder; the ledger is added up against its files.
"""

from __future__ import annotations

import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from csv_sink.config import CsvSinkConfig
from csv_sink.sink import CsvSink

from agent_core.api import ComponentContext, RetryableError, Severity
from agent_core.testing.fakes import batch_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

from ..conftest import PROBE_SECONDS, MakeRig, Rig

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege on Windows")


class Folder:
    """The fallback's folder; a file takes its place while it is lost.

    Each takes the other's place in one step, so that no thread comes between and makes another folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._disk = path.with_name("disk")
        self._disk.mkdir()
        self._file = path.with_name("file")
        self._file.write_text("in the way", encoding="utf-8")
        self.sink: CsvSink | None = None
        self.bring_back()

    def lose(self) -> None:
        self._lead_to(self._file)

    def bring_back(self) -> None:
        self._lead_to(self._disk)

    def _lead_to(self, target: Path) -> None:
        link = self.path.with_name("link")
        link.symlink_to(target)
        link.replace(self.path)

    def records(self) -> int:
        """In all files, those that are open included."""
        return sum(path.read_bytes().count(b"\n") - 1 for path in self.path.glob("*/backup_*"))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "backup")


@pytest.fixture
def make(make_rig: MakeRig, folder: Folder, tmp_path: Path) -> Iterator[Callable[..., Rig]]:
    def make(**more: object) -> Rig:
        config = CsvSinkConfig(folder.path, 1 << 30, 1e9, 0, 1e9)
        folder.sink = CsvSink(config, ComponentContext("sink", "line-1", tmp_path, "csv_sink"))
        return make_rig(replayable=folder.sink, **more)

    yield make
    if folder.sink is not None:
        folder.sink.close()


def check(rig: Rig, folder: Folder) -> None:
    """Every record is where the ledger says."""
    ledger = rig.snapshot()
    assert ledger.pending == rig.buffer.stats().pending_records
    assert ledger.diverted == folder.records()


def test_what_the_buffer_cannot_hold_while_the_fallback_fails_is_lost_and_nothing_else(
    make: Callable[..., Rig], folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    rig = make(capacity=10)
    rig.delivery.open()
    for first in range(0, 20, 5):
        rig.accept(batch_of(*range(first, first + 5), start_ns=first))
    assert (rig.snapshot().diverted, rig.snapshot().dropped) == (10, 0)
    folder.lose()
    rig.accept(batch_of(*range(20, 25), start_ns=20)).accept(batch_of(*range(25, 30), start_ns=25))
    assert rig.snapshot().dropped_by_reason == {"fallback_failed": 10}
    (advice,) = rig.delivery.status().advice
    assert (advice.severity, advice.subject) == (Severity.CRITICAL, "fallback fake_fallback")
    assert "ENOTDIR" in advice.message
    folder.bring_back()
    rig.accept(batch_of(*range(30, 35), start_ns=30))
    assert rig.delivery.status().advice == (), "one divert has worked"
    assert (rig.snapshot().diverted, rig.snapshot().dropped, rig.snapshot().pending) == (15, 10, 10)
    check(rig, folder)
    rig.clock.advance(60)
    assert caplog.text.count("fallback failed: sink=sink") == 1
    assert "fallback works again: sink=sink" in caplog.text


def test_a_fallback_that_fails_for_long_is_said_again(
    make: Callable[..., Rig], folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    rig = make(capacity=1)
    rig.delivery.open()
    folder.lose()
    for second in range(180):
        rig.accept(batch_of(second, start_ns=second))
        rig.clock.advance(1)
    assert caplog.text.count("fallback failed: sink=sink") == 3, "once a minute"
    assert rig.snapshot().dropped == 179
    folder.bring_back()
    check(rig, folder)


def test_records_that_should_leave_the_buffer_stay_in_it_while_the_fallback_fails(
    make: Callable[..., Rig], folder: Folder
) -> None:
    rig = make(capacity=100, max_records=1, divert_after=10, max_retries=0)
    rig.sink.script.extend(RetryableError("away") for _ in range(99))
    folder.lose()
    rig.start().accept(batch_of(*range(10)))
    rig.observer.wait_for("batch_failed")
    rig.clock.wait_for_a_wait_of(PROBE_SECONDS)  # the worker's own try is over
    rig.clock.advance(20)
    for _ in range(6):
        rig.delivery.watch.look()
        rig.clock.advance(1)
    assert (rig.snapshot().pending, rig.snapshot().dropped) == (10, 0)
    folder.bring_back()
    rig.delivery.watch.look()
    assert rig.snapshot().diverted >= 9, "all but the one that the worker holds"
    assert (rig.snapshot().dropped, rig.delivery.status().advice) == (0, ())


def test_a_fallback_that_cannot_be_opened_at_the_start_is_an_alert_and_opens_when_it_is_needed(
    make: Callable[..., Rig], folder: Folder
) -> None:
    folder.lose()
    rig = make(capacity=1)
    rig.delivery.open()
    assert [advice.severity for advice in rig.delivery.status().advice] == [Severity.CRITICAL]
    folder.bring_back()
    rig.accept(batch_of(1)).accept(batch_of(2, start_ns=10))
    assert (rig.snapshot().diverted, rig.delivery.status().advice) == (1, ())
    check(rig, folder)


def test_sources_and_workers_that_wait_for_the_disk_share_one_sync(
    make: Callable[..., Rig], folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one sync takes long, what twelve threads bring meanwhile is one write and one more sync."""
    rig = make(capacity=1)
    assert syncs_while_the_first_takes_long(rig, folder, monkeypatch, threads=13) == 2
    assert (rig.snapshot().diverted, rig.snapshot().dropped, rig.snapshot().pending) == (14, 0, 1)
    check(rig, folder)


def test_a_sync_that_fails_fails_for_all_who_shared_it_and_each_record_is_counted(
    make: Callable[..., Rig], folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = make(capacity=1)
    syncs_while_the_first_takes_long(rig, folder, monkeypatch, threads=6, failing=2)
    assert (rig.snapshot().diverted, rig.snapshot().dropped_by_reason) == (2, {"fallback_failed": 5})
    check(rig, folder)
    rig.accept(batch_of(9, start_ns=9000))
    assert rig.snapshot().diverted == 3
    check(rig, folder)


def syncs_while_the_first_takes_long(
    rig: Rig, folder: Folder, monkeypatch: pytest.MonkeyPatch, *, threads: int, failing: int | None = None
) -> int:
    """Let threads bring a record each, the others while the sync of the first is under way; how many syncs it took.

    Sync number ``failing`` fails.
    """
    rig.delivery.open()
    rig.accept(batch_of(0)).accept(batch_of(1, start_ns=10))  # the file is there, its name is synced
    inside, go_on, syncs = threading.Event(), threading.Event(), []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        syncs.append(descriptor)
        inside.set()
        assert go_on.wait(PATIENCE_SECONDS)
        if len(syncs) == failing:
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    first, *others = [
        threading.Thread(target=rig.accept, args=(batch_of(number, start_ns=100 * number),))
        for number in range(2, 2 + threads)
    ]
    first.start()
    assert inside.wait(PATIENCE_SECONDS)
    for thread in others:
        thread.start()
    assert folder.sink is not None
    waiting = folder.sink._appender._waiting
    until(lambda: len(waiting) == len(others))
    go_on.set()
    for thread in (first, *others):
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive()
    return len(syncs)


def until(condition: Callable[[], bool]) -> None:
    """Wait without a busy loop for what another thread does."""
    waiting = threading.Event()
    for _ in range(int(PATIENCE_SECONDS * 100)):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError("it did not happen")
