"""AlertBoard: what is wrong now, by cause."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from agent_core.api import AgentStatus, GroupStatus, Severity
from http_monitor.state.alerts.alert import Alert
from http_monitor.state.alerts.growth import Growth
from http_monitor.state.alerts.polling_alerts import PollingAlerts
from http_monitor.state.alerts.sink_alerts import sink_alerts
from http_monitor.state.storage import StorageSnapshot

DISK_WARNING_PCT: Final = 10.0
DISK_CRITICAL_PCT: Final = 3.0
DISK_ENOUGH_BYTES: Final = 20 * 10**9
"""Enough on any disk: with this much free there is no alert, however small the share."""


class AlertBoard:
    """Judges snapshots and remembers when each alert began. Used from one thread at a time."""

    def __init__(self) -> None:
        self._growth = Growth()
        self._polling = PollingAlerts(self._growth)
        self._since: dict[tuple[str, str], float] = {}

    def judge(
        self,
        status: AgentStatus,
        groups: Sequence[GroupStatus],
        storage: StorageSnapshot,
        now_seconds: float,
        *,
        stopping: bool = False,
    ) -> tuple[Alert, ...]:
        """The alerts that stand now, critical alerts first. ``now_seconds`` is monotonic."""

        def grown(counter: str, total: int) -> int:
            return self._growth.update(counter, total, now_seconds)

        found: list[Alert] = []
        for sink in status.sinks:
            found.extend(sink_alerts(sink, storage, grown, stopping=stopping))
        found.extend(self._polling.of(status, groups, now_seconds, grown))
        found.extend(map(_observer_alert, status.hanging_observers))
        found.extend(map(_left_out_alert, status.left_out))
        found.extend(_disk_alerts(status.name, storage))
        self._since = {
            key: self._since.get(key, now_seconds) for key in ((alert.code, alert.subject) for alert in found)
        }
        standing = [
            replace(alert, since_seconds=now_seconds - self._since[alert.code, alert.subject]) for alert in found
        ]
        return tuple(sorted(standing, key=lambda alert: alert.severity is not Severity.CRITICAL))


def _observer_alert(name: str) -> Alert:
    return Alert(
        Severity.CRITICAL,
        "observer_hangs",
        name,
        "an observer has not returned; it hears of nothing that happens, and its plugin shows nothing new",
        "Restart the agent without its plugin (plugins: disabled), and report it to whoever wrote it.",
    )


def _left_out_alert(name: str) -> Alert:
    return Alert(
        Severity.CRITICAL,
        "part_left_out",
        name,
        "it raised or hung when it was opened; the agent runs without it",
        "See the log for the reason, then restart the agent.",
    )


def _disk_alerts(name: str, storage: StorageSnapshot) -> Iterator[Alert]:
    free, total = storage.disk_free_bytes, storage.disk_total_bytes
    if free is None or not total or free >= DISK_ENOUGH_BYTES or 100.0 * free / total >= DISK_WARNING_PCT:
        return
    share = 100.0 * free / total
    severity = Severity.CRITICAL if share < DISK_CRITICAL_PCT else Severity.WARNING
    yield Alert(
        severity,
        "disk_low",
        name,
        f"{share:.1f} % of the disk is free ({free / 1e9:.1f} GB)",
        "Free space: backup files and buffers need it while the destination is away.",
    )
