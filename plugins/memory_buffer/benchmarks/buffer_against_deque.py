"""Cost per value of append + lease + settle, as a ratio to ``collections.deque`` append + popleft in the same run.

Batches of 350 records, leases of 500, one thread. Both sides move the same values; the best of the rounds counts, since
other load on the machine only ever adds. Prints one line; ``--minimum 1.0`` exits with 1 below that ratio.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import deque
from pathlib import Path

from memory_buffer.buffer import MemoryBuffer
from memory_buffer.config import MemoryBufferConfig, WhenFull

from agent_core.api import Batch, ComponentContext, Origin

BATCH_RECORDS = 350
LEASE_RECORDS = 500
BATCHES = 2_000
ROUNDS = 7


def poll(sequence: int) -> Batch:
    """One poll of 350 tags, each poll at another time, as a source emits it."""
    return Batch.of(
        Origin("line1", "PLC01", "LINE1_PROCESS1"),
        NAMES,
        tuple(float(sequence + tag) for tag in range(BATCH_RECORDS)),
        1_767_225_600_000_000_000 + sequence * 1_000_000_000,
        sequence=sequence,
    )


NAMES = tuple(f"LINE1_TAG_{tag:03}" for tag in range(BATCH_RECORDS))


def buffer_seconds(batches: list[Batch]) -> float:
    """Every record through a MemoryBuffer: lease whenever 500 records are ready, the rest at the end."""
    context = ComponentContext("warehouse", "bench", Path(), "memory_buffer")
    buffer = MemoryBuffer(MemoryBufferConfig(10_000, WhenFull.DROP_OLDEST, 5.0), context)
    ready = moved = 0
    start = time.perf_counter()
    for batch in batches:
        buffer.append(batch)
        ready += BATCH_RECORDS
        while ready >= LEASE_RECORDS:
            lease = buffer.lease(LEASE_RECORDS, 0.0)
            assert lease is not None
            buffer.settle(lease)
            moved += len(lease.batch)
            ready -= LEASE_RECORDS
    while (last := buffer.lease(LEASE_RECORDS, 0.0)) is not None:
        buffer.settle(last)
        moved += len(last.batch)
    elapsed = time.perf_counter() - start
    assert moved == len(batches) * BATCH_RECORDS
    return elapsed


def deque_seconds(batches: list[Batch]) -> float:
    """The same values through a deque, one by one, 500 out whenever 500 are in."""
    queue: deque[object] = deque()
    append, popleft = queue.append, queue.popleft
    moved = 0
    start = time.perf_counter()
    for batch in batches:
        for value in batch.values:
            append(value)
        while len(queue) >= LEASE_RECORDS:
            for _ in range(LEASE_RECORDS):
                popleft()
            moved += LEASE_RECORDS
    while queue:
        popleft()
        moved += 1
    elapsed = time.perf_counter() - start
    assert moved == len(batches) * BATCH_RECORDS
    return elapsed


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minimum", type=float, default=0.0, help="exit with 1 below this ratio")
    arguments = parser.parse_args()
    batches = [poll(sequence) for sequence in range(BATCHES)]
    values = BATCHES * BATCH_RECORDS
    rounds = [(buffer_seconds(batches), deque_seconds(batches)) for _ in range(ROUNDS)]
    buffered = min(buffer for buffer, _ in rounds)
    plain = min(plain for _, plain in rounds)
    ratio = plain / buffered
    print(
        f"memory_buffer: {buffered / values * 1e9:.1f} ns per value, deque {plain / values * 1e9:.1f} ns: "
        f"ratio {ratio:.2f} (1.0 = deque, higher is faster)"
    )
    return 0 if ratio >= arguments.minimum else 1


if __name__ == "__main__":
    sys.exit(main())
