"""Settler: ends leases whose write has returned."""

from __future__ import annotations

import math
import random
import threading
from collections import deque
from dataclasses import dataclass

from agent_core.api import Account, Batch, Buffer, Clock, DivertReason, DropReason, Lease
from agent_core.registry.events import Events
from agent_core.runtime.delivery.diverter import Diverter
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.primary import Primary, Written
from agent_core.runtime.delivery.retry import Backoff


@dataclass(frozen=True, slots=True)
class WrittenLease:
    """A lease that the sink has no more part in. ``attempted_at_ns`` is when its last attempt began, UTC ns."""

    lease: Lease
    written: Written
    attempts: int
    attempted_at_ns: int


@dataclass(frozen=True, slots=True)
class _Rejected:
    """Its rejected rows, which wait for the fallback."""

    of: WrittenLease
    rows: Batch
    details: tuple[str, ...]


class Settler:
    """Counts each row, makes the rejected ones durable in the fallback, then settles. Called from every worker.

    When the fallback does not take rejected rows, as on a full disk, their worker goes on with other leases: good rows
    must not be evicted because bad ones wait. Their batches stay in the buffer, up to half of its capacity.
    """

    def __init__(
        self,
        sink_id: str,
        primary: Primary,
        buffer: Buffer,
        diverter: Diverter,
        backoff: Backoff,
        ledger: Ledger,
        events: Events,
        clock: Clock,
    ) -> None:
        self._sink_id = sink_id
        self._primary = primary
        self._buffer = buffer
        self._diverter = diverter
        self._backoff = backoff
        self._ledger = ledger
        self._events = events
        self._clock = clock
        self._randomness = random.Random()  # noqa: S311 - jitter, not secrecy
        self._lock = threading.Lock()
        self._waiting: deque[_Rejected] = deque()
        """The oldest first."""
        self._failures = 0
        self._retry_at = 0.0

    def settle(self, written: WrittenLease) -> None:
        """Account for every row; the lease is settled now, or once the fallback has its rejected rows."""
        batch, outcome = written.lease.batch, written.written.outcome
        self._ledger.move(self._sink_id, Account.PENDING, Account.DELIVERED, outcome.inserted)
        self._ledger.move(self._sink_id, Account.PENDING, Account.DUPLICATES, outcome.duplicates)
        if not outcome.rejected:
            self._end(written)
            return
        rows = batch.select([rejection.row for rejection in outcome.rejected])
        rejected = _Rejected(written, rows, outcome.rejection_details())
        if not self._diverter.available:
            self._drop(rejected, DropReason.REJECTED)
        elif not self._keep(rejected):
            self._let_wait(rejected)

    def try_again(self) -> None:
        """Try the fallback again for rejected rows that wait for it, when it is time to."""
        while (rejected := self._next(self._clock.monotonic())) is not None:
            if not self._keep(rejected):
                with self._lock:
                    self._waiting.appendleft(rejected)
                return

    def finish(self) -> None:
        """Account for rejected rows that still wait at the end of a shutdown, after a last try.

        A durable buffer keeps them, with their batch, if the sink will recognise the rows that it has of that.
        """
        while (rejected := self._next(math.inf)) is not None:
            if self._keep(rejected):
                continue
            if self._buffer.durable and self._primary.idempotent:
                self._buffer.release(rejected.of.lease)
            else:
                self._drop(rejected, DropReason.FALLBACK_FAILED)

    def _end(self, written: WrittenLease) -> None:
        self._buffer.settle(written.lease)
        outcome, elapsed = written.written.outcome, written.written.elapsed_seconds
        self._events.batch_delivered(
            self._sink_id, written.lease.batch, outcome, written.attempts, elapsed, replay=False
        )

    def _keep(self, rejected: _Rejected) -> bool:
        """One try to make rejected rows durable in the fallback."""
        stored = self._diverter.store(
            rejected.rows, DivertReason.REJECTED, rejected.of.attempted_at_ns, rejected.details
        )
        with self._lock:
            self._failures = 0 if stored is not None else self._failures + 1
            delay = self._backoff.delay_seconds(self._failures, self._randomness) if self._failures else 0.0
            self._retry_at = self._clock.monotonic() + delay
        if stored is None:
            return False
        self._diverter.count_rejected(stored)
        self._end(rejected.of)
        return True

    def _let_wait(self, rejected: _Rejected) -> None:
        """Keep the batch leased, and drop the rejected rows that wait longest rather than crowd out good ones."""
        room = self._buffer.stats().capacity_records // 2
        surplus: list[_Rejected] = []
        with self._lock:
            self._waiting.append(rejected)
            leased = sum(len(one.of.lease.batch) for one in self._waiting)
            while leased > room and len(self._waiting) > 1:
                surplus.append(self._waiting.popleft())
                leased -= len(surplus[-1].of.lease.batch)
        for one in surplus:
            self._drop(one, DropReason.FALLBACK_FAILED)

    def _drop(self, rejected: _Rejected, reason: DropReason) -> None:
        self._diverter.drop(rejected.rows, reason)
        self._end(rejected.of)

    def _next(self, now: float) -> _Rejected | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting and now >= self._retry_at else None
