"""Workers: the threads that carry records from one sink's buffer to the sink."""

from __future__ import annotations

import threading
from collections.abc import Callable, Set
from contextlib import suppress

from agent_core.api import Buffer, Lease, SinkState
from agent_core.config.model import BatchConfig
from agent_core.runtime.delivery.carrier import Carrier
from agent_core.runtime.delivery.flight import LeaseFlight
from agent_core.runtime.delivery.settler import Settler
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.delivery.sink_gate import PROBED, SinkGate
from agent_core.runtime.error_words import repr_of

RESTART_SECONDS = 1.0
"""A worker that failed by a defect waits this long before it starts again, so that it cannot spin."""


class Workers:
    """Each leases, carries and settles until the gate closes, or nothing is left to drain.

    ``start``, ``drain`` and ``end`` are called from the main thread, in this order.
    """

    def __init__(
        self,
        context: SinkContext,
        count: int,
        batch: BatchConfig,
        buffer: Buffer,
        gate: SinkGate,
        carrier: Carrier,
        settler: Settler,
    ) -> None:
        self._context = context
        self._count = count
        self._batch = batch
        self._buffer = buffer
        self._gate = gate
        self._carrier = carrier
        self._settler = settler
        self._draining = False
        self._started = False
        self._running = 0
        self._threads: set[int] = set()
        self._stuck = 0

    @property
    def running(self) -> int:
        """How many workers have not ended."""
        with self._gate.changed:
            return self._running

    @property
    def diverts(self) -> bool:
        """True when records leave for the fallback while the sink is down."""
        return self._carrier.diverts

    @property
    def all_lost(self) -> bool:
        """True when every worker has ended although none should have."""
        with self._gate.changed:
            return self._started and not self._running and not self._draining

    @property
    def last_delivery_ns(self) -> int | None:
        """UTC ns of the last write that returned, or None."""
        return self._carrier.last_delivery_ns

    def start(self) -> None:
        """Start them all."""
        self._started = True
        for number in range(1, self._count + 1):
            self._start(number)

    def _start(self, number: int) -> None:
        with self._gate.changed:
            self._running += 1
        try:
            threading.Thread(target=self._work, name=f"{self._context.sink_id}-{number}", daemon=True).start()
        except BaseException:  # no thread to be had: a stop must not wait for this one
            self._ended()
            raise

    def make_up_for(self, hanging: Set[int]) -> None:
        """Have a worker for each whose thread is ``hanging`` in the fallback; one too many ends once they return."""
        with self._gate.changed:
            self._stuck = len(self._threads & hanging)
            missing = min(self._stuck, self._count + self._stuck - self._running)
            if self._draining or not self._started:
                return
        for number in range(missing):
            self._start(self._count + number + 1)

    def _is_one_too_many(self) -> bool:
        if self._running <= self._count:
            return False
        with self._gate.changed:
            return self._running > self._count + self._stuck and threading.get_ident() == max(self._threads)

    def drain(self, deadline: float, safe_elsewhere: bool) -> bool:
        """Let them write what is buffered until ``deadline`` (monotonic seconds); True when nothing is left.

        It ends early when waiting cannot help: when the sink is paused, or when it is down and the records are
        ``safe_elsewhere``. On return the gate is closed.
        """
        clock = self._context.clock
        self._draining = True
        self._buffer.stop_waiting()
        with self._gate.changed:
            while self._running and (left := deadline - clock.monotonic()) > 0:
                state = self._gate.locked_state()
                waits_in_vain = state in PROBED and safe_elsewhere and not self._carrier.diverts
                if waits_in_vain or state is SinkState.PAUSED:
                    break
                clock.wait(self._gate.changed, left)
            drained = not self._running
        self._gate.close()
        return drained

    def end(self, deadline: float) -> list[Lease]:
        """After ``drain``: wait until ``deadline`` for the workers to hand back what they carry.

        Returns the leases whose records may be in the sink: those of workers that hang, and those of attempts whose
        answer was lost. The caller must settle them or release them. Rejected records that wait for the fallback get
        a last try.
        """
        self.wait_until(deadline, lambda: False)
        self._name_hanging()
        stuck = self._gate.land_all()
        self._settler.finish()
        return stuck

    def _name_hanging(self) -> None:
        """Log a call of the sink that the stop leaves behind."""
        if (seconds := self._gate.longest_write_seconds()) > 0:
            self._context.log.error(
                "sink call left behind",
                sink=self._context.sink_id,
                elapsed_seconds=seconds,
                next_step="look at what the sink waits for: the destination, the network, or a defect of its plugin",
            )

    def wait_until(self, deadline: float, enough: Callable[[], bool]) -> bool:
        """Wait for workers to end, and for records on their way into the fallback to be there.

        At most until ``deadline``, or until that is ``enough``. True when all workers have ended.
        """
        clock = self._context.clock
        with self._gate.changed:
            while (
                (self._running or self._gate.locked_diverting())
                and not enough()
                and (left := deadline - clock.monotonic()) > 0
            ):
                clock.wait(self._gate.changed, left)
            return not self._running

    def _work(self) -> None:
        """One worker. After a defect it carries the same flight again, which knows what was tried before."""
        flight: LeaseFlight | None = None
        with self._gate.changed:
            self._threads.add(threading.get_ident())
        try:
            while not self._gate.closed and (flight is not None or not self._is_one_too_many()):
                try:
                    flight = flight or self._take_off()
                    if flight is not None:
                        self._carrier.carry(flight)
                        flight = None
                    elif self._draining:
                        return
                    self._settler.try_again()
                except BaseException as error:  # SystemExit or CancelledError, too, would end the worker for good
                    if flight is not None and flight.landed:
                        flight = None
                    self._restart_after(error)
            if flight is not None:
                self._carrier.hand_back(flight)
        finally:
            self._ended()

    def _take_off(self) -> LeaseFlight | None:
        lease = self._buffer.lease(self._batch.max_records, self._batch.max_wait_seconds)
        return None if lease is None else self._carrier.take_off(lease)

    def _ended(self) -> None:
        with self._gate.changed:
            self._threads.discard(threading.get_ident())
            self._running -= 1
            self._gate.changed.notify_all()

    def _restart_after(self, error: BaseException) -> None:
        sink_id = self._context.sink_id
        with suppress(BaseException):  # nothing that a log handler does ends the worker either
            self._context.log.error(
                "worker restarted", sink=sink_id, error=repr_of(error), every=sink_id, exc_info=error
            )
        self._gate.sleep(RESTART_SECONDS)
