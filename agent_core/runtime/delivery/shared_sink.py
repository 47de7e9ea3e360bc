"""SharedSink: one sink for all its workers and the replay, opened once. It checks every outcome."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from agent_core.api import Advising, Clock, Finding, Rejection, Sink, WriteOutcome
from agent_core.runtime.delivery.flight import Flight
from agent_core.runtime.delivery.sink_gate import SinkGate

Failed = Callable[[BaseException], None]
"""Called after a failed attempt, before any other worker makes one: it closes the gate or sets a time to retry."""


class InvalidOutcome(Exception):
    """A sink's outcome does not account for every record: a defect in the sink."""


class SharedSink:
    """Thread-safe. The sink opens in the first write: a database may be away when the agent starts."""

    def __init__(self, sink: Sink, gate: SinkGate, clock: Clock) -> None:
        self._sink = sink
        self._advising = sink if isinstance(sink, Advising) else None
        self._gate = gate
        self._clock = clock
        self._lock = threading.Lock()
        self._opened = False
        self._failures = 0
        self._failure: BaseException | None = None

    @property
    def opened(self) -> bool:
        """True once ``open`` has returned."""
        return self._opened

    @property
    def idempotent(self) -> bool | None:
        """What the sink says; None before it was opened."""
        return self._sink.idempotent if self._opened else None

    def advice(self) -> Sequence[Finding]:
        """The sink's own advice while it runs; empty when it has none."""
        return () if self._advising is None else self._advising.advice()

    def open(self, worker: object, failed: Failed) -> bool:
        """Open the sink unless it is open; False when it is not.

        Workers that wait for another's attempt share its failure: five workers with a wrong password make one log-in.
        """
        if self._opened:
            return True
        failures_before = self._failures
        with self._lock:
            return self._locked_open(worker, failed, failures_before)

    def attempt(self, worker: object, flight: Flight, failed: Failed) -> bool:
        """Try to write the flight's batch in the name of ``worker``; True when the write returned.

        False when it failed: then ``failed`` has been called. It is not called, and no attempt is counted, when another
        worker's failure closed the gate before anything was tried.
        """

        def count_failure(error: BaseException) -> None:
            flight.attempts += 1
            failed(error)

        flight.attempted_at_ns = self._clock.time_ns()
        flight.calling_since = started = self._clock.monotonic()
        try:
            if not self._opened:
                if not self.open(worker, count_failure):
                    return False
                started = self._clock.monotonic()
            try:
                outcome = self._sink.write(flight.batch)
                flight.elapsed_seconds = self._clock.monotonic() - started
                check_outcome(outcome, len(flight.batch))
            except BaseException as error:
                count_failure(error)
                return False
        finally:
            flight.calling_since = None
        flight.attempts += 1
        flight.outcome = outcome
        return True

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    def _locked_open(self, worker: object, failed: Failed, failures_before: int) -> bool:
        if self._opened:
            return True
        if not self._gate.admits(worker):
            return False
        if self._failure is None or self._failures == failures_before:
            try:
                self._sink.open()
            except BaseException as error:
                self._failure = error
                self._failures += 1
            else:
                self._opened = True
                return True
        failed(self._failure)
        return False


def check_outcome(outcome: WriteOutcome, count: int) -> None:
    """Raise InvalidOutcome unless ``outcome`` accounts for each of ``count`` records once, with texts to keep."""
    check_rejected(outcome.rejected, count)
    counted = _is_whole(outcome.inserted) and _is_whole(outcome.duplicates)
    if not counted or outcome.total != count:
        raise InvalidOutcome(
            f"the outcome does not account for each of {count} records once: {outcome.inserted} inserted, "
            f"{outcome.duplicates} duplicates, {len(outcome.rejected)} rejected"
        )


def check_rejected(rejected: Sequence[Rejection], count: int) -> None:
    """Raise InvalidOutcome unless each names another one of ``count`` records, ascending, with texts to keep."""
    positions = [rejection.position for rejection in rejected]
    texts = [text for _, *reason in rejected for text in reason]
    if not all(isinstance(text, str) for text in texts):
        raise InvalidOutcome(f"code and message of a rejected record must be texts: {texts}")
    known = all(map(_is_whole, positions)) and all(position < count for position in positions)
    if not known or positions != sorted(set(positions)):
        raise InvalidOutcome(
            f"the outcome does not account for each of {count} records once: rejected records {positions}"
        )


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and number >= 0
