"""A disk that is full or broken, a damaged file, and a file that somebody else has."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
from disk_buffer.buffer import DiskBuffer
from disk_buffer.config import DiskBufferConfig, WhenFull
from disk_buffer.store import Changes, Store, StoreFull

from agent_core.api import Batch, ComponentContext, Origin, Severity
from agent_core.testing.clock import ManualClock
from agent_core.testing.records import RecordMaker, numbers
from agent_core.testing.suite.patience import PATIENCE_SECONDS


class FaultyStore(Store):
    """Raises ``fault`` in place of each write of the kind, as a disk would make SQLite do."""

    fault: OSError | None = None
    also_settles = False
    syncs = 0

    def write(self, changes: Changes, *, sync: bool) -> None:
        if self.fault is not None and (changes.added or self.also_settles):
            raise self.fault
        self.syncs += sync
        super().write(changes, sync=sync)


def made(
    folder: Path,
    *,
    memory: int = 10_000,
    max_bytes: int = 2**30,
    sync_interval: float = 0.0,
    clock: ManualClock | None = None,
    reserve_bytes: int = 4096,
    when_full: WhenFull = WhenFull.DROP_OLDEST,
) -> tuple[DiskBuffer, FaultyStore]:
    config = DiskBufferConfig(folder, 100_000, max_bytes, when_full, 5.0, sync_interval, memory)
    context = ComponentContext("warehouse", "line-1", folder, "disk_buffer", clock or ManualClock())
    store = FaultyStore(folder / "warehouse" / "records.db")
    return DiskBuffer(config, context, store, reserve_bytes), store


def opened(folder: Path, memory: int = 10_000) -> DiskBuffer:
    buffer, _ = made(folder, memory=memory)
    buffer.open()
    return buffer


def drained(buffer: DiskBuffer) -> list[int]:
    found: list[int] = []
    while (lease := buffer.lease(1000, 0.0)) is not None:
        found += numbers(lease.batch)
        buffer.settle(lease)
    return found


def filled(folder: Path, batches: int = 40, size: int = 50) -> Path:
    """A closed file that holds so many batches of records; its path."""
    buffer = opened(folder)
    maker = RecordMaker()
    for _ in range(batches):
        buffer.append(maker.batch(size))
    buffer.close()
    return folder / "warehouse" / "records.db"


@pytest.mark.parametrize("error", [OSError(errno.EIO, "disk I/O error"), StoreFull(errno.ENOSPC, "the disk is full")])
def test_an_append_that_fails_has_taken_and_evicted_nothing(tmp_path: Path, error: OSError) -> None:
    buffer, store = made(tmp_path)
    buffer.open()
    maker = RecordMaker()
    buffer.append(maker.batch(3))
    before = buffer.stats()
    store.fault = error
    with pytest.raises(OSError, match=error.strerror or ""):
        buffer.append(maker.batch(4))
    assert buffer.stats() == before
    store.fault = None
    buffer.append(maker.batch(2))
    assert drained(buffer) == [0, 1, 2, 7, 8]
    buffer.close()


def test_a_full_disk_is_an_alert_until_there_is_room_and_settles_go_on(tmp_path: Path) -> None:
    buffer, store = made(tmp_path)
    buffer.open()
    maker = RecordMaker()
    buffer.append(maker.batch(5))
    reserve = tmp_path / "warehouse" / "reserve"
    assert reserve.stat().st_size == 4096
    assert not buffer.advice()
    store.fault = StoreFull(errno.ENOSPC, "the disk is full")
    with pytest.raises(OSError, match="the disk is full"):
        buffer.append(maker.batch(5))
    assert not reserve.exists(), "it makes room for what makes room"
    [finding] = buffer.advice()
    assert "its disk is full" in finding.message
    assert drained(buffer) == [0, 1, 2, 3, 4]
    store.fault = None
    buffer.append(maker.batch(1))
    assert not buffer.advice()
    assert reserve.exists()
    buffer.close()
    assert drained(opened(tmp_path)) == [10]


def test_when_sqlite_itself_has_no_room_it_forgets_what_was_delivered_and_takes_records_again(tmp_path: Path) -> None:
    buffer, store = made(tmp_path)
    buffer.open()
    maker = RecordMaker()
    buffer.append(maker.batch(500))
    connection = store._connection
    assert connection is not None
    connection.execute("PRAGMA max_page_count = 12").fetchall()
    taken = 500
    with pytest.raises(OSError, match="the disk is full"):  # noqa: PT012 - how many fit is SQLite's to say
        while True:
            buffer.append(maker.batch(500))
            taken += 500
    assert 500 < taken < 5000
    assert "its disk is full" in buffer.advice()[0].message
    assert drained(buffer) == list(range(taken))
    buffer.append(maker.batch(500))
    assert not buffer.advice(), "what was delivered made room"
    assert drained(buffer) == list(range(taken + 500, taken + 1000))
    buffer.close()


LIMITED = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from crashing import made
from agent_core.testing.records import RecordMaker, numbers
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
buffer, maker = made(Path(sys.argv[1])), RecordMaker()
buffer.open()
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, resource.RLIM_INFINITY))
failed = []
for _ in range(40):
    batch = maker.batch(100)
    try:
        buffer.append(batch)
        print(*numbers(batch))
    except OSError as error:
        failed.append(error)
assert failed
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
batch = maker.batch(100)
buffer.append(batch)
print(*numbers(batch), flush=True)
import os
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit")
def test_after_writes_that_the_system_refuses_what_was_accepted_survives_kill_9(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LIMITED, str(tmp_path), str(Path(__file__).parent)]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False)
    assert ran.returncode == -9, ran.stderr
    accepted = [int(number) for number in ran.stdout.split()]
    assert 200 <= len(accepted) < 4100
    there = drained(opened(tmp_path))
    assert there == sorted(set(there))
    assert set(accepted) <= set(there) <= set(range(4100))


def test_while_there_is_no_room_for_the_reserve_no_record_is_taken(tmp_path: Path) -> None:
    buffer, _ = made(tmp_path, reserve_bytes=2**60)
    buffer.open()
    with pytest.raises(OSError, match="the disk is full"):
        buffer.append(RecordMaker().batch(1))
    assert "its disk is full" in buffer.advice()[0].message
    buffer.close()


def test_settles_that_cannot_be_stored_are_tried_again(tmp_path: Path) -> None:
    clock = ManualClock()
    buffer, store = made(tmp_path, clock=clock)
    buffer.open()
    buffer.append(RecordMaker().batch(5))
    store.fault, store.also_settles = OSError(errno.EIO, "disk I/O error"), True
    lease = buffer.lease(5, 0.0)
    assert lease is not None
    clock.advance(1.0)
    buffer.settle(lease)
    store.fault = None
    buffer.close()
    assert drained(opened(tmp_path)) == []


def test_the_quota_in_bytes_evicts_and_the_file_stays_below_it(tmp_path: Path) -> None:
    buffer, store = made(tmp_path, max_bytes=200_000)
    buffer.open()
    maker = RecordMaker()
    evicted = [number for _ in range(200) for number in numbers(buffer.append(maker.batch(200)))]
    assert evicted == list(range(len(evicted)))
    assert 10_000 < len(evicted) < 39_000
    assert drained(buffer) == list(range(len(evicted), 40_000))
    store.checkpoint()
    assert store.file.stat().st_size < 260_000
    buffer.close()


@pytest.mark.parametrize("memory", [10_000, 1])
def test_evicted_records_stay_on_disk_until_the_same_thread_appends_again(tmp_path: Path, memory: int) -> None:
    config = DiskBufferConfig(tmp_path, 10, 2**30, WhenFull.DROP_OLDEST, 5.0, 0.0, memory)
    store = FaultyStore(tmp_path / "warehouse" / "records.db")
    buffer = DiskBuffer(config, ComponentContext("warehouse", "l", tmp_path, "disk_buffer"), store, 4096)
    buffer.open()
    maker = RecordMaker()
    for expected in ([], [0, 1], [2, 3, 4, 5, 6, 7]):
        assert numbers(buffer.append(maker.batch(6))) == expected
        assert store.totals().records == 6 if not expected else 10 + len(expected)
    thread = threading.Thread(target=buffer.append, args=(maker.batch(1),))
    thread.start()
    thread.join()
    assert store.totals().records == 17, "another thread's append forgets none of them"
    buffer.close()
    assert drained(opened(tmp_path)) == list(range(9, 19))


def test_a_second_process_is_refused_with_a_clear_message(tmp_path: Path) -> None:
    buffer = opened(tmp_path)
    program = (
        "import sys; from pathlib import Path; from disk_buffer.store import Store\n"
        "try: Store(Path(sys.argv[1])).open()\nexcept OSError as error: print(error)"
    )
    file = str(tmp_path / "warehouse" / "records.db")
    ran = subprocess.run([sys.executable, "-c", program, file], capture_output=True, text=True, check=True)
    assert "another process has the buffer open" in ran.stdout
    buffer.close()


@pytest.mark.parametrize(
    ("pragma", "words"),
    [("user_version = 2", "written by a newer version"), ("application_id = 7", "not a file of disk_buffer")],
)
def test_a_file_of_somebody_else_or_of_a_newer_version_is_refused(tmp_path: Path, pragma: str, words: str) -> None:
    file = filled(tmp_path, 1)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute(f"PRAGMA {pragma}")
    before = file.read_bytes()
    with pytest.raises(OSError, match=words):
        opened(tmp_path)
    assert file.read_bytes() == before


def test_a_damaged_batch_is_set_aside_and_the_others_come(tmp_path: Path) -> None:
    file = filled(tmp_path, 5, 3)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE batch SET data = substr(data, 1, 20) WHERE position = 6")
        connection.commit()
    buffer = opened(tmp_path)
    assert buffer.stats().pending_records == 15
    assert drained(buffer) == [0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14]
    assert buffer.stats().pending_records == 0
    [finding] = buffer.advice()
    assert "3 records in its file are damaged" in finding.message
    assert buffer.stats().damaged_records == 3
    buffer.close()
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("SELECT position, records FROM damaged").fetchall() == [(6, 3)]


def test_damaged_names_are_read_from_their_second_copy(tmp_path: Path) -> None:
    buffer = opened(tmp_path)
    names = tuple(f"TAG_{number}" for number in range(50))
    batches = [Batch.of(Origin("s", "d", "g"), names, range(turn, turn + 50), turn) for turn in range(4)]
    for batch in batches:
        buffer.append(batch)
    buffer.close()
    with closing(sqlite3.connect(tmp_path / "warehouse" / "records.db")) as connection:
        assert connection.execute("SELECT count(*) FROM names").fetchone() == (2,), "stored once, in two copies"
        connection.execute("UPDATE names SET data = x'00' WHERE copy = 0")
        connection.commit()
    buffer = opened(tmp_path)
    lease = buffer.lease(1000, 0.0)
    assert lease is not None
    assert lease.batch == Batch.join(batches)
    buffer.close()


def test_doctor_looks_at_the_folder_and_its_room_and_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    for max_bytes, severity, words in ((2**20, Severity.OK, "writable"), (2**60, Severity.WARNING, "max_bytes is")):
        [finding] = made(folder, max_bytes=max_bytes)[0].diagnose()
        assert (finding.severity, words in finding.message) == (severity, True), finding
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "not").write_text("a file")
    [finding] = made(folder)[0].diagnose()
    assert finding.severity is Severity.CRITICAL


def flipped(file: Path, places: int, folder: Path) -> None:
    """Flip one bit at each place, one after another; what comes is right, or counted as damaged."""
    whole = file.read_bytes()
    for place in range(places):
        position = (place * 7919 + 1) * len(whole) // (places * 7919 + 2)
        damaged = bytearray(whole)
        damaged[position] ^= 1 << place % 8
        home = folder / f"place-{place}" / "warehouse"
        home.mkdir(parents=True)
        (home / "records.db").write_bytes(damaged)
        buffer = opened(home.parent)
        try:
            there = drained(buffer)
            assert sorted(set(there)) == there, f"a bit at {position}"
            assert set(there) <= set(range(2000)), f"a bit at {position}"
            assert len(there) == 2000 or buffer.advice() or position < 100, f"a silent loss by a bit at {position}"
            buffer.append(RecordMaker().batch(1))
        finally:
            buffer.close()


def test_the_agent_starts_with_a_bit_flipped_anywhere_and_no_wrong_record_comes(tmp_path: Path) -> None:
    flipped(filled(tmp_path), 12, tmp_path)


@pytest.mark.chaos
def test_a_bit_flipped_at_200_places(tmp_path: Path) -> None:
    flipped(filled(tmp_path), 200, tmp_path)


@pytest.mark.parametrize("page", [0, 1, 2, 7])
def test_a_page_that_is_zero_costs_what_was_on_it(tmp_path: Path, page: int) -> None:
    file = filled(tmp_path)
    content = bytearray(file.read_bytes())
    content[page * 4096 : (page + 1) * 4096] = bytes(4096)
    file.write_bytes(content)
    buffer = opened(tmp_path)
    there = drained(buffer)
    assert there == sorted(set(there))
    if page == 7:
        assert len(there) >= 1500
    if len(there) < 2000:
        assert buffer.advice()
        assert (tmp_path / "warehouse" / "damaged-001.db").exists()
    buffer.append(RecordMaker().batch(1))
    buffer.close()


def test_with_a_sync_interval_one_sync_serves_all_that_came(tmp_path: Path) -> None:
    clock = ManualClock()
    buffer, store = made(tmp_path, sync_interval=0.2, clock=clock)
    buffer.open()
    maker = RecordMaker()
    for _ in range(5):
        buffer.append(maker.batch(3))
    assert store.syncs == 0
    clock.wait_for_a_wait_of(0.2)
    clock.advance(0.2)
    while store.syncs < 1:
        threading.Event().wait(0.001)
    buffer.append(maker.batch(1))
    clock.wait_for_a_wait_of(0.2)
    assert store.syncs == 1
    buffer.close()
    assert drained(opened(tmp_path)) == list(range(16))


def test_a_large_backlog_is_read_back_and_the_file_gets_small_again(tmp_path: Path) -> None:
    clock = ManualClock()
    buffer, store = made(tmp_path, memory=1000, clock=clock)
    buffer.open()
    maker = RecordMaker()
    for _ in range(60):
        buffer.append(maker.batch(2000))
    assert buffer.stats().ready_records == 120_000 - 20_000
    assert len(drained(buffer)) == 100_000
    for _ in range(4):
        clock.advance(1.0)
        call = threading.Thread(target=buffer.lease, args=(10, 0.001))
        call.start()
        clock.wait_for_waiters()
        clock.advance(0.001)
        call.join()
    store.checkpoint()
    assert store.file.stat().st_size < 100_000
    buffer.close()
