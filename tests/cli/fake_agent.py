"""FakeAgent: does what ``tagferry run`` needs of an Agent, as a test tells it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence

from agent_core.api import (
    AgentStatus,
    BufferStats,
    LedgerSnapshot,
    SinkState,
    SinkStatus,
    SourceStatus,
)


def sink_status(
    sink_id: str = "warehouse",
    state: SinkState = SinkState.UP,
    last_error: str | None = None,
    next_probe_seconds: float | None = None,
    ledger: LedgerSnapshot | None = None,
) -> SinkStatus:
    ledger = ledger or LedgerSnapshot()
    return SinkStatus(
        sink_id=sink_id,
        type="csv_sink",
        state=state,
        ledger=ledger,
        buffer=BufferStats(1000, ledger.pending, 0),
        last_error=last_error,
        last_delivery_ns=None,
        next_probe_seconds=next_probe_seconds,
    )


def agent_status(collected: int, uptime_seconds: float, sinks: Sequence[SinkStatus] = ()) -> AgentStatus:
    source = SourceStatus("line1", "polling_source", collected, None)
    return AgentStatus("line-1", uptime_seconds, (source,), tuple(sinks) or (sink_status(),))


class FakeAgent:
    """Runs until stopped; ``shutdown`` waits for ``may_end`` and then returns ``clean``."""

    def __init__(
        self,
        *,
        clean: bool = True,
        start_error: Exception | None = None,
        status: Callable[[], AgentStatus] = lambda: agent_status(0, 0.0),
    ) -> None:
        self._stops: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._clean = clean
        self._start_error = start_error
        self._status = status
        self.calls: list[str] = []
        self.may_end = threading.Event()
        self.may_end.set()
        self.stopping = threading.Event()

    def start(self) -> None:
        self.calls.append("start")
        if self._start_error is not None:
            raise self._start_error

    def wait(self, timeout_seconds: float) -> bool:
        try:
            self.calls.append(f"stop {self._stops.get(timeout=timeout_seconds)}")
        except queue.Empty:
            return False
        return True

    def request_stop(self, reason: str) -> None:
        self._stops.put(reason)

    @property
    def stop_problems(self) -> list[str]:
        return [] if self._clean else ["sink warehouse: did not end in time"]

    def shutdown(self) -> bool:
        self.calls.append("shutdown")
        self.stopping.set()
        ends_at = time.monotonic() + 60
        # A signal that comes just before a wait is handled only after it.
        while not self.may_end.wait(0.02) and time.monotonic() < ends_at:
            pass
        return self._clean

    def status(self) -> AgentStatus:
        return self._status()
