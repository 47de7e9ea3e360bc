"""Buffers and health, in the fields of existing dashboards; and how long each buffer lasts."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from agent_core.api import Severity, SinkStatus
from http_monitor.answers.model import Answer, Rounded, Text, rounded
from http_monitor.state.alerts.sink_alerts import overflow_count
from http_monitor.state.monitor_state import Health, Now
from http_monitor.state.timeline import Rates

NOISE: Final = 0.05

_SIZE: Final = "Records in the buffer, those being written included."
_FILL: Final = "current_size / max_size (percent, 0 to 100)."
_OVERFLOW: Final = "Records that did not fit since the start, diverted or dropped."


class BufferOutlook(Answer):
    """How full one buffer is, how long it lasts, and when it is full."""

    fill_pct: Rounded = Field(description="pending_records / capacity_records (percent, 0 to 100).")
    cover_seconds: Rounded | None = Field(
        description="How long an empty buffer lasts at the present rate of collection when nothing can be written "
        "(seconds); null while nothing is collected."
    )
    time_to_full_seconds: Rounded | None = Field(
        description="When the buffer is full if it keeps filling as now (seconds); null while it does not fill."
    )


class SinkBuffer(Answer):
    """The buffer of one sink."""

    sink_id: str = Field(description="The sink that this buffer feeds.")
    current_size: int = Field(description=_SIZE)
    max_size: int = Field(description="How many records the buffer can hold.")
    utilization_pct: Rounded = Field(description=_FILL)
    overflow_count: int = Field(description=_OVERFLOW)
    ready_records: int = Field(description="Records that no worker holds.")
    leased_records: int = Field(description="Records being written now.")
    oldest_age_seconds: Rounded = Field(
        description="How long the oldest record that no worker holds has waited (seconds)."
    )
    stored_bytes: int | None = Field(description="Size on disk (bytes); null for a buffer in memory.")
    cover_seconds: Rounded | None = Field(
        description="How long an empty buffer lasts at the present rate of collection when nothing can be written "
        "(seconds); null while nothing is collected."
    )
    time_to_full_seconds: Rounded | None = Field(
        description="When the buffer is full if it keeps filling as now (seconds); null while it does not fill."
    )


class BufferStatus(Answer):
    """All buffers together, and each of them."""

    current_size: int = Field(description="Records in all buffers, those being written included.")
    max_size: int = Field(description="How many records all buffers can hold.")
    utilization_pct: Rounded = Field(description=_FILL)
    overflow_count: int = Field(description=_OVERFLOW)
    cover_seconds: Rounded | None = Field(description="The shortest cover of any buffer (seconds).")
    time_to_full_seconds: Rounded | None = Field(
        description="When the first buffer is full (seconds); null: none fills."
    )
    buffers: tuple[SinkBuffer, ...] = Field(description="One entry per sink.")


class AlertAnswer(Answer):
    """Something that is wrong now."""

    severity: Severity = Field(description="critical: records are lost or cannot reach their destination; or warning.")
    code: str = Field(description="What it is, stable for scripts, such as sink_down or device_away.")
    subject: str = Field(description="Id of the sink or group, or the agent's name.")
    message: Text = Field(description="What is wrong.")
    next_step: str = Field(description="What to do about it.")
    since_seconds: Rounded = Field(description="How long it has been so (seconds).")


class BufferHealth(Answer):
    """Whether records reach their destination: answered with 200, or with 503 when they do not."""

    status: Health = Field(description="ok; degraded while a warning stands (200); or failing (503).")
    healthy: bool = Field(description="False exactly when the answer is 503.")
    reasons: tuple[str, ...] = Field(description="Why it is not ok, one text per alert; empty when it is.")
    alerts: tuple[AlertAnswer, ...] = Field(description="The same with all fields.")


def outlook(sink: SinkStatus, rates: Rates) -> BufferOutlook:
    """From one sink's status, and the rates of its records: what its sources collect, and what stays in the buffer."""
    stats = sink.buffer
    collected, filling = rates.into(sink.inputs), rates.filling.get(sink.sink_id, 0.0)
    free = max(0, stats.capacity_records - stats.pending_records)
    # The level of a buffer that works rises and falls with each poll; that much does not count as filling.
    least = max(1.0, NOISE * collected)
    return BufferOutlook(
        fill_pct=_share(stats.pending_records, stats.capacity_records),
        cover_seconds=stats.capacity_records / collected if collected > 0 else None,
        time_to_full_seconds=free / filling if filling >= least else None,
    )


def sink_buffer(sink: SinkStatus, rates: Rates) -> SinkBuffer:
    """From one sink's status and the rates of its records."""
    stats, found = sink.buffer, outlook(sink, rates)
    return SinkBuffer(
        sink_id=sink.sink_id,
        current_size=stats.pending_records,
        max_size=stats.capacity_records,
        utilization_pct=found.fill_pct,
        overflow_count=overflow_count(sink),
        ready_records=stats.ready_records,
        leased_records=stats.leased_records,
        oldest_age_seconds=stats.oldest_age_seconds,
        stored_bytes=stats.stored_bytes,
        cover_seconds=found.cover_seconds,
        time_to_full_seconds=found.time_to_full_seconds,
    )


def buffer_status(now: Now) -> BufferStatus:
    """From a snapshot."""
    buffers = tuple(sink_buffer(sink, now.rates) for sink in now.status.sinks)
    current, capacity = sum(one.current_size for one in buffers), sum(one.max_size for one in buffers)
    return BufferStatus(
        current_size=current,
        max_size=capacity,
        utilization_pct=_share(current, capacity),
        overflow_count=sum(one.overflow_count for one in buffers),
        cover_seconds=min((one.cover_seconds for one in buffers if one.cover_seconds is not None), default=None),
        time_to_full_seconds=min(
            (one.time_to_full_seconds for one in buffers if one.time_to_full_seconds is not None), default=None
        ),
        buffers=buffers,
    )


def buffer_health(now: Now | None) -> BufferHealth:
    """From the alerts that stand; None means that there is no agent to judge yet."""
    if now is None:
        return BufferHealth(status=Health.FAILING, healthy=False, reasons=("the agent is still starting",), alerts=())
    alerts = tuple(map(AlertAnswer.of, now.alerts))
    return BufferHealth(
        status=now.health,
        healthy=now.health is not Health.FAILING,
        reasons=tuple(f"{alert.subject}: {alert.message}" for alert in alerts),
        alerts=alerts,
    )


def _share(part: int, whole: int) -> float:
    return rounded(100.0 * part / whole) if whole else 0.0
