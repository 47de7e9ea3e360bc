"""MemoryBuffer: chunks under one lock, and the threads that wait for them."""

from __future__ import annotations

import threading
from collections import deque

from agent_core.api import EMPTY, Batch, BufferStats, ComponentContext, Lease, LeaseError
from memory_buffer.chunks import Chunk, ChunkQueue, join
from memory_buffer.config import MemoryBufferConfig, WhenFull


class _Waiter:
    """A thread that waits for so many ``records``, or for room for them.

    Each has its own condition, so a change wakes only the threads that it serves.
    """

    __slots__ = ("condition", "records")

    def __init__(self, lock: threading.Lock, records: int) -> None:
        self.condition = threading.Condition(lock)
        self.records = records


class _Loan:
    """A lease that is out, and the chunks to put back if it is released."""

    __slots__ = ("chunks", "lease")

    def __init__(self, lease: Lease, chunks: list[Chunk]) -> None:
        self.lease = lease
        self.chunks = chunks


class MemoryBuffer:
    """A Buffer in memory; see ``agent_core.api.Buffer`` for the contract.

    Work is done per batch, never per value. ``append`` waits only with ``when_full: block``, ``lease`` for at most
    ``max_wait_seconds``; nothing else waits for more than the lock. Waiting appenders are served in the order in which
    they came: a small batch never overtakes a large one. A batch larger than the capacity waits until the buffer is
    empty, then its oldest records are evicted.
    """

    durable = False

    def __init__(self, config: MemoryBufferConfig, context: ComponentContext) -> None:
        self._id = context.component_id
        self._clock = context.clock
        self._capacity = config.capacity_records
        self._when_full = config.when_full
        self._block_limit_seconds = config.block_limit_seconds
        self._lock = threading.Lock()
        # All below is guarded by the lock.
        self._ready = ChunkQueue()
        self._loans: dict[int, _Loan] = {}
        self._leased = 0
        self._tokens = 0
        self._stopped = False
        self._lessees: deque[_Waiter] = deque()
        self._appenders: deque[_Waiter] = deque()

    @property
    def blocks(self) -> bool:
        return self._when_full is WhenFull.BLOCK

    def open(self) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Wake every thread that waits. The records stay as long as the buffer object."""
        self.stop_waiting()

    def append(self, batch: Batch) -> Batch:
        count = len(batch)
        if not count:
            return EMPTY
        with self._lock:
            evicted = EMPTY
            if self._when_full is WhenFull.BLOCK:
                self._wait_for_room(count)
            excess = self._leased + self._ready.records + count - self._capacity
            if excess > 0 and self._when_full is WhenFull.DROP_NEWEST:
                kept = count - excess
                batch, evicted = batch.slice(0, kept), batch.slice(kept, count)
                excess = 0
            if batch:
                self._ready.push(batch, self._clock.monotonic())
            if excess > 0:
                # The new records are in the queue by now, so they are evicted too if older ones are too few or leased.
                evicted = join(self._ready.cut(excess))
            if self._lessees:
                self._wake_lessees()
            return evicted

    def lease(self, max_records: int, max_wait_seconds: float) -> Lease | None:
        if max_records < 1:
            raise ValueError(f"a lease is of one record or more, not {max_records}")
        with self._lock:
            if max_wait_seconds > 0 and self._ready.records < max_records:
                self._wait_for_records(max_records, max_wait_seconds)
            chunks = self._ready.cut(max_records)
            if not chunks:
                return None
            self._tokens += 1
            lease = Lease(join(chunks), self._tokens)
            self._loans[lease.token] = _Loan(lease, chunks)
            self._leased += len(lease.batch)
            return lease

    def settle(self, lease: Lease) -> None:
        with self._lock:
            self._take_back(lease)
            if self._appenders and self._fits(self._appenders[0]):
                self._appenders[0].condition.notify()

    def release(self, lease: Lease) -> None:
        with self._lock:
            self._ready.put_back(self._take_back(lease).chunks)
            # Records that came back are older than those a lessee knew of, so each works out again how long to wait.
            for waiter in self._lessees:
                waiter.condition.notify()

    def stop_waiting(self) -> None:
        with self._lock:
            self._stopped = True
            for waiter in (*self._lessees, *self._appenders):
                waiter.condition.notify()

    def stats(self) -> BufferStats:
        with self._lock:
            oldest_at = self._ready.oldest_at()
            return BufferStats(
                capacity_records=self._capacity,
                ready_records=self._ready.records,
                leased_records=self._leased,
                oldest_age_seconds=0.0 if oldest_at is None else self._clock.monotonic() - oldest_at,
            )

    def _take_back(self, lease: Lease) -> _Loan:
        loan = self._loans.get(lease.token)
        if loan is None or loan.lease.batch is not lease.batch:
            raise LeaseError(
                f"buffer of {self._id}: lease {lease.token} is not out; "
                "it was already settled or released, or another buffer made it"
            )
        del self._loans[lease.token]
        self._leased -= len(lease.batch)
        return loan

    def _wait_for_records(self, max_records: int, max_wait_seconds: float) -> None:
        """Return when a lease is due: enough records, the oldest is old enough, time is up, or ``stop_waiting``."""
        waiter = _Waiter(self._lock, max_records)
        now = self._clock.monotonic()
        give_up_at = now + max_wait_seconds
        self._lessees.append(waiter)
        try:
            while not self._stopped and self._ready.records < max_records:
                oldest_at = self._ready.oldest_at()
                due_at = give_up_at if oldest_at is None else min(give_up_at, oldest_at + max_wait_seconds)
                if now >= due_at:
                    return
                self._clock.wait(waiter.condition, due_at - now)
                now = self._clock.monotonic()
        finally:
            self._lessees.remove(waiter)

    def _wake_lessees(self) -> None:
        """Wake the lessees for which enough records are ready, each with its own.

        The others need not wake: records appended while they wait become old enough only after their time is up.
        """
        ready = self._ready.records
        for waiter in self._lessees:
            if waiter.records <= ready:
                ready -= waiter.records
                waiter.condition.notify()

    def _wait_for_room(self, count: int) -> None:
        """Return when the records fit and it is their turn, when time is up, or on ``stop_waiting``."""
        waiter = _Waiter(self._lock, min(count, self._capacity))
        if not self._appenders and self._fits(waiter):
            return
        now = self._clock.monotonic()
        give_up_at = now + self._block_limit_seconds
        self._appenders.append(waiter)
        try:
            while not (self._stopped or (self._appenders[0] is waiter and self._fits(waiter))):
                if now >= give_up_at:
                    return
                self._clock.wait(waiter.condition, give_up_at - now)
                now = self._clock.monotonic()
        finally:
            self._appenders.remove(waiter)
            if self._appenders:
                self._appenders[0].condition.notify()

    def _fits(self, waiter: _Waiter) -> bool:
        return self._leased + self._ready.records + waiter.records <= self._capacity
