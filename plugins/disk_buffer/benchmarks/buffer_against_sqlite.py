"""Throughput of disk_buffer as a ratio to bare SQLite with the same commits, in one run.

Both sides store the same batches of 350 records, one synced commit each, and remove ten of them per transaction; bare
SQLite is given the finished bytes and does nothing else. So the ratio is what encoding, the queue and leases leave of
the disk's speed. The best of the rounds counts. Prints one line; ``--minimum 0.8`` exits with 1 below that ratio.
"""

from __future__ import annotations

import argparse
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from disk_buffer.buffer import DiskBuffer
from disk_buffer.config import DiskBufferConfig, WhenFull

from agent_core.api import Batch, ComponentContext, Origin
from agent_core.api.codec import encode

BATCH_RECORDS = 350
BATCHES = 300
GROUP = 10
ROUNDS = 5
NAMES = tuple(f"LINE1_PROCESS1_TAG_{tag:03}" for tag in range(BATCH_RECORDS))


def poll(sequence: int) -> Batch:
    """One poll of 350 tags, each poll at another time, as a source emits it."""
    values = tuple(float(sequence + tag) for tag in range(BATCH_RECORDS))
    stamp = 1_767_225_600_000_000_000 + sequence * 1_000_000_000
    return Batch.of(Origin("line1", "PLC01", "LINE1_PROCESS1"), NAMES, values, stamp, sequence=sequence)


def buffer_seconds(batches: list[Batch], folder: Path) -> float:
    """Every batch through a DiskBuffer: one append each, a lease and a settle for every ten."""
    config = DiskBufferConfig(folder, 10_000_000, 2**30, WhenFull.DROP_OLDEST, 5.0, 0.0, 10_000)
    buffer = DiskBuffer(config, ComponentContext("bench", "bench", folder, "disk_buffer"))
    buffer.open()
    start = time.perf_counter()
    for number, batch in enumerate(batches, 1):
        buffer.append(batch)
        if number % GROUP == 0:
            lease = buffer.lease(GROUP * BATCH_RECORDS, 0.0)
            assert lease is not None
            assert len(lease.batch) == GROUP * BATCH_RECORDS
            buffer.settle(lease)
    elapsed = time.perf_counter() - start
    buffer.close()
    return elapsed


def sqlite_seconds(frames: list[bytes], folder: Path) -> float:
    """The same bytes into a table: one commit each, ten removed with every tenth."""
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as connection:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            connection.execute(f"PRAGMA {pragma}").fetchall()
        connection.execute("CREATE TABLE batch (position INTEGER PRIMARY KEY, data BLOB)")
        start = time.perf_counter()
        for number, frame in enumerate(frames):
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO batch VALUES (?, ?)", (number, frame))
            if number % GROUP == 0:
                connection.execute("DELETE FROM batch WHERE position < ?", (number,))
            connection.execute("COMMIT")
        return time.perf_counter() - start


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minimum", type=float, default=0.0, help="exit with 1 below this ratio")
    arguments = parser.parse_args()
    batches = [poll(sequence) for sequence in range(BATCHES)]
    frames = [encode(batch, names_apart=True) for batch in batches]
    rounds: list[tuple[float, float]] = []
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
            rounds.append((buffer_seconds(batches, Path(name)), sqlite_seconds(frames, Path(name))))
    buffered, bare = min(buffer for buffer, _ in rounds), min(bare for _, bare in rounds)
    records = BATCHES * BATCH_RECORDS
    print(
        f"disk_buffer: {records / buffered:,.0f} records per second, bare SQLite {records / bare:,.0f}: "
        f"ratio {bare / buffered:.2f} (1.0 = bare SQLite, higher is faster)"
    )
    return 0 if bare / buffered >= arguments.minimum else 1


if __name__ == "__main__":
    sys.exit(main())
