"""Carrier: brings one lease at a time to its end, through retries, probes and the fallback."""

from __future__ import annotations

import logging
import random
import threading
from dataclasses import dataclass
from enum import Enum, auto

from agent_core.api import (
    Account,
    AuthenticationError,
    Buffer,
    Clock,
    ConfigurationError,
    DivertReason,
    DropReason,
    Lease,
    RetryableError,
    Sink,
    SinkState,
    WriteOutcome,
)
from agent_core.registry.events import Events
from agent_core.runtime.diverter import Diverter
from agent_core.runtime.ledger import Ledger
from agent_core.runtime.rate_limit import FAULT_INTERVAL_SECONDS, RateLimit
from agent_core.runtime.retry import Backoff
from agent_core.runtime.sink_gate import DOWN, WRITABLE, SinkGate


class Turn(Enum):
    """What a worker does next with the lease it holds."""

    WRITE = auto()
    DIVERT = auto()
    END = auto()


class Flight:
    """One lease on its way. It is landed once, by the worker that carries it or by the shutdown, never by both."""

    __slots__ = ("ambiguous", "attempted_at_ns", "attempts", "divert_at", "failures", "landed", "lease", "retry_at")

    def __init__(self, lease: Lease) -> None:
        self.lease = lease
        self.attempts = 0
        self.attempted_at_ns = 0
        self.failures = 0
        self.retry_at = 0.0
        self.divert_at = 0.0
        self.ambiguous = False
        self.landed = False


@dataclass(frozen=True, slots=True)
class CarrierSettings:
    """``divert_after_retries`` False means ``divert: under_pressure``: rows leave only when they are evicted."""

    backoff: Backoff
    probe_interval_seconds: float
    throttled_interval_seconds: float
    divert_after_retries: bool


class InvalidOutcome(Exception):
    """A sink's outcome does not account for every row: a defect in the sink."""


