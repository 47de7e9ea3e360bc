"""Plays: what a buffer or a sink goes through, for ``agent_core.testing.simulation.exploration.explore``."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable

from agent_core.api import Buffer, Lease, Sink
from agent_core.testing.records import RecordMaker

Threads = list[threading.Thread]


def play_buffer(make: Callable[[], Buffer], *, batches: int = 4, records: int = 3) -> None:
    """Two threads append, two lease, settle and release: every record comes out once, and the capacity holds.

    ``make`` returns a new buffer that is not open.
    """
    buffer = make()
    buffer.open()
    out: Counter[str] = Counter()
    put: Counter[str] = Counter()
    appended = threading.Event()

    def append(maker: RecordMaker) -> None:
        for _ in range(batches):
            batch = maker.batch(records)
            put.update(batch.names)
            out.update(buffer.append(batch).names)
            stats = buffer.stats()
            assert stats.pending_records <= stats.capacity_records, f"more than the capacity: {stats}"

    def take() -> None:
        released = False
        while (lease := buffer.lease(2 * records, 0.1)) is not None or not appended.is_set():
            if lease is None:
                continue
            if released := not released:
                buffer.release(lease)
            else:
                _settle(buffer, lease, out)

    appending = [threading.Thread(target=append, args=(RecordMaker(number),)) for number in range(2)]
    taking = [threading.Thread(target=take) for _ in range(2)]
    _start(appending + taking)
    _join(appending)
    appended.set()
    _join(taking)
    while (lease := buffer.lease(1, 0)) is not None:
        _settle(buffer, lease, out)
    assert out == put, f"{dict(put - out)} never came out, {dict(out - put)} came out again"
    stats = buffer.stats()
    assert not stats.pending_records, f"everything came out: {stats}"
    buffer.close()


def play_sink(make: Callable[[], Sink], stored: Callable[[Sink], Iterable[str]], *, batches: int = 3) -> None:
    """Three threads write: what ``write`` said it stored is stored once.

    ``make`` returns a new sink that is not open and takes every record; ``stored`` returns the names (each is there
    once) of the records in its destination, after it was closed.
    """
    sink = make()
    sink.open()
    put: Counter[str] = Counter()

    def write(maker: RecordMaker) -> None:
        for _ in range(batches):
            batch = maker.batch(3)
            outcome = sink.write(batch)
            assert outcome.inserted == len(batch), f"{len(batch)} new records: {outcome}"
            put.update(batch.names)

    threads = [threading.Thread(target=write, args=(RecordMaker(number),)) for number in range(3)]
    _start(threads)
    _join(threads)
    sink.close()
    there = Counter(stored(sink))
    assert there == put, f"{dict(put - there)} are not there, {dict(there - put)} should not be"


def _settle(buffer: Buffer, lease: Lease, out: Counter[str]) -> None:
    out.update(lease.batch.names)
    buffer.settle(lease)


def _start(threads: Threads) -> None:
    for thread in threads:
        thread.start()


def _join(threads: Threads) -> None:
    for thread in threads:
        thread.join()
