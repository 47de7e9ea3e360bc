"""Fallback: takes the records that the sink does not take."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from agent_core.api import AgentError, Batch, Diversion, FallbackSink, Rejection, Sink
from agent_core.runtime.delivery.shared_sink import check_outcome
from agent_core.runtime.delivery.sink_gate import repr_of


class FallbackFailed(Exception):
    """The fallback could not make the records durable; its cause says why."""


class Fallback:
    """Makes records durable in a fallback sink, which it opens when needed. Thread-safe; one write at a time.

    Any sink will do; one that is a FallbackSink also learns why it gets the records.
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

    def divert(self, batch: Batch, diversion: Diversion) -> Sequence[Rejection]:
        """Return once every record is durable, except those it rejects for their content: no retry helps them.

        Returns these. Raises FallbackFailed; then none of the records counts as diverted.
        """
        with self._lock:
            try:
                self._open()
                if isinstance(self.sink, FallbackSink):
                    self.sink.divert(batch, diversion)
                    return ()
                outcome = self.sink.write(batch)
                check_outcome(outcome, len(batch))
            except BaseException as error:
                known = isinstance(error, (AgentError, OSError))
                raise FallbackFailed(str(error) if known else repr_of(error)) from error
            return outcome.rejected

    def close(self) -> None:
        """Close the sink; safe twice."""
        with self._lock:
            self._opened = False
            self.sink.close()

    def _open(self) -> None:
        if not self._opened:
            self.sink.open()
            self._opened = True
