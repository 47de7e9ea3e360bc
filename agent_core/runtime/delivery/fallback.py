"""Fallback: takes the records that the sink does not take."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from agent_core.api import Batch, Diversion, FallbackSink, Rejection, Sink
from agent_core.runtime.delivery.shared_sink import check_outcome, check_rejected
from agent_core.runtime.error_words import message_of


class FallbackFailed(Exception):
    """The fallback could not make the records durable; its cause says why."""


class Fallback:
    """Makes records durable in a fallback sink, which it opens when needed. Thread-safe.

    Any sink will do; one that is a FallbackSink also learns why it gets the records. Several threads may be inside it
    at a time, as with any sink, so that it can store what they bring together.

    ``failure`` says why the last call failed; None once one has returned. ``used`` is called after each batch,
    stored or not, in the thread that brought it.
    """

    def __init__(self, fallback_id: str, sink: Sink) -> None:
        self.fallback_id = fallback_id
        self.sink = sink
        self.failure: BaseException | None = None
        self.used: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        self._opened = False

    def open(self) -> None:
        """Open the sink if it is not open."""
        if not self._opened:
            with self._lock:
                self._locked_open()

    def divert(self, batch: Batch, diversion: Diversion) -> Sequence[Rejection]:
        """Return once every record is durable, except those it rejects for their content: no retry helps them.

        Returns these. Raises FallbackFailed; then none of the records counts as diverted.
        """
        try:
            self.open()
            if isinstance(self.sink, FallbackSink):
                refused = tuple(self.sink.divert(batch, diversion) or ())
                check_rejected(refused, len(batch))
            else:
                outcome = self.sink.write(batch)
                check_outcome(outcome, len(batch))
                refused = outcome.rejected
        except BaseException as error:
            self.failure = error
            raise FallbackFailed(message_of(error)) from error
        finally:
            self.used()
        self.failure = None
        return refused

    def close(self) -> None:
        """Close the sink; safe twice."""
        with self._lock:
            self._opened = False
            self.sink.close()

    def _locked_open(self) -> None:
        if self._opened:
            return
        try:
            self.sink.open()
        except BaseException as error:
            self.failure = error
            raise
        self.failure = None
        self._opened = True
