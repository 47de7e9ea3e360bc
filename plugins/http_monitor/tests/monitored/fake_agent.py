"""FakeAgent: an AgentView whose every number a test sets."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from agent_core.api import (
    AgentStatus,
    BacklogFile,
    BufferStats,
    GroupMode,
    GroupState,
    GroupStatus,
    LedgerSnapshot,
    ReplayRefused,
    ReplayStatus,
    SinkState,
    SinkStatus,
    SourceStatus,
    TriggerResult,
    UnknownBackupError,
    UnknownGroupError,
    UnknownSinkError,
)
from agent_core.testing.clock import START_NS


def sink_status(sink_id: str = "warehouse", state: SinkState = SinkState.UP, pending: int = 100) -> SinkStatus:
    """A sink that has done its work: of 1,000 rows 100 wait, unless said otherwise."""
    return SinkStatus(
        sink_id=sink_id,
        type="oracle_sink",
        state=state,
        ledger=LedgerSnapshot(collected=1000, delivered=1000 - pending, pending=pending),
        buffer=BufferStats(capacity_records=10_000, ready_records=pending, leased_records=0, oldest_age_seconds=0.5),
        last_error=None if state is SinkState.UP else "ORA-12541: no listener",
        last_delivery_ns=START_NS,
        next_probe_seconds=None if state is SinkState.UP else 12.5,
        inputs=("line1",),
        replay=ReplayStatus(),
    )


def group_status(
    group_id: str, mode: GroupMode = GroupMode.FIXED, state: GroupState = GroupState.RUNNING
) -> GroupStatus:
    """A group that polls well."""
    return GroupStatus(
        source_id="line1",
        group_id=group_id,
        device_id="PLC01",
        mode=mode,
        state=state,
        interval_seconds=1.0 if mode is GroupMode.FIXED else None,
        tags=350,
        polls=10,
        failed=0,
        missed=0,
        merged=0,
        suppressed=0,
        stale=False,
        last_poll_ns=START_NS,
        last_duration_seconds=0.02,
        last_error=None,
    )


class FakePolling:
    """A PollingControl that remembers what it was asked. ``stops_in_time`` is what a stop answers."""

    def __init__(self) -> None:
        self.statuses = [group_status("PROCESS"), group_status("ORDER_START", GroupMode.HANDSHAKE)]
        self.calls: list[tuple[str, ...]] = []
        self.stops_in_time = True
        self.trigger_result = TriggerResult(True, 350, 0.05)
        self.changed = threading.Condition()

    def groups(self) -> Sequence[GroupStatus]:
        return tuple(self.statuses)

    def start_group(self, group_id: str) -> None:
        self._set(group_id, GroupState.RUNNING)
        self._note("start", group_id)

    def stop_group(self, group_id: str, timeout_seconds: float = 5.0) -> bool:
        self._set(group_id, GroupState.STOPPED)
        self._note("stop", group_id)
        return self.stops_in_time

    def trigger_group(self, group_id: str, timeout_seconds: float = 10.0) -> TriggerResult:
        self._index(group_id)
        self._note("trigger", group_id)
        return self.trigger_result

    def start_all(self) -> None:
        for status in self.statuses:
            self._set(status.group_id, GroupState.RUNNING)
        self._note("start_all")

    def stop_all(self, timeout_seconds: float = 5.0) -> bool:
        for status in self.statuses:
            self._set(status.group_id, GroupState.STOPPED)
        self._note("stop_all")
        return self.stops_in_time

    def _set(self, group_id: str, state: GroupState) -> None:
        index = self._index(group_id)
        self.statuses[index] = replace(self.statuses[index], state=state)

    def _index(self, group_id: str) -> int:
        for index, status in enumerate(self.statuses):
            if status.group_id == group_id:
                return index
        raise UnknownGroupError(f"no polling group is called {group_id!r}")

    def _note(self, *call: str) -> None:
        with self.changed:
            self.calls.append(call)
            self.changed.notify_all()


@dataclass
class FakeAgent:
    """An AgentView. Replace ``sinks``, ``sources`` or ``files`` to let something happen.

    ``refusal`` is why it refuses a replay; without one it notes what was asked for in ``replayed``.
    """

    name: str = "line-1"
    uptime_seconds: float = 60.0
    polling: FakePolling = field(default_factory=FakePolling)
    sinks: list[SinkStatus] = field(default_factory=lambda: [sink_status()])
    sources: list[SourceStatus] = field(
        default_factory=lambda: [SourceStatus("line1", "polling_source", 1000, START_NS)]
    )
    files: dict[str, list[BacklogFile]] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    tried: list[str] = field(default_factory=list)
    deleted: list[tuple[str, str]] = field(default_factory=list)
    refusal: str | None = None
    replayed: list[tuple[str, str]] = field(default_factory=list)
    observer_failures: int = 0
    slow_observer_calls: int = 0

    def status(self) -> AgentStatus:
        return AgentStatus(
            self.name,
            self.uptime_seconds,
            tuple(self.sources),
            tuple(self.sinks),
            self.observer_failures,
            self.slow_observer_calls,
        )

    def backlog(self, sink_id: str) -> Sequence[BacklogFile]:
        self._check(sink_id)
        return tuple(self.files.get(sink_id, ()))

    def replay_backup(self, sink_id: str, file: str) -> None:
        if file not in [waiting.name for waiting in self.backlog(sink_id)]:
            raise UnknownBackupError(f"no file called {file!r} waits in the fallback of {sink_id}")
        if self.refusal is not None:
            raise ReplayRefused(self.refusal)
        self.replayed.append((sink_id, file))

    def pause_sink(self, sink_id: str) -> None:
        self._check(sink_id)
        self.paused.add(sink_id)

    def resume_sink(self, sink_id: str) -> None:
        self._check(sink_id)
        self.paused.discard(sink_id)

    def delete_rejected(self, sink_id: str, file: str) -> int:
        found = next((waiting for waiting in self.backlog(sink_id) if waiting.name == file), None)
        if found is None:
            raise UnknownBackupError(f"no file called {file!r} waits in the fallback of {sink_id}")
        if not found.rejected:
            raise ReplayRefused(f"{file} holds good records: they are written back, not deleted")
        self.files[sink_id].remove(found)
        self.deleted.append((sink_id, file))
        return found.records or 0

    def try_sink(self, sink_id: str) -> bool:
        self._check(sink_id)
        self.tried.append(sink_id)
        sink = next(sink for sink in self.sinks if sink.sink_id == sink_id)
        return sink.next_probe_seconds is not None

    def _check(self, sink_id: str) -> None:
        if sink_id not in [sink.sink_id for sink in self.sinks]:
            raise UnknownSinkError(f"no sink is called {sink_id!r}")
