"""Monitored: the monitor of a fake agent, asked directly; Served: the same behind a real server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from http_monitor.extension import HttpMonitor
from http_monitor.state.monitor_state import MonitorState

from agent_core.registry import Events
from agent_core.testing.clock import ManualClock
from monitored.fake_agent import FakeAgent
from monitored.http_client import HttpClient


@dataclass
class Monitored:
    """Events reach the monitor through the core's own facade; time and its ticks are the test's."""

    state: MonitorState
    agent: FakeAgent
    clock: ManualClock
    client: HttpClient
    events: Events

    def tick(self, seconds: float = 1.0) -> None:
        """Let time pass, and the monitor notice what has changed."""
        self.clock.advance(seconds)
        self.state.tick()

    def look(self) -> None:
        """Let it look at the disk, as it does every few seconds."""
        self.state.look()


@dataclass
class Served:
    """A whole extension on a free port; it ticks by itself, once a second of real time."""

    monitor: HttpMonitor
    agent: FakeAgent
    client: HttpClient
    events: Events

    @property
    def port(self) -> int:
        return self.monitor.address.port


MakeMonitored = Callable[..., Monitored]
MakeServed = Callable[..., Served]
