"""Fallback: the second place of rows that the primary sink does not take."""

from __future__ import annotations

import threading

from agent_core.api import Batch, Diversion, FallbackSink, Sink


class FallbackFailed(Exception):
    """The fallback could not make the rows durable; its cause says why."""


class Fallback:
    """Makes rows durable in a fallback sink, opening it when needed; thread-safe, one write at a time.

    Any sink will do; one that is a FallbackSink also learns why it gets the rows.
    """

    def __init__(self, fallback_id: str, sink: Sink) -> None:
        self.fallback_id = fallback_id
        self.sink = sink
        self._lock = threading.Lock()
        self._opened = False

    def open(self) -> None:
        """Open the sink if it is not open."""
        with self._lock:
            self._open()

    def divert(self, batch: Batch, diversion: Diversion) -> None:
        """Return once every row is durable. Raises FallbackFailed, and then none of them is counted as diverted."""
        with self._lock:
            try:
                self._open()
                if isinstance(self.sink, FallbackSink):
                    self.sink.divert(batch, diversion)
                    return
                outcome = self.sink.write(batch)
            except Exception as error:
                raise FallbackFailed(f"{type(error).__name__}: {error}") from error
            if outcome.rejected:
                first = outcome.rejected[0]
                raise FallbackFailed(f"{len(outcome.rejected)} rows rejected, first: {first.code} {first.message}")

    def close(self) -> None:
        """Close the sink; safe twice."""
        with self._lock:
            self._opened = False
            self.sink.close()

    def _open(self) -> None:
        if not self._opened:
            self.sink.open()
            self._opened = True
