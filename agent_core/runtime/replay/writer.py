"""ReplayWriter: writes batch after batch into a sink, with the retries that the YAML gives it."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

from agent_core.api import (
    AgentError,
    AuthenticationError,
    Batch,
    Clock,
    ConfigurationError,
    RateLimit,
    ReplayRefused,
    RetryableError,
    Sink,
    SinkError,
    WriteOutcome,
)
from agent_core.registry.events import Events
from agent_core.runtime.delivery.retry import Backoff
from agent_core.runtime.delivery.shared_sink import check_outcome

Sleep = Callable[[float], bool]
"""Wait so many seconds; False when the replay is to stop."""


class ReplayStopped(AgentError):
    """The sink, or the place for rejected rows, cannot go on; what was written is written."""


class ReplayInterrupted(AgentError):
    """Somebody asked the replay to stop."""


@dataclass(frozen=True, slots=True)
class Write:
    """A write that returned. ``attempted_at_ns`` is when its last attempt began, UTC ns."""

    outcome: WriteOutcome
    attempted_at_ns: int


class ReplayWriter:
    """Opens the sink at the first batch. Used from one thread."""

    def __init__(
        self,
        sink_id: str,
        sink: Sink,
        backoff: Backoff,
        accept_duplicates: bool,
        events: Events,
        clock: Clock,
        sleep: Sleep,
        logger: logging.Logger,
    ) -> None:
        self._sink_id = sink_id
        self._sink = sink
        self._backoff = backoff
        self._accept_duplicates = accept_duplicates
        self._events = events
        self._clock = clock
        self._sleep = sleep
        self._log = logger
        self._faults = RateLimit(clock)
        self._randomness = random.Random()  # noqa: S311 - jitter, not secrecy
        self._opened = False

    def write(self, batch: Batch, file: str) -> Write:
        """Return once every row has its outcome.

        Raises ReplayStopped when the retries are used up, or at once when only a person can help; ReplayInterrupted
        when ``sleep`` says so; ReplayRefused when the sink cannot tell rows that it has.
        """
        attempt = 0
        while True:
            attempt += 1
            began, attempted_at_ns = self._clock.monotonic(), self._clock.time_ns()
            try:
                self._open()
                outcome = self._sink.write(batch)
                check_outcome(outcome, len(batch))
            except ReplayRefused:
                raise
            except Exception as error:
                self._retry_or_stop(batch, error, attempt)
                continue
            elapsed = self._clock.monotonic() - began
            self._events.batch_delivered(self._sink_id, batch, outcome, attempt, elapsed, replayed_file=file)
            return Write(outcome, attempted_at_ns)

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    def _open(self) -> None:
        if self._opened:
            return
        self._sink.open()
        self._opened = True
        if not self._sink.idempotent and not self._accept_duplicates:
            raise ReplayRefused(
                f"{self._sink_id} cannot recognise rows that it has, so rows that are there already would be there "
                "twice; if that is acceptable, add --accept-duplicates"
            )

    def _retry_or_stop(self, batch: Batch, error: Exception, attempt: int) -> None:
        final = isinstance(error, (AuthenticationError, ConfigurationError))
        delay: float | None = None
        if not final and not self._backoff.exhausted(attempt):
            wished = error.retry_after_seconds if isinstance(error, RetryableError) else None
            delay = max(self._backoff.delay_seconds(attempt, self._randomness), wished or 0.0)
        self._events.batch_failed(self._sink_id, batch, error, attempt, delay)
        defect = None if isinstance(error, SinkError) else error
        text = str(error) or type(error).__name__
        if delay is None:
            if defect is not None:
                self._log.error(
                    "write failed for good: sink=%s attempt=%d error=%s", self._sink_id, attempt, text, exc_info=defect
                )
            tried = "" if final else f" after {attempt} attempt{'s' if attempt > 1 else ''}"
            raise ReplayStopped(f"{self._sink_id} failed{tried}: {text}") from error
        if (repeats := self._faults.allow("write")) is not None:
            self._log.warning(
                "write failed: sink=%s attempt=%d error=%s retry_in=%.1fs%s",
                self._sink_id,
                attempt,
                text,
                delay,
                repeats,
            )
        if not self._sleep(delay):
            raise ReplayInterrupted("stopped while waiting for a retry")
