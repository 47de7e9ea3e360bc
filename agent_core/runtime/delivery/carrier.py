"""Carrier: brings one lease at a time to its end, through retries, probes and the fallback."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from enum import Enum, auto

from agent_core.api import (
    Buffer,
    Clock,
    DivertReason,
    Lease,
    RateLimit,
    RetryableError,
    SinkError,
    SinkState,
)
from agent_core.registry.events import Events
from agent_core.runtime.delivery.diverter import Diverter
from agent_core.runtime.delivery.primary import Primary
from agent_core.runtime.delivery.retry import Backoff
from agent_core.runtime.delivery.settler import Settler, WrittenLease
from agent_core.runtime.delivery.sink_gate import DOWN, WRITABLE, ProbeIntervals, SinkGate


class Turn(Enum):
    """What a worker does next with the lease it holds."""

    WRITE = auto()
    DIVERT = auto()
    END = auto()


class Flight:
    """One lease on its way. It is landed once, by the worker that carries it or by the shutdown, never by both."""

    __slots__ = (
        "ambiguous", "attempted_at_ns", "attempts", "divert_at", "exhausted", "failures", "landed", "lease", "retry_at",
    )  # fmt: skip

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.attempts = 0
        self.attempted_at_ns = 0
        self.failures = 0
        self.retry_at = 0.0
        self.divert_at = 0.0
        self.ambiguous = False
        self.exhausted = False
        self.landed = False


@dataclass(frozen=True, slots=True)
class CarrierSettings:
    """``divert_after_retries`` False means ``divert: under_pressure``: rows leave only when they are evicted."""

    backoff: Backoff
    probe_intervals: ProbeIntervals
    divert_after_retries: bool


class Carrier:
    """What all workers of one sink share. ``carry`` is called from each of them."""

    def __init__(
        self,
        sink_id: str,
        primary: Primary,
        buffer: Buffer,
        diverter: Diverter,
        gate: SinkGate,
        settler: Settler,
        settings: CarrierSettings,
        events: Events,
        clock: Clock,
        logger: logging.Logger,
    ) -> None:
        self.diverts = settings.divert_after_retries and diverter.available
        self.last_delivery_ns: int | None = None
        self._sink_id = sink_id
        self._primary = primary
        self._buffer = buffer
        self._diverter = diverter
        self._gate = gate
        self._settler = settler
        self._settings = settings
        self._events = events
        self._clock = clock
        self._log = logger
        self._faults = RateLimit(clock)
        self._randomness = random.Random()  # noqa: S311 - jitter, not secrecy
        self._flights: set[Flight] = set()

    def carry(self, lease: Lease) -> None:
        """Return once the lease is settled, or released because the gate was closed."""
        flight = Flight(lease)
        with self._gate.changed:
            self._flights.add(flight)
        try:
            while (turn := self._next_turn(flight)) is not Turn.END:
                if turn is Turn.WRITE and self._write(flight):
                    return
                if turn is Turn.DIVERT and self._give_up(flight):
                    return
        finally:
            self._gate.give_back(flight)
            with self._gate.changed:
                self._flights.discard(flight)
                unfinished = _locked_land(flight)
            if unfinished:
                self._buffer.release(lease)

    def locked_land_all(self) -> list[Lease]:
        """Take over every lease still on its way (its worker hangs); called under the gate's lock."""
        return [flight.lease for flight in self._flights if _locked_land(flight)]

    def _next_turn(self, flight: Flight) -> Turn:
        """Wait until there is something to do with the lease."""
        gate = self._gate
        with gate.changed:
            while not gate.locked_closed():
                state, now = gate.locked_state(), self._clock.monotonic()
                wait_until: float | None = None
                if state in WRITABLE:
                    if now >= flight.retry_at:
                        return Turn.WRITE
                    wait_until = flight.retry_at
                elif state in DOWN:
                    if gate.locked_claim_probe(flight):
                        return Turn.WRITE
                    # A probe that is due belongs to somebody else, who will say how it ended.
                    wait_until = gate.locked_probe_at() if gate.locked_probe_at() > now else None
                    if self.diverts:
                        if now >= flight.divert_at:
                            return Turn.DIVERT
                        wait_until = flight.divert_at if wait_until is None else min(flight.divert_at, wait_until)
                self._clock.wait(gate.changed, None if wait_until is None else wait_until - now)
            return Turn.END

    def _write(self, flight: Flight) -> bool:
        """One attempt; False when it failed, and the gate says what comes next."""
        flight.attempted_at_ns = self._clock.time_ns()
        written = self._primary.attempt(flight, flight.lease.batch, lambda error: self._failed(flight, error))
        if written is None:
            return False
        flight.attempts += 1
        self.last_delivery_ns = self._clock.time_ns()
        self._gate.up(flight, "a write returned")
        if self._land(flight):
            self._settler.settle(WrittenLease(flight.lease, written, flight.attempts, flight.attempted_at_ns))
        return True

    def _failed(self, flight: Flight, error: Exception) -> None:
        """Sort a failure: which state the sink is in now, and when these rows are tried again."""
        batch, backoff = flight.lease.batch, self._settings.backoff
        flight.attempts += 1
        flight.failures += 1
        reason = str(error) or type(error).__name__
        if isinstance(error, RetryableError):
            flight.ambiguous |= error.ambiguous
        elif not isinstance(error, SinkError):
            flight.ambiguous = True
            if (repeats := self._faults.allow("defect")) is not None:
                self._log.error(
                    "sink raised an unexpected error: sink=%s error=%r%s", self._sink_id, error, repeats, exc_info=error
                )

        state, probe_in = self._settings.probe_intervals.after(error)
        if state is SinkState.OPEN and not backoff.exhausted(flight.failures) and self._gate.retrying(reason):
            delay = backoff.delay_seconds(flight.failures, self._randomness)
            if isinstance(error, RetryableError) and error.retry_after_seconds is not None:
                delay = error.retry_after_seconds
            flight.retry_at = self._clock.monotonic() + delay
            self._events.batch_failed(self._sink_id, batch, error, flight.attempts, delay)
            return
        flight.failures = 0
        flight.exhausted |= state is SinkState.OPEN
        self._gate.down(flight, state, reason, probe_in)
        retry_in = None if self.diverts else self._gate.next_probe_seconds()
        self._events.batch_failed(self._sink_id, batch, error, flight.attempts, retry_in)

    def _give_up(self, flight: Flight) -> bool:
        """Hand the rows to the fallback; False when that failed: primary and fallback are then tried in turn."""
        reason = DivertReason.SINK_DOWN
        if flight.ambiguous:
            reason = DivertReason.AMBIGUOUS_COMMIT
        elif flight.exhausted:
            reason = DivertReason.RETRIES_EXHAUSTED
        batch = flight.lease.batch
        stored = self._diverter.store(batch, reason, flight.attempted_at_ns or self._clock.time_ns(), None)
        if stored is None:
            flight.divert_at = self._clock.monotonic() + self._settings.probe_intervals.normal
            return False
        if self._land(flight):
            self._diverter.count_diverted(stored, reason)
            self._buffer.settle(flight.lease)
        return True

    def _land(self, flight: Flight) -> bool:
        with self._gate.changed:
            return _locked_land(flight)


def _locked_land(flight: Flight) -> bool:
    """Take the right to settle or release the lease; True for exactly one caller."""
    landed, flight.landed = flight.landed, True
    return not landed
