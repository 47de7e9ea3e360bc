"""RetryingWriter: writes the batches of ``tagferry replay``, with the retries that the YAML gives the sink."""

from __future__ import annotations

from agent_core.api import AuthenticationError, ConfigurationError, ReplayRefused, Sink
from agent_core.config.model import RetryConfig
from agent_core.runtime.delivery.flight import Flight
from agent_core.runtime.delivery.retry import Backoff, wished_seconds
from agent_core.runtime.delivery.shared_sink import SharedSink
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.delivery.sink_gate import SinkGate
from agent_core.runtime.error_words import text_of
from agent_core.runtime.replay.file_replay import NO_UNIQUE_KEY, ReplayInterrupted, ReplayStopped, Sleep, WriteFailed


class RetryingWriter:
    """The sink opens with the first batch, with the same retries."""

    def __init__(
        self, context: SinkContext, sink: Sink, retry: RetryConfig, sleep: Sleep, *, accept_duplicates: bool
    ) -> None:
        self._context = context
        self._sink = SharedSink(sink, SinkGate(context.clock, context.announce_state), context.clock)
        self._backoff = Backoff.of(retry)
        self._sleep = sleep
        self._accept_duplicates = accept_duplicates

    def write(self, flight: Flight) -> None:
        """Return once the flight has its outcome.

        Raises WriteFailed when the retries are used up; ReplayStopped when the sink cannot be opened, or at once when
        only a person can help; ReplayInterrupted when ``sleep`` says so; ReplayRefused when the sink is not idempotent.
        """
        failures: list[BaseException] = []
        while True:
            opened = self._sink.open(self, failures.append)
            if not opened:
                flight.attempts += 1
            elif not self._sink.idempotent and not self._accept_duplicates:
                raise ReplayRefused(
                    f"{self._context.sink_id} {NO_UNIQUE_KEY}; if that is acceptable, add --accept-duplicates"
                )
            elif self._sink.attempt(self, flight, failures.append):
                return
            self._wait_or_raise(flight, failures.pop(), opened=opened)

    def close(self) -> None:
        """Close the sink."""
        self._sink.close()

    def _wait_or_raise(self, flight: Flight, error: BaseException, *, opened: bool) -> None:
        if isinstance(error, KeyboardInterrupt):  # this is the main thread
            raise error
        sink_id, attempt, delay = self._context.sink_id, flight.attempts, None
        final = isinstance(error, (AuthenticationError, ConfigurationError))
        if not final and not self._backoff.exhausted(attempt):
            delay = max(self._backoff.delay_seconds(attempt, self._context.randomness), wished_seconds(error) or 0.0)
        self._context.announce_failure(flight, error, delay)
        text = text_of(error)
        if delay is None:
            tried = "" if final else f" after {attempt} attempt{'s' if attempt > 1 else ''}"
            failed = WriteFailed if opened and not isinstance(error, AuthenticationError) else ReplayStopped
            raise failed(f"{sink_id} failed{tried}: {text}") from error
        self._context.log.warning(
            "write failed", sink=sink_id, attempt=attempt, error=text, retry_in_seconds=delay, every="write"
        )
        if not self._sleep(delay):
            raise ReplayInterrupted("stopped while waiting for a retry")
