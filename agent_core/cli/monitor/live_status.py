"""LiveStatus: what the monitor says about the agent, typed; the part of it that terminals show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agent_core.cli.monitor.client import Json, MonitorRefused


@dataclass(frozen=True, slots=True)
class SinkLine:
    """One sink. Ages and times in seconds; None for what has not happened.

    ``backup_files`` and ``rejected_files`` wait; ``requested_files`` of both were asked for; ``replaying`` is the file
    that is being written back.
    """

    sink_id: str
    type: str
    state: str
    rows_per_second: float
    pending: int
    capacity: int
    fill_pct: float
    delivered: int
    dropped: int
    write_ms: float
    last_commit_age_seconds: float | None
    next_probe_seconds: float | None
    last_error: str | None
    backup_files: int
    rejected_files: int
    requested_files: int
    replaying: str | None
    balanced: bool

    @property
    def backlog_text(self) -> str:
        """``3 backup files wait, 1 of rejected rows, 1 asked for, writing back x.csv``; empty when nothing waits."""
        parts = []
        if self.backup_files:
            parts.append(f"{self.backup_files:,} backup {'file waits' if self.backup_files == 1 else 'files wait'}")
        if self.rejected_files:
            files = "" if parts else " file" if self.rejected_files == 1 else " files"
            parts.append(f"{self.rejected_files:,}{files} of rejected rows")
        if self.requested_files:
            parts.append(f"{self.requested_files:,} asked for")
        if self.replaying:
            parts.append(f"writing back {self.replaying}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class GroupLine:
    """One polling group."""

    group_id: str
    device_id: str
    mode: str
    state: str
    stale: bool
    tags: int
    interval_seconds: float | None
    last_poll_age_seconds: float | None
    failed: int
    missed: int


@dataclass(frozen=True, slots=True)
class AlertLine:
    """One alert; ``critical`` or not."""

    critical: bool
    subject: str
    message: str
    next_step: str
    since_seconds: float


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """The whole agent at one moment. ``health`` is ok, degraded or failing."""

    name: str
    version: str
    phase: str
    health: str
    uptime_seconds: float
    values_per_second: float
    tags: int
    tags_not_good: int
    sinks: Sequence[SinkLine]
    groups: Sequence[GroupLine]
    alerts: Sequence[AlertLine]

    @property
    def last_commit_age_seconds(self) -> float | None:
        """Of the sink that has waited longest; None when one has not written anything yet."""
        ages = [sink.last_commit_age_seconds for sink in self.sinks]
        known = [age for age in ages if age is not None]
        return max(known, default=None) if len(known) == len(ages) else None

    @classmethod
    def of(cls, answer: Json) -> LiveStatus:
        """From the answer of ``/api/live``. Raises MonitorRefused when it is another thing."""
        try:
            return cls._of(answer)
        except (KeyError, TypeError, AttributeError) as error:
            raise MonitorRefused(f"the monitor's answer is not understood: {error!r}; is it another version?") from None

    @classmethod
    def _of(cls, answer: Mapping[str, Any]) -> LiveStatus:
        return cls(
            name=answer["name"],
            version=answer["version"],
            phase=answer["phase"],
            health=answer["health"],
            uptime_seconds=answer["uptime_seconds"],
            values_per_second=answer["records_per_second"],
            tags=answer["tags"],
            tags_not_good=answer["tags_not_good"],
            sinks=[_sink(sink) for sink in answer["sinks"]],
            groups=[
                GroupLine(
                    group["group_id"],
                    group["device_id"],
                    group["mode"],
                    group["state"],
                    group["stale"],
                    group["tags"],
                    group["interval_seconds"],
                    group["last_poll_age_seconds"],
                    group["failed"],
                    group["missed"],
                )
                for group in answer["groups"]
            ],
            alerts=[
                AlertLine(
                    alert["severity"] == "critical",
                    alert["subject"],
                    alert["message"],
                    alert["next_step"],
                    alert["since_seconds"],
                )
                for alert in answer["alerts"]
            ],
        )


def _sink(sink: Mapping[str, Any]) -> SinkLine:
    buffer, ledger, average_seconds = sink["buffer"], sink["ledger"], sink["writes"]["average_seconds"]
    backlog, replay = sink["backlog"], sink["replay"] or {"requested_files": (), "current_file": None}
    return SinkLine(
        sink_id=sink["sink_id"],
        type=sink["type"],
        state=sink["state"],
        rows_per_second=sink["records_per_second"],
        pending=buffer["pending_records"],
        capacity=buffer["capacity_records"],
        fill_pct=sink["outlook"]["fill_pct"],
        delivered=ledger["delivered"],
        dropped=ledger["dropped"],
        write_ms=1000.0 * (average_seconds or 0.0),
        last_commit_age_seconds=sink["last_delivery_age_seconds"],
        next_probe_seconds=sink["next_probe_seconds"],
        last_error=sink["last_error"],
        backup_files=backlog["backup_files"],
        rejected_files=backlog["rejected_files"],
        requested_files=len(replay["requested_files"]),
        replaying=replay["current_file"],
        balanced=ledger["balanced"],
    )
