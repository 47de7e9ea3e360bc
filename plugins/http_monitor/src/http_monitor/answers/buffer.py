"""Buffers and their health."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from agent_core.api import SinkStatus
from http_monitor.answers.model import Answer, Text, rounded
from http_monitor.state.alerts import Alert, overflow_count
from http_monitor.state.monitor_state import Health, Now

NOISE: Final = 0.05


class SinkBuffer(Answer):
    """The buffer of one sink."""

    sink_id: str = Field(description="The sink that this buffer feeds.")
    current_size: int = Field(description="Rows in the buffer, those being written included (rows).")
    max_size: int = Field(description="Capacity (rows).")
    utilization_pct: float = Field(description="current_size / max_size (percent, 0 to 100).")
    overflow_count: int = Field(description="Rows that did not fit since the start, diverted or dropped (rows).")
    ready_records: int = Field(description="Rows that no worker holds (rows).")
    leased_records: int = Field(description="Rows being written now (rows).")
    oldest_age_seconds: float = Field(description="How long the oldest row that no worker holds has waited (seconds).")
    stored_bytes: int | None = Field(description="Size on disk (bytes); null for a buffer in memory.")
    cover_seconds: float | None = Field(
        description="How long the whole capacity lasts at the present rate of collection when nothing can be "
        "written (seconds); null while nothing is collected."
    )
    time_to_full_seconds: float | None = Field(
        description="When the buffer is full if it goes on filling as now (seconds); null while it does not fill."
    )


class BufferStatus(Answer):
    """All buffers together, and each of them."""

    current_size: int = Field(description="Rows in all buffers, those being written included (rows).")
    max_size: int = Field(description="Capacity of all buffers (rows).")
    utilization_pct: float = Field(description="current_size / max_size (percent, 0 to 100).")
    overflow_count: int = Field(description="Rows that did not fit since the start, diverted or dropped (rows).")
    cover_seconds: float | None = Field(description="The shortest cover of any buffer (seconds).")
    time_to_full_seconds: float | None = Field(description="When the first buffer is full (seconds); null: none fills.")
    buffers: tuple[SinkBuffer, ...] = Field(description="One entry a sink.")


class AlertAnswer(Answer):
    """Something that is wrong now."""

    severity: str = Field(description="critical: values are lost or cannot be written; or warning.")
    code: str = Field(description="What it is, stable for scripts, such as sink_down or device_away.")
    subject: str = Field(description="Id of the sink or group, or the agent's name.")
    message: Text = Field(description="What is wrong.")
    next_step: str = Field(description="What to do about it.")
    since_seconds: float = Field(description="How long it has stood (seconds).")


class BufferHealth(Answer):
    """Whether values reach their destination; answered with 200, or with 503 when they do not."""

    status: Health = Field(description="ok, degraded (warnings stand; 200) or failing (503).")
    healthy: bool = Field(description="False exactly when the answer is 503.")
    reasons: tuple[str, ...] = Field(description="Why it is not ok, one text an alert; empty when it is.")
    alerts: tuple[AlertAnswer, ...] = Field(description="The same with all fields.")


def sink_buffer(sink: SinkStatus, collected_per_second: float, filling_per_second: float) -> SinkBuffer:
    """From one sink's status, and the rates of its rows: what its sources collect, and what stays in the buffer."""
    stats = sink.buffer
    free = max(0, stats.capacity_records - stats.pending_records)
    # A buffer that works goes up and down with each poll; that much is no filling.
    least = max(1.0, NOISE * collected_per_second)
    return SinkBuffer(
        sink_id=sink.sink_id,
        current_size=stats.pending_records,
        max_size=stats.capacity_records,
        utilization_pct=_share(stats.pending_records, stats.capacity_records),
        overflow_count=overflow_count(sink),
        ready_records=stats.ready_records,
        leased_records=stats.leased_records,
        oldest_age_seconds=rounded(stats.oldest_age_seconds),
        stored_bytes=stats.stored_bytes,
        cover_seconds=rounded(stats.capacity_records / collected_per_second) if collected_per_second > 0 else None,
        time_to_full_seconds=rounded(free / filling_per_second) if filling_per_second >= least else None,
    )


def buffer_status(now: Now) -> BufferStatus:
    """From a snapshot."""
    buffers = tuple(sink_buffers(now))
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


def sink_buffers(now: Now) -> list[SinkBuffer]:
    """One entry a sink, in the order of the YAML."""
    return [
        sink_buffer(sink, now.rates.into(sink.inputs), now.rates.filling.get(sink.sink_id, 0.0))
        for sink in now.status.sinks
    ]


def alert_answer(alert: Alert) -> AlertAnswer:
    """One alert as it is answered."""
    return AlertAnswer(
        severity=alert.severity,
        code=alert.code,
        subject=alert.subject,
        message=alert.message,
        next_step=alert.next_step,
        since_seconds=rounded(alert.since_seconds),
    )


def buffer_health(now: Now | None) -> BufferHealth:
    """From the alerts that stand; None means that there is no agent to judge yet."""
    if now is None:
        return BufferHealth(status=Health.FAILING, healthy=False, reasons=("the agent is still starting",), alerts=())
    alerts = tuple(map(alert_answer, now.alerts))
    return BufferHealth(
        status=now.health,
        healthy=now.health is not Health.FAILING,
        reasons=tuple(f"{alert.subject}: {alert.message}" for alert in alerts),
        alerts=alerts,
    )


def _share(part: int, whole: int) -> float:
    return rounded(100.0 * part / whole) if whole else 0.0
