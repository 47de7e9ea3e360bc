"""RejectedRecords: where a replay stores records that the sink rejects for their content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agent_core.api import Replayable
from agent_core.runtime.delivery.diverter import Diverter
from agent_core.runtime.delivery.fallback import Fallback, FallbackFailed
from agent_core.runtime.delivery.flight import Flight
from agent_core.runtime.delivery.sink_context import SinkContext


class RejectedRecords:
    """Stores them in the first of ``fallbacks`` that can be opened: none is lost, and none is replayed automatically.

    The first is the sink's own, which a running agent may hold. Without any, the records stay in the file they were
    read from and are only counted, by code. Used from one thread.
    """

    def __init__(self, context: SinkContext, fallbacks: Sequence[Fallback]) -> None:
        self.codes: Counter[str] = Counter()
        self._context = context
        self._fallbacks = fallbacks
        self._chosen: Fallback | None = None
        self._known: frozenset[str] = frozenset()

    def store(self, flight: Flight) -> None:
        """Return once the rejected records of the flight are durable. Raises FallbackFailed."""
        if flight.outcome.rejected and self._fallbacks:
            diverter = Diverter(self._context, self._open())
            if diverter.store_rejected(flight) is None:
                raise FallbackFailed("the fallback did not take the records that the sink rejected; the log says why")
        self.codes.update(rejection.code for rejection in flight.outcome.rejected)

    def files(self) -> tuple[str, ...]:
        """The files that hold them, once the fallback is closed; none when it has no files."""
        return tuple(sorted(_rejected(self._chosen) - self._known)) if self._chosen is not None else ()

    def _open(self) -> Fallback:
        if self._chosen is not None:
            return self._chosen
        failure: Exception | None = None
        for fallback in self._fallbacks:
            try:
                fallback.open()
            except Exception as error:
                failure = failure or error
                continue
            self._chosen, self._known = fallback, _rejected(fallback)
            return fallback
        raise FallbackFailed(f"no place for the records that the sink rejected: {failure}") from failure


def _rejected(fallback: Fallback) -> frozenset[str]:
    if not isinstance(fallback.sink, Replayable):
        return frozenset()
    return frozenset(str(file.path or file.name) for file in fallback.sink.backlog() if file.rejected)
