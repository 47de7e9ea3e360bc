"""Carrier: brings leases to their end, through retries, probes and the fallback."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

from agent_core.api import Buffer, DivertReason, Lease, RetryableError, SinkError, SinkState
from agent_core.runtime.delivery.diverter import Diverter
from agent_core.runtime.delivery.flight import LeaseFlight
from agent_core.runtime.delivery.retry import Backoff, wished_seconds
from agent_core.runtime.delivery.settler import Settler
from agent_core.runtime.delivery.shared_sink import SharedSink
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.delivery.sink_gate import PROBED, WRITABLE, ProbeIntervals, SinkGate
from agent_core.runtime.error_words import repr_of


class Turn(Enum):
    """What a worker does next with the lease it holds."""

    WRITE = auto()
    DIVERT = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class CarrierSettings:
    """``divert_after_retries`` False means ``divert: under_pressure``: records leave only when they are evicted.

    Else they leave when the retries are used up, or before a retry that would be later than ``divert_after_seconds``
    after the sink's first failure, or after the first attempt of this batch began.
    """

    backoff: Backoff
    probe_intervals: ProbeIntervals
    divert_after_retries: bool
    divert_after_seconds: float


class Carrier:
    """Shared by all workers of one sink; each calls ``carry``."""

    def __init__(
        self,
        context: SinkContext,
        sink: SharedSink,
        buffer: Buffer,
        diverter: Diverter,
        gate: SinkGate,
        settler: Settler,
        settings: CarrierSettings,
    ) -> None:
        self.diverts = settings.divert_after_retries and diverter.available
        self.last_delivery_ns: int | None = None
        self._context = context
        self._clock = context.clock
        self._sink = sink
        self._buffer = buffer
        self._diverter = diverter
        self._gate = gate
        self._settler = settler
        self._settings = settings

    def take_off(self, lease: Lease) -> LeaseFlight:
        """The flight of a lease that ``carry`` brings to its end."""
        flight = LeaseFlight(lease)
        self._gate.take_off(flight)
        return flight

    def carry(self, flight: LeaseFlight) -> None:
        """Return once the lease is settled or handed back, or the gate is closed.

        If it raises, call it again with the same flight, or ``hand_back``: nobody else knows of the attempts so far.
        """
        try:
            while (turn := self._next_turn(flight)) is not Turn.END:
                if turn is Turn.WRITE and self._write(flight):
                    return
                if turn is Turn.DIVERT and self._give_up(flight):
                    return
        except BaseException:
            self._gate.end_divert(flight)
            raise
        self.hand_back(flight)

    def hand_back(self, flight: LeaseFlight) -> None:
        """At the stop: put the records back into the buffer.

        Those of a volatile buffer that may be in the sink are left in flight instead: the stop takes them over as
        ambiguous, which the buffer could not tell it.
        """
        if flight.ambiguous and not self._buffer.durable:
            return
        if self._gate.land(flight):
            self._buffer.release(flight.lease)

    def _next_turn(self, flight: LeaseFlight) -> Turn:
        """Wait until there is something to do with the lease."""
        gate = self._gate
        if not flight.attempts and gate.writable:  # nearly every batch: no lock, nothing to wait for
            return Turn.WRITE
        with gate.changed:
            while not gate.locked_closed():
                state, now = gate.locked_state(), self._clock.monotonic()
                wait_until: float | None = None
                if state in WRITABLE:
                    if now >= flight.retry_at:
                        return Turn.WRITE
                    wait_until = flight.retry_at
                elif state in PROBED:
                    if gate.locked_claim_probe(flight):
                        return Turn.WRITE
                    # A probe that is due belongs to another worker, which will say how it ended.
                    wait_until = gate.locked_probe_at() if gate.locked_probe_at() > now else None
                    if self.diverts:
                        if now >= flight.divert_at:
                            return Turn.DIVERT
                        wait_until = flight.divert_at if wait_until is None else min(flight.divert_at, wait_until)
                self._clock.wait(gate.changed, None if wait_until is None else wait_until - now)
            return Turn.END

    def _write(self, flight: LeaseFlight) -> bool:
        """One attempt; False when it failed, and the gate says what comes next."""
        if not self._sink.attempt(flight, flight, partial(self._failed, flight)):
            return False
        self.last_delivery_ns = self._clock.time_ns()
        if self._gate.returned(flight):
            self._settler.settle(flight)
        return True

    def _failed(self, flight: LeaseFlight, error: BaseException) -> None:
        """Sort a failure: which state the sink is in now, and when these records are tried again."""
        backoff, now = self._settings.backoff, self._clock.monotonic()
        if not flight.failures:
            flight.failing_since = now if flight.calling_since is None else flight.calling_since
        flight.failures += 1
        if isinstance(error, RetryableError):
            flight.ambiguous |= error.ambiguous
        elif not isinstance(error, SinkError):
            flight.ambiguous |= self._sink.opened  # else nothing can have been sent
            sink_id = self._context.sink_id
            self._context.log.error(
                "sink raised an unexpected error", sink=sink_id, error=repr_of(error), every=sink_id, exc_info=error
            )

        state, probe_in = self._settings.probe_intervals.after(error)
        delay = wished_seconds(error)
        if delay is None:
            delay = backoff.delay_seconds(flight.failures, self._context.randomness)
        failing_seconds = max(self._gate.failing_seconds(), now - flight.failing_since)
        in_time = not self.diverts or failing_seconds + delay <= self._settings.divert_after_seconds
        in_time &= not backoff.exhausted(flight.failures)
        if state is SinkState.DOWN and in_time and self._gate.retrying(error):
            flight.retry_at = now + delay
            self._context.announce_failure(flight, error, delay)
            return
        flight.failures = 0
        flight.exhausted |= state is SinkState.DOWN
        self._gate.down(flight, state, error, probe_in)
        retry_in = None if self.diverts else self._gate.next_probe_seconds()
        self._context.announce_failure(flight, error, retry_in)

    def _give_up(self, flight: LeaseFlight) -> bool:
        """Hand the records to the fallback. False when that failed: sink and fallback are then tried in turn."""
        reason = DivertReason.SINK_DOWN
        if flight.ambiguous:
            reason = DivertReason.AMBIGUOUS_COMMIT
        elif flight.exhausted:
            reason = DivertReason.RETRIES_EXHAUSTED
        if self._diverter.hangs:
            flight.divert_at = self._clock.monotonic() + self._settings.probe_intervals.normal
            return False
        if not self._gate.begin_divert(flight):
            return True
        stored = self._diverter.store(flight.batch, reason, flight.attempted_at_ns or self._clock.time_ns(), None)
        if stored is None:
            self._gate.end_divert(flight)
            flight.divert_at = self._clock.monotonic() + self._settings.probe_intervals.normal
            return False
        if self._gate.land(flight):
            self._diverter.count_diverted(stored, reason)
            self._buffer.settle(flight.lease)
        return True
