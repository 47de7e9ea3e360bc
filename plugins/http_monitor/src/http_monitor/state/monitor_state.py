"""MonitorState: what the extension knows of the running agent, brought up to date once a second."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from agent_core.api import AgentError, AgentStatus, AgentView, ComponentContext, GroupStatus, Severity
from http_monitor.state.alerts.alert import Alert
from http_monitor.state.alerts.board import AlertBoard
from http_monitor.state.device_events import DeviceEvents
from http_monitor.state.journal import Journal
from http_monitor.state.requested_replays import RequestedReplays
from http_monitor.state.storage import Storage
from http_monitor.state.tag_table import TagTable
from http_monitor.state.timeline import Rates, Timeline
from http_monitor.state.write_stats import WriteSnapshot, WriteStats

SAMPLE_TICKS: Final = 3
"""A point of a tag's history each third second: 60 points are three minutes."""


class Phase(StrEnum):
    """Where the agent is in its life."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class Health(StrEnum):
    """``failing``: a critical alert stands, or the agent does not run. ``degraded``: a warning stands."""

    OK = "ok"
    DEGRADED = "degraded"
    FAILING = "failing"


class NotRunning(AgentError):
    """The agent has not started yet."""


@dataclass(frozen=True, slots=True)
class Now:
    """The agent at the moment of asking: the alerts are those of this very status. Rates are those of the last tick."""

    time_ns: int
    status: AgentStatus
    groups: Sequence[GroupStatus]
    rates: Rates
    alerts: Sequence[Alert]

    @property
    def health(self) -> Health:
        """Judged by the alerts."""
        if any(alert.severity is Severity.CRITICAL for alert in self.alerts):
            return Health.FAILING
        return Health.DEGRADED if self.alerts else Health.OK


class MonitorState:
    """Thread-safe, but ``tick`` is called from one thread only."""

    def __init__(self, context: ComponentContext) -> None:
        self.name = context.agent_name
        self.clock = context.clock
        self.redact = context.redact
        self.tags = TagTable()
        self.writes = WriteStats(context.clock)
        self.journal = Journal(context.clock)
        self.timeline = Timeline()
        self.storage = Storage(context.state_dir, context.log)
        self.replays = RequestedReplays(self.journal)
        self.phase = Phase.STARTING
        self.ticks = 0
        self.files_changed = False
        """True when the last tick found that files of a fallback came or went: then ``look`` has something to see."""
        self._board = AlertBoard()
        self._devices = DeviceEvents(self.journal)
        self._rates = Rates.of(())
        self._agent: AgentView | None = None
        self._files: Sequence[tuple[int, str | None]] = ()
        self._ticking = threading.Lock()
        self._looking = threading.Lock()
        """Held for a whole look: the slower of two would put back what it had seen, and note an end once more."""
        self._judging = threading.Lock()
        """Held from the status to its alerts: a counter that seemed to fall would seem to grow again."""

    def started(self, agent: AgentView) -> None:
        """The agent runs; called in the main thread."""
        self._agent = agent
        self.phase = Phase.RUNNING

    def stopping(self) -> None:
        """The agent begins to stop; called in the main thread."""
        self.phase = Phase.STOPPING

    @property
    def agent(self) -> AgentView:
        """The running agent. Raises NotRunning before it has started."""
        if self._agent is None:
            raise NotRunning("the agent is still starting")
        return self._agent

    @property
    def running(self) -> bool:
        """True once the agent has started, also while it stops."""
        return self._agent is not None

    def now(self) -> Now:
        """The agent at this moment. Raises NotRunning."""
        agent = self.agent
        with self._judging:
            status, groups = agent.status(), agent.polling.groups()
            alerts = self._board.judge(
                status, groups, self.storage.snapshot, self.clock.monotonic(), stopping=self.phase is Phase.STOPPING
            )
        return Now(self.clock.time_ns(), status, groups, self._rates, alerts)

    def snapshot_of_writes(self, sink_id: str) -> WriteSnapshot:
        """How the writes of one sink go."""
        return self.writes.snapshot(sink_id)

    def look(self) -> None:
        """Examine the disk, and note the outcome of requested replays. Blocks; raises NotRunning."""
        with self._looking:
            self.storage.look(self.agent)
            self.replays.settle(self.agent, self.storage.snapshot)

    def tick(self) -> None:
        """Bring everything up to date; once a second. Without effect before the start."""
        if self._agent is None:
            return
        with self._ticking:
            now = self.now()
            status = now.status
            self._devices.follow(status.sources, now.groups, self.clock.monotonic())
            writes = {sink.sink_id: self.writes.snapshot(sink.sink_id) for sink in status.sinks}
            self.tags.fold()
            if self.ticks % SAMPLE_TICKS == 0:
                self.tags.sample()
            self.timeline.add(self.clock.monotonic(), self.clock.time_ns() / 1e9, status, writes)
            self._rates = Rates.of(self.timeline.recent())
            files = [(sink.replay.backlog_files, sink.replay.current_file) for sink in status.sinks if sink.replay]
            self.files_changed = files != self._files or bool(self.replays.over(self.agent))
            self._files = files
            self.ticks += 1
