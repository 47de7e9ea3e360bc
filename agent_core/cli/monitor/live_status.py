"""LiveStatus: the answer of ``/api/live``, typed; those parts of it that terminals show, under their own names."""

from __future__ import annotations

from dataclasses import dataclass

from agent_core.api import BufferStats, GroupState, ReplayStatus, Severity, SinkState, Whereabouts, settings
from agent_core.cli.monitor.client import Json, MonitorRefused


@dataclass(frozen=True, slots=True)
class Outlook:
    """How full a buffer is."""

    fill_pct: float


@dataclass(frozen=True, slots=True)
class Writes:
    """How the writes of a sink go. ``average_seconds`` is None when none has returned lately."""

    average_seconds: float | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Complete files that wait in a fallback."""

    backup_files: int
    rejected_files: int


@dataclass(frozen=True, slots=True)
class LiveSink:
    """One sink. Ages and times are None for what has not happened."""

    sink_id: str
    type: str
    state: SinkState
    whereabouts: Whereabouts
    last_error: str | None
    buffer: BufferStats
    last_delivery_age_seconds: float | None
    next_probe_seconds: float | None
    replay: ReplayStatus | None
    records_per_second: float
    outlook: Outlook
    writes: Writes
    backlog: Backlog

    @property
    def backlog_text(self) -> str:
        """``3 backup files waiting, 1 rejected file, 1 requested, replaying x.csv``; empty when nothing waits."""
        # Files are listed now and then, records are counted at once: none is said to wait when it holds nothing.
        backups = self.backlog.backup_files if self.whereabouts.in_files else 0
        rejected = self.backlog.rejected_files if self.whereabouts.rejected else 0
        replay = self.replay or ReplayStatus()
        parts = [
            f"{backups:,} backup {'file' if backups == 1 else 'files'} waiting" if backups else "",
            f"{rejected:,} rejected {'file' if rejected == 1 else 'files'}" if rejected else "",
            f"{len(replay.requested_files):,} requested" if replay.requested_files else "",
            f"replaying {replay.current_file}" if replay.current_file else "",
        ]
        return ", ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class LiveGroup:
    """One polling group."""

    group_id: str
    device_id: str
    state: GroupState
    stale: bool
    tags: int
    interval_seconds: float | None
    last_poll_age_seconds: float | None
    failed: int
    missed: int


@dataclass(frozen=True, slots=True)
class LiveAlert:
    """One alert."""

    severity: Severity
    subject: str
    message: str
    next_step: str
    since_seconds: float


@dataclass(frozen=True, slots=True)
class LiveStatus:
    """The whole agent at one moment. ``health`` is ok, degraded or failing."""

    name: str
    phase: str
    health: str
    uptime_seconds: float
    records_per_second: float
    tags: int
    tags_not_good: int
    verdict: str
    whereabouts: Whereabouts
    sinks: tuple[LiveSink, ...]
    groups: tuple[LiveGroup, ...]
    alerts: tuple[LiveAlert, ...]

    @property
    def last_delivery_age_seconds(self) -> float | None:
        """Of the sink that has waited longest; None when one has not delivered anything yet."""
        ages = [sink.last_delivery_age_seconds for sink in self.sinks]
        known = [age for age in ages if age is not None]
        return max(known, default=None) if len(known) == len(ages) else None

    @classmethod
    def of(cls, answer: Json) -> LiveStatus:
        """From the answer of ``/api/live``. Raises MonitorRefused when it is something else."""
        try:
            return settings(cls, answer)
        except (TypeError, ValueError) as error:
            raise MonitorRefused(f"the monitor's answer is not understood: {error}; is it another version?") from None
