"""RejectedRows: where a replay puts rows that the sink refuses for their content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from agent_core.api import Batch, Diversion, DivertReason, Replayable, WriteOutcome
from agent_core.runtime.delivery.fallback import Fallback, FallbackFailed


class RejectedRows:
    """Keeps them in the first of ``fallbacks`` that can be opened, so that none is lost and none comes back by itself.

    The first is the sink's own; a running agent may hold it. Without any fallback the rows stay in the file they were
    read from, and are only counted. Used from one thread.
    """

    def __init__(self, fallbacks: Sequence[Fallback]) -> None:
        self.codes: Counter[str] = Counter()
        self._fallbacks = fallbacks
        self._chosen: Fallback | None = None
        self._known: frozenset[str] = frozenset()

    def keep(self, batch: Batch, outcome: WriteOutcome, attempted_at_ns: int) -> None:
        """Return once the rejected rows of ``batch`` are durable. Raises FallbackFailed."""
        if not outcome.rejected:
            return
        self.codes.update(rejection.code for rejection in outcome.rejected)
        if not self._fallbacks:
            return
        rows = batch.select([rejection.position for rejection in outcome.rejected])
        diversion = Diversion(DivertReason.REJECTED, attempted_at_ns, outcome.rejection_details())
        if refused := self._open().divert(rows, diversion):
            raise FallbackFailed(f"{len(refused)} rows refused, first: {refused[0].code}: {refused[0].message}")

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
        raise FallbackFailed(str(failure)) from failure


def _rejected(fallback: Fallback) -> frozenset[str]:
    if not isinstance(fallback.sink, Replayable):
        return frozenset()
    return frozenset(str(file.path or file.name) for file in fallback.sink.backlog() if file.rejected)
