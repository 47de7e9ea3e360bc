"""Callers that wait for the disk at the same time: one write and one sync for all, and none waits for a later one."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator

import pytest
from csv_sink.sink import CsvSink

from agent_core.api import Diversion, DivertReason, RetryableError
from agent_core.testing.clock import START_NS, ManualClock
from agent_core.testing.fakes import batch_of
from agent_core.testing.suite.patience import PATIENCE_SECONDS

SINK_DOWN = Diversion(DivertReason.SINK_DOWN, START_NS)
REJECTED = Diversion(DivertReason.REJECTED, START_NS)


class SlowDisk:
    """Each sync waits until the test lets it pass; ``begun`` counts them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun = self.passed = 0
        self.changed = threading.Condition()
        real = os.fsync

        def fsync(descriptor: int) -> None:
            with self.changed:
                self.begun += 1
                mine = self.begun
                self.changed.notify_all()
                assert self.changed.wait_for(lambda: self.passed >= mine, PATIENCE_SECONDS)
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)

    def wait_for(self, begun: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.begun >= begun, PATIENCE_SECONDS)

    def let_pass(self, syncs: int) -> None:
        with self.changed:
            self.passed = syncs
            self.changed.notify_all()


class Callers:
    """Threads that each store one batch."""

    def __init__(self, sink: CsvSink) -> None:
        self.sink = sink
        self.stored: dict[int, bool] = {}
        self.changed = threading.Condition()
        self.threads: list[threading.Thread] = []

    def call(self, *numbers: int, diversion: Diversion = SINK_DOWN, waiting: int = 0) -> None:
        """Begin; return once ``waiting`` of all calls wait for a sync that is not theirs."""
        for number in numbers:
            self.threads.append(threading.Thread(target=self._store, args=(number, diversion)))
            self.threads[-1].start()
        pause, lines = threading.Event(), self.sink._appender._waiting
        for _ in range(int(PATIENCE_SECONDS * 100) if waiting else 0):
            if len(lines) == waiting:
                return
            pause.wait(0.01)
        assert not waiting

    def wait_for(self, *numbers: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: self.stored.keys() >= set(numbers), PATIENCE_SECONDS)

    def _store(self, number: int, diversion: Diversion) -> None:
        try:
            self.sink.divert(batch_of(number), diversion)
            stored = True
        except RetryableError:
            stored = False
        with self.changed:
            self.stored[number] = stored
            self.changed.notify_all()


@pytest.fixture
def disk(sink: CsvSink, monkeypatch: pytest.MonkeyPatch) -> SlowDisk:
    sink.divert(batch_of(0), SINK_DOWN)  # the file is there, and its name is on disk
    return SlowDisk(monkeypatch)


@pytest.fixture
def callers(sink: CsvSink, disk: SlowDisk) -> Iterator[Callers]:
    callers = Callers(sink)
    yield callers
    disk.let_pass(10**9)
    for thread in callers.threads:
        thread.join(PATIENCE_SECONDS)


def in_files(sink: CsvSink, clock: ManualClock) -> list[str]:
    """The values in all files, but for the first."""
    clock.advance(3600)
    values = [value for file in sink.backlog() for part in sink.read(file.name) for value in part.batch.values]
    return sorted((str(value) for value in values if value), key=int)


def test_what_comes_while_the_disk_is_busy_is_one_more_sync(
    sink: CsvSink, disk: SlowDisk, callers: Callers, clock: ManualClock
) -> None:
    callers.call(1)
    disk.wait_for(1)
    callers.call(*range(2, 12), waiting=10)
    disk.let_pass(1)
    callers.wait_for(1)
    disk.wait_for(2)
    disk.let_pass(2)
    callers.wait_for(*range(2, 12))
    assert disk.begun == 2
    disk.let_pass(10**9)
    assert in_files(sink, clock) == [str(number) for number in range(1, 12)]


def test_nobody_waits_for_the_sync_of_those_who_came_later(disk: SlowDisk, callers: Callers) -> None:
    callers.call(1)
    disk.wait_for(1)
    callers.call(2, 3, 4, waiting=3)
    disk.let_pass(1)
    disk.wait_for(2)
    callers.call(5, 6, waiting=2)
    disk.let_pass(2)
    callers.wait_for(1, 2, 3, 4)  # while the third sync has not returned
    disk.wait_for(3)
    assert not {5, 6} & callers.stored.keys()


def test_a_caller_whose_thread_is_interrupted_leaves_nobody_waiting(
    sink: CsvSink, disk: SlowDisk, callers: Callers, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.let_pass(10**9)

    def interrupt(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(sink._appender, "_try", interrupt)
        with pytest.raises(SystemExit):
            sink.divert(batch_of(1), SINK_DOWN)
    callers.call(2, 3)
    callers.wait_for(2, 3)
    assert in_files(sink, clock) == ["2", "3"]


def test_rejected_and_good_records_that_come_together_go_to_files_of_their_own(
    sink: CsvSink, disk: SlowDisk, callers: Callers, clock: ManualClock
) -> None:
    callers.call(1)
    disk.wait_for(1)
    callers.call(2, diversion=REJECTED, waiting=1)
    callers.call(3, waiting=2)
    disk.let_pass(10**9)
    callers.wait_for(1, 2, 3)
    assert sink.stock().backup_records == 3
    assert sink.stock().rejected_records == 1
    assert in_files(sink, clock) == ["1", "2", "3"]
