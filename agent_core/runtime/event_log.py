"""EventLog: the observer that writes events to the log."""

from __future__ import annotations

from agent_core.api import Batch, Clock, DivertReason, DropReason, Log, SinkState, hookimpl

FLAP_SECONDS = 10.0


class EventLog:
    """Logs what an operator must see; never one line per batch.

    A sink that fails at each first attempt goes from up to retrying and back with each batch: that is one line in ten
    seconds, with a count. Every other change of state is a line of its own.
    """

    def __init__(self, clock: Clock) -> None:
        self._log = Log("agent_core.agent", clock)
        self._flap_log = Log("agent_core.agent", clock, interval_seconds=FLAP_SECONDS)
        self._unlogged: set[str] = set()
        """Sinks of which the log does not say that they are retrying, so it need not say that they are up again."""

    @hookimpl
    def agent_sink_state_changed(
        self, sink_id: str, old: SinkState, new: SinkState, reason: str, next_probe_seconds: float | None
    ) -> None:
        if new is SinkState.RETRYING:
            if self._flap_log.warning(
                "sink state changed", sink=sink_id, old=old, new=new, reason=reason, every=sink_id
            ):
                self._unlogged.discard(sink_id)
            else:
                self._unlogged.add(sink_id)
        elif old is SinkState.RETRYING and new is SinkState.UP and sink_id in self._unlogged:
            return
        elif new in (SinkState.UP, SinkState.PAUSED):
            self._log.info("sink state changed", sink=sink_id, old=old, new=new, reason=reason)
        elif next_probe_seconds is None:
            self._log.warning("sink state changed", sink=sink_id, old=old, new=new, reason=reason)
        else:
            self._log.warning(
                "sink state changed",
                sink=sink_id,
                old=old,
                new=new,
                reason=reason,
                next_probe_seconds=round(next_probe_seconds),
            )

    @hookimpl
    def agent_batch_failed(
        self, sink_id: str, batch: Batch, error: BaseException, attempt: int, retry_in_seconds: float | None
    ) -> None:
        if retry_in_seconds is None:
            self._log.warning(
                "write failed",
                sink=sink_id,
                records=len(batch),
                attempt=attempt,
                error=error,
                every=sink_id,
            )
        else:
            self._log.warning(
                "write failed",
                sink=sink_id,
                records=len(batch),
                attempt=attempt,
                error=error,
                retry_in_seconds=round(retry_in_seconds, 1),
                every=sink_id,
            )

    @hookimpl
    def agent_batch_diverted(self, sink_id: str, fallback_id: str, batch: Batch, reason: DivertReason) -> None:
        self._log.warning(
            "records diverted",
            sink=sink_id,
            fallback=fallback_id,
            records=len(batch),
            reason=reason,
            every=f"{sink_id} {reason}",
        )

    @hookimpl
    def agent_records_dropped(self, component_id: str, count: int, reason: DropReason) -> None:
        self._log.error(
            "records dropped", component=component_id, records=count, reason=reason, every=f"{component_id} {reason}"
        )
