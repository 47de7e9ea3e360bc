"""Primary: the sink itself, opened once for all its workers, with an outcome that is checked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from agent_core.api import Batch, Clock, Sink, SinkError, WriteOutcome
from agent_core.runtime.delivery.sink_gate import SinkGate


@dataclass(frozen=True, slots=True)
class Written:
    """A write that returned."""

    outcome: WriteOutcome
    elapsed_seconds: float


Failed = Callable[[Exception], None]
"""Told of a failed attempt, before any other worker makes one: it closes the gate or sets a time for the retry."""


class InvalidOutcome(Exception):
    """A sink's outcome does not account for every row: a defect in the sink."""


class Primary:
    """Thread-safe. The sink opens in the first write: a database may be away when the agent starts."""

    def __init__(self, sink: Sink, gate: SinkGate, clock: Clock) -> None:
        self._sink = sink
        self._gate = gate
        self._clock = clock
        self._lock = threading.Lock()
        self._opened = False
        self._failures = 0
        self._failure: Exception | None = None
        self._last_error: Exception | None = None

    def step_after(self, failure: str | None) -> str | None:
        """What the sink says to do about its last error, if that is ``failure``."""
        error = self._last_error
        return error.next_step if isinstance(error, SinkError) and str(error) == failure else None

    @property
    def idempotent(self) -> bool | None:
        """The sink's word; None before it was opened."""
        return self._sink.idempotent if self._opened else None

    def open(self, worker: object, failed: Failed) -> bool:
        """Open the sink unless it is open; False when it is not.

        Workers that waited for another's attempt share its failure: five workers with a wrong password make one log-in.
        """
        if self._opened:
            return True
        failures_before = self._failures
        with self._lock:
            return self._locked_open(worker, failed, failures_before)

    def attempt(self, worker: object, batch: Batch, failed: Failed) -> Written | None:
        """One attempt in the name of ``worker``. None when it failed: then ``failed`` has been called.

        It is not called when another worker's failure closed the gate before anything was tried.
        """
        if not self.open(worker, failed):
            return None
        try:
            started = self._clock.monotonic()
            outcome = self._sink.write(batch)
            elapsed = self._clock.monotonic() - started
            check_outcome(outcome, len(batch))
        except Exception as error:
            self._last_error = error
            failed(error)
            return None
        return Written(outcome, elapsed)

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
            except Exception as error:
                self._failure = self._last_error = error
                self._failures += 1
            else:
                self._opened = True
                return True
        failed(self._failure)
        return False


def check_outcome(outcome: WriteOutcome, count: int) -> None:
    """Raise InvalidOutcome unless ``outcome`` accounts for each of ``count`` rows once, with texts that can be kept."""
    rows = [rejection.row for rejection in outcome.rejected]
    texts = [text for _, *reason in outcome.rejected for text in reason]
    if not all(isinstance(text, str) for text in texts):
        raise InvalidOutcome(f"code and message of a rejected row must be texts: {texts}")
    in_order = rows == sorted(set(rows)) and all(0 <= row < count for row in rows)
    if outcome.total != count or not in_order or outcome.inserted < 0 or outcome.duplicates < 0:
        raise InvalidOutcome(
            f"the outcome does not account for each of {count} rows once: {outcome.inserted} inserted, "
            f"{outcome.duplicates} duplicates, rejected rows {rows}"
        )
