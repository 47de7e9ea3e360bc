"""Writes of the sinks, in the fields of existing dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from agent_core.api import LedgerSnapshot, SinkStatus
from http_monitor.answers.backlog import whole_backlog
from http_monitor.answers.buffer import BufferStatus, buffer_status
from http_monitor.answers.model import Answer, Rounded, Text, iso_time, rounded
from http_monitor.answers.status import LedgerAnswer, ReplayAnswer
from http_monitor.state.monitor_state import MonitorState, Now
from http_monitor.state.storage import StorageSnapshot
from http_monitor.state.write_stats import WINDOW_SECONDS, WriteSnapshot

_TOTAL: Final = "Writes attempted since the start, replay included."
_SUCCESSFUL: Final = "Writes that returned, since the start."
_FAILED: Final = "Writes that raised, since the start."
_RATE: Final = "Share of the writes that returned (percent); 100 before the first."
_SIZE: Final = "Average number of records per write that returned, over the last 5 minutes."
_LATENCY: Final = "Average time of a write that returned, over the last 5 minutes (ms)."
_LAST: Final = "Time of the last delivery (UTC, ISO 8601); null: none yet."


class SinkWriter(Answer):
    """The writes of one sink."""

    sink_id: str = Field(description="The sink.")
    state: str = Field(description="up, retrying, down, throttled, locked_out, misconfigured or paused.")
    total_writes: int = Field(description=_TOTAL)
    successful_writes: int = Field(description=_SUCCESSFUL)
    failed_writes: int = Field(description=_FAILED)
    success_rate_pct: float = Field(description=_RATE)
    avg_batch_size: float = Field(description=_SIZE)
    avg_write_latency_ms: float = Field(description=_LATENCY)
    max_write_latency_ms: float = Field(description="The slowest of these writes (ms).")
    last_write_time: str | None = Field(description=_LAST)
    last_error: Text | None = Field(description="Message of the last write that failed; null: none failed.")
    next_probe_seconds: Rounded | None = Field(description="Time until the next probe (seconds); null: none is due.")


class WriterMetrics(Answer):
    """All sinks together, and each of them."""

    total_writes: int = Field(description=_TOTAL)
    successful_writes: int = Field(description=_SUCCESSFUL)
    failed_writes: int = Field(description=_FAILED)
    success_rate_pct: float = Field(description=_RATE)
    avg_batch_size: float = Field(description=_SIZE)
    avg_write_latency_ms: float = Field(description=_LATENCY)
    last_write_time: str | None = Field(description=_LAST)
    window_seconds: int = Field(description="What the averages are taken over (seconds).")
    sinks: tuple[SinkWriter, ...] = Field(description="One entry per sink.")


class SinkLedger(LedgerAnswer):
    """The ledger of one sink."""

    sink_id: str = Field(description="The sink.")


class BackupTotals(Answer):
    """The backlog of all fallbacks."""

    file_count: int = Field(description="Backup files that wait for replay.")
    total_bytes: int = Field(description="Their size (bytes).")
    rejected_file_count: int = Field(description="Files of rejected records, which wait for you.")
    rejected_bytes: int = Field(description="Their size (bytes).")
    disk_free_bytes: int | None = Field(description="Free space of the disk with the state directory (bytes).")
    disk_total_bytes: int | None = Field(description="Size of that disk (bytes).")


class BufferMetrics(Answer):
    """Buffers, writes, ledgers and backlogs."""

    time: str | None = Field(description="When this was true (UTC, ISO 8601).")
    uptime_seconds: Rounded = Field(description="How long the agent has run (seconds).")
    buffer: BufferStatus = Field(description="As /api/buffer/status.")
    writer: WriterMetrics = Field(description="As /api/buffer/writer/metrics.")
    backup: BackupTotals = Field(description="The backlog of all fallbacks.")
    ledgers: tuple[SinkLedger, ...] = Field(description="One ledger per sink.")
    replay: Mapping[str, ReplayAnswer] = Field(description="By sink, for those whose fallback can be read back.")


def sink_writer(sink: SinkStatus, writes: WriteSnapshot) -> SinkWriter:
    """From one sink's status and counts."""
    return SinkWriter(
        sink_id=sink.sink_id,
        state=sink.state,
        total_writes=writes.total,
        successful_writes=writes.successful,
        failed_writes=writes.failed,
        success_rate_pct=_success_rate(writes.successful, writes.total),
        avg_batch_size=_ratio(writes.recent_records, writes.recent_writes),
        avg_write_latency_ms=_ratio(1000 * writes.recent_seconds, writes.recent_writes),
        max_write_latency_ms=rounded(1000 * writes.recent_max_seconds),
        last_write_time=iso_time(writes.last_delivery_ns),
        last_error=sink.last_error,
        next_probe_seconds=sink.next_probe_seconds,
    )


def writer_metrics(monitor: MonitorState, now: Now) -> WriterMetrics:
    """From a snapshot."""
    snapshots = {sink.sink_id: monitor.snapshot_of_writes(sink.sink_id) for sink in now.status.sinks}
    every = list(snapshots.values())
    writes, successful = sum(one.total for one in every), sum(one.successful for one in every)
    recent = sum(one.recent_writes for one in every)
    return WriterMetrics(
        total_writes=writes,
        successful_writes=successful,
        failed_writes=writes - successful,
        success_rate_pct=_success_rate(successful, writes),
        avg_batch_size=_ratio(sum(one.recent_records for one in every), recent),
        avg_write_latency_ms=_ratio(1000 * sum(one.recent_seconds for one in every), recent),
        last_write_time=iso_time(max((one.last_delivery_ns for one in every if one.last_delivery_ns), default=None)),
        window_seconds=WINDOW_SECONDS,
        sinks=tuple(sink_writer(sink, snapshots[sink.sink_id]) for sink in now.status.sinks),
    )


def buffer_metrics(monitor: MonitorState, now: Now) -> BufferMetrics:
    """From a snapshot."""
    return BufferMetrics(
        time=iso_time(now.time_ns),
        uptime_seconds=now.status.uptime_seconds,
        buffer=buffer_status(now),
        writer=writer_metrics(monitor, now),
        backup=_backup(monitor.storage.snapshot),
        ledgers=tuple(_ledger(sink.sink_id, sink.ledger) for sink in now.status.sinks),
        replay={sink.sink_id: ReplayAnswer.of(sink.replay) for sink in now.status.sinks if sink.replay is not None},
    )


def _ledger(sink_id: str, ledger: LedgerSnapshot) -> SinkLedger:
    return SinkLedger(sink_id=sink_id, **LedgerAnswer.of(ledger).model_dump())


def _backup(storage: StorageSnapshot) -> BackupTotals:
    found = whole_backlog(storage)
    return BackupTotals(
        file_count=found.backup_files,
        total_bytes=found.backup_bytes,
        rejected_file_count=found.rejected_files,
        rejected_bytes=found.rejected_bytes,
        disk_free_bytes=storage.disk_free_bytes,
        disk_total_bytes=storage.disk_total_bytes,
    )


def _success_rate(successful: int, total: int) -> float:
    return rounded(100.0 * successful / total) if total else 100.0


def _ratio(total: float, count: int) -> float:
    return rounded(total / count) if count else 0.0
