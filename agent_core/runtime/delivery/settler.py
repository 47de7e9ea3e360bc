"""Settler: ends leases whose write has returned."""

from __future__ import annotations

import math
import threading
from collections import deque

from agent_core.api import Account, Buffer, DropReason
from agent_core.runtime.delivery.diverter import Diverter
from agent_core.runtime.delivery.flight import LeaseFlight
from agent_core.runtime.delivery.retry import Backoff
from agent_core.runtime.delivery.shared_sink import SharedSink
from agent_core.runtime.delivery.sink_context import SinkContext


class Settler:
    """Counts each record, makes the rejected ones durable in the fallback, then settles. Called from every worker.

    When the fallback does not take rejected records, for example because the disk is full, their worker continues with
    other leases: good records must not be evicted because bad ones wait. Their batches stay in the buffer, in at most
    half of its capacity.
    """

    def __init__(
        self, context: SinkContext, sink: SharedSink, buffer: Buffer, diverter: Diverter, backoff: Backoff
    ) -> None:
        self._context = context
        self._sink = sink
        self._buffer = buffer
        self._diverter = diverter
        self._backoff = backoff
        self._lock = threading.Lock()
        self._waiting: deque[LeaseFlight] = deque()
        """Those whose rejected records wait for the fallback, the oldest first."""
        self._failures = 0
        self._retry_at = 0.0

    def settle(self, flight: LeaseFlight) -> None:
        """Account for every record; the lease is settled now, or once the fallback has its rejected records."""
        outcome = flight.outcome
        self._context.move(Account.PENDING, Account.DELIVERED, outcome.inserted)
        self._context.move(Account.PENDING, Account.DUPLICATES, outcome.duplicates)
        if not outcome.rejected:
            self._end(flight)
        elif not self._diverter.available:
            self._drop(flight, DropReason.REJECTED)
        elif not self._keep(flight):
            self._let_wait(flight)

    def try_again(self) -> None:
        """Try the fallback again for rejected records that wait for it, if it is time."""
        while (flight := self._next(self._context.clock.monotonic())) is not None:
            if not self._keep(flight):
                with self._lock:
                    self._waiting.appendleft(flight)
                return

    def finish(self) -> None:
        """Account for rejected records that still wait at the end of a shutdown, after a last try.

        A durable buffer keeps them, with their batch, if the sink will recognise the records of that batch it has.
        """
        while (flight := self._next(math.inf)) is not None:
            if self._keep(flight, last_try=True):
                continue
            if self._buffer.durable and self._sink.idempotent:
                self._buffer.release(flight.lease)
            else:
                self._drop(flight, DropReason.FALLBACK_FAILED)

    def _end(self, flight: LeaseFlight) -> None:
        self._diverter.copy_delivered(flight)
        self._buffer.settle(flight.lease)
        self._context.announce_delivery(flight, replayed_file=None)

    def _keep(self, flight: LeaseFlight, *, last_try: bool = False) -> bool:
        """One try to make rejected records durable in the fallback; the last one is made even if that hangs."""
        stored = None if self._diverter.hangs and not last_try else self._diverter.store_rejected(flight)
        with self._lock:
            self._failures = 0 if stored is not None else self._failures + 1
            delay = self._backoff.delay_seconds(self._failures, self._context.randomness) if self._failures else 0.0
            self._retry_at = self._context.clock.monotonic() + delay
        if stored is None:
            return False
        self._diverter.count_rejected(stored)
        self._end(flight)
        return True

    def _let_wait(self, flight: LeaseFlight) -> None:
        """Keep the batch leased, and drop the rejected records that wait longest rather than crowd out good ones."""
        room = self._buffer.stats().capacity_records // 2
        surplus: list[LeaseFlight] = []
        with self._lock:
            self._waiting.append(flight)
            leased = sum(len(waiting.batch) for waiting in self._waiting)
            while leased > room and len(self._waiting) > 1:
                surplus.append(self._waiting.popleft())
                leased -= len(surplus[-1].batch)
        for waiting in surplus:
            self._drop(waiting, DropReason.FALLBACK_FAILED)

    def _drop(self, flight: LeaseFlight, reason: DropReason) -> None:
        self._diverter.drop(flight.rejected(), reason)
        self._end(flight)

    def _next(self, now: float) -> LeaseFlight | None:
        with self._lock:
            return self._waiting.popleft() if self._waiting and now >= self._retry_at else None
