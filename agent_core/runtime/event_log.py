"""EventLog: the observer that writes events to the log."""

from __future__ import annotations

import logging

from agent_core.api import Batch, Clock, DivertReason, DropReason, RateLimit, SinkState, hookimpl

FLAP_SECONDS = 10.0


class EventLog:
    """Logs what an operator must see; never one line per batch.

    A sink that fails at each first attempt goes from up to retrying and back with each batch: that is told once in
    ten seconds, with its count. Every other change of state is a line of its own.
    """

    def __init__(self, clock: Clock, logger: logging.Logger) -> None:
        self._log = logger
        self._limit = RateLimit(clock)
        self._flaps = RateLimit(clock, FLAP_SECONDS)
        self._untold: set[str] = set()
        """Sinks of which the log does not say that they are retrying, so it need not say that they are up again."""

    @hookimpl
    def agent_sink_state_changed(
        self, sink_id: str, old: SinkState, new: SinkState, reason: str, next_probe_seconds: float | None
    ) -> None:
        if new is SinkState.RETRYING:
            if (repeats := self._flaps.allow(sink_id)) is None:
                self._untold.add(sink_id)
                return
            self._untold.discard(sink_id)
            self._log.warning(
                "sink state changed: sink=%s old=%s new=%s reason=%s%s", sink_id, old, new, reason, repeats
            )
        elif old is SinkState.RETRYING and new is SinkState.UP and sink_id in self._untold:
            return
        elif new in (SinkState.UP, SinkState.PAUSED):
            self._log.info("sink state changed: sink=%s old=%s new=%s reason=%s", sink_id, old, new, reason)
        elif next_probe_seconds is None:
            self._log.warning("sink state changed: sink=%s old=%s new=%s reason=%s", sink_id, old, new, reason)
        else:
            self._log.warning(
                "sink state changed: sink=%s old=%s new=%s reason=%s next_probe=%.0fs",
                sink_id,
                old,
                new,
                reason,
                next_probe_seconds,
            )

    @hookimpl
    def agent_batch_failed(
        self, sink_id: str, batch: Batch, error: BaseException, attempt: int, retry_in_seconds: float | None
    ) -> None:
        if (repeats := self._limit.allow(f"failed {sink_id}")) is not None:
            if retry_in_seconds is None:
                self._log.warning(
                    "write failed: sink=%s rows=%d attempt=%d error=%s%s; the rows leave for the fallback",
                    sink_id,
                    len(batch),
                    attempt,
                    error,
                    repeats,
                )
            else:
                self._log.warning(
                    "write failed: sink=%s rows=%d attempt=%d error=%s retry_in=%.1fs%s",
                    sink_id,
                    len(batch),
                    attempt,
                    error,
                    retry_in_seconds,
                    repeats,
                )

    @hookimpl
    def agent_batch_diverted(self, sink_id: str, fallback_id: str, batch: Batch, reason: DivertReason) -> None:
        if (repeats := self._limit.allow(f"diverted {sink_id} {reason}")) is not None:
            self._log.warning(
                "rows diverted: sink=%s fallback=%s rows=%d reason=%s%s",
                sink_id,
                fallback_id,
                len(batch),
                reason,
                repeats,
            )

    @hookimpl
    def agent_records_dropped(self, component_id: str, count: int, reason: DropReason) -> None:
        if (repeats := self._limit.allow(f"dropped {component_id} {reason}")) is not None:
            self._log.error("rows dropped: component=%s rows=%d reason=%s%s", component_id, count, reason, repeats)