class Carrier:
    """What all workers of one sink share. ``carry`` is called from each of them."""

    def __init__(
        self,
        sink_id: str,
        sink: Sink,
        buffer: Buffer,
        diverter: Diverter,
        gate: SinkGate,
        settings: CarrierSettings,
        ledger: Ledger,
        events: Events,
        clock: Clock,
        logger: logging.Logger,
    ) -> None:
        self.diverts = settings.divert_after_retries and diverter.available
        self.last_error: str | None = None
        self.last_delivery_ns: int | None = None
        self._sink_id = sink_id
        self._sink = sink
        self._buffer = buffer
        self._diverter = diverter
        self._gate = gate
        self._settings = settings
        self._ledger = ledger
        self._events = events
        self._clock = clock
        self._log = logger
        self._faults = RateLimit(clock, FAULT_INTERVAL_SECONDS)
        self._randomness = random.Random()  # noqa: S311 - jitter, not secrecy
        self._flights: set[Flight] = set()
        self._open_lock = threading.Lock()
        self._opened = False
        self._open_failures = 0
        self._open_error: Exception | None = None

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
        batch = flight.lease.batch
        try:
            if not self._opened and not self._open(flight):
                return False
            flight.attempts += 1
            flight.attempted_at_ns = self._clock.time_ns()
            started = self._clock.monotonic()
            outcome = self._sink.write(batch)
            elapsed = self._clock.monotonic() - started
            _check_outcome(outcome, len(batch))
        except Exception as error:
            self._failed(flight, error)
            return False
        self.last_delivery_ns = self._clock.time_ns()
        self._gate.up(flight, "a write returned")
        self._settle(flight, outcome, elapsed)
        return True

    def _open(self, flight: Flight) -> bool:
        """Open the sink once for all workers. Those that waited for another's attempt share its failure."""
        failures_before = self._open_failures
        with self._open_lock:
            if self._opened:
                return True
            if not self._gate.admits(flight):
                return False
            if self._open_error is None or self._open_failures == failures_before:
                try:
                    self._sink.open()
                except Exception as error:
                    self._open_error = error
                    self._open_failures += 1
                else:
                    self._opened = True
                    return True
            flight.attempts += 1
            flight.attempted_at_ns = self._clock.time_ns()
            self._failed(flight, self._open_error)
            return False

    def _failed(self, flight: Flight, error: Exception) -> None:
        """Sort a failure: which state the sink is in now, and when these rows are tried again."""
        settings, batch = self._settings, flight.lease.batch
        flight.failures += 1
        self.last_error = str(error) or type(error).__name__
        wished: float | None = None
        if isinstance(error, RetryableError):
            flight.ambiguous |= error.ambiguous
            wished = error.retry_after_seconds
        elif not isinstance(error, AuthenticationError | ConfigurationError):
            flight.ambiguous = True
            if (repeats := self._faults.allow("defect")) is not None:
                self._log.error("sink raised an unexpected error: sink=%s%s", self._sink_id, repeats, exc_info=error)

        state, probe_in = SinkState.OPEN, settings.probe_interval_seconds
        if isinstance(error, AuthenticationError):
            state = SinkState.LOCKED_OUT
        elif isinstance(error, ConfigurationError):
            state, probe_in = SinkState.MISCONFIGURED, settings.throttled_interval_seconds
        elif isinstance(error, RetryableError) and error.throttle:
            state, probe_in = SinkState.THROTTLED, settings.throttled_interval_seconds
        elif not settings.backoff.exhausted(flight.failures) and self._gate.retrying(self.last_error):
            delay = settings.backoff.delay_seconds(flight.failures, self._randomness) if wished is None else wished
            flight.retry_at = self._clock.monotonic() + delay
            self._events.batch_failed(self._sink_id, batch, error, flight.attempts, delay)
            return
        flight.failures = 0
        self._gate.down(flight, state, self.last_error, max(probe_in, wished or 0.0))
        retry_in = None if self.diverts else self._gate.next_probe_seconds()
        self._events.batch_failed(self._sink_id, batch, error, flight.attempts, retry_in)

    def _settle(self, flight: Flight, outcome: WriteOutcome, elapsed_seconds: float) -> None:
        """After a write returned: count, make rejected rows durable, settle. The sink has no more part in it."""
        if not self._land(flight):
            return
        batch = flight.lease.batch
        self._ledger.move(self._sink_id, Account.PENDING, Account.DELIVERED, outcome.inserted)
        self._ledger.move(self._sink_id, Account.PENDING, Account.DUPLICATES, outcome.duplicates)
        if outcome.rejected:
            self._keep_rejected(flight, outcome)
        self._buffer.settle(flight.lease)
        self._events.batch_delivered(self._sink_id, batch, outcome, flight.attempts, elapsed_seconds, replay=False)

    def _keep_rejected(self, flight: Flight, outcome: WriteOutcome) -> None:
        """Return once the rejected rows are durable in the fallback, or counted as dropped."""
        rejected = flight.lease.batch.select([rejection.row for rejection in outcome.rejected])
        if not self._diverter.available:
            self._diverter.drop(rejected, DropReason.REJECTED)
            return
        details = tuple(
            message if message.startswith(code) else f"{code}: {message}" for _, code, message in outcome.rejected
        )
        failures = 0
        while not self._diverter.store(rejected, DivertReason.REJECTED, flight.attempted_at_ns, details):
            failures += 1
            if not self._gate.sleep(self._settings.backoff.delay_seconds(failures, self._randomness)):
                self._diverter.drop(rejected, DropReason.FALLBACK_FAILED)
                return
        self._ledger.move(self._sink_id, Account.PENDING, Account.REJECTED, len(rejected))

    def _give_up(self, flight: Flight) -> bool:
        """Hand the rows to the fallback; False when that failed: primary and fallback are then tried in turn."""
        reason = DivertReason.SINK_DOWN
        if flight.ambiguous:
            reason = DivertReason.AMBIGUOUS_COMMIT
        elif flight.attempts:
            reason = DivertReason.RETRIES_EXHAUSTED
        batch = flight.lease.batch
        if not self._diverter.store(batch, reason, flight.attempted_at_ns or self._clock.time_ns(), None):
            flight.divert_at = self._clock.monotonic() + self._settings.probe_interval_seconds
            return False
        if self._land(flight):
            self._diverter.count_diverted(batch, reason)
            self._buffer.settle(flight.lease)
        return True

    def _land(self, flight: Flight) -> bool:
        with self._gate.changed:
            return _locked_land(flight)


def _locked_land(flight: Flight) -> bool:
    """Take the right to settle or release the lease; True for exactly one caller."""
    landed, flight.landed = flight.landed, True
    return not landed


def _check_outcome(outcome: WriteOutcome, count: int) -> None:
    rows = [rejection.row for rejection in outcome.rejected]
    in_order = rows == sorted(set(rows)) and all(0 <= row < count for row in rows)
    if outcome.total != count or not in_order or outcome.inserted < 0 or outcome.duplicates < 0:
        raise InvalidOutcome(
            f"the outcome does not account for each of {count} rows once: {outcome.inserted} inserted, "
            f"{outcome.duplicates} duplicates, rejected rows {rows}"
        )
