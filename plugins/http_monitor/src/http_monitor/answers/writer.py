"""Writers, ledgers and backups: what became of the rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum

from pydantic import Field

from agent_core.api import BacklogFile, LedgerSnapshot, ReplayStatus, SinkState, SinkStatus
from http_monitor.answers.buffer import BufferStatus, buffer_status
from http_monitor.answers.model import Answer, Text, iso_time, rounded
from http_monitor.answers.polling import ControlResult
from http_monitor.state.monitor_state import MonitorState, Now
from http_monitor.state.storage import StorageSnapshot
from http_monitor.state.write_stats import WriteSnapshot


class SinkWriter(Answer):
    """How the writes of one sink go."""

    sink_id: str = Field(description="The sink.")
    state: str = Field(description="up, retrying, down, throttled, locked_out, misconfigured or paused.")
    total_writes: int = Field(description="Writes tried since the start, replay included.")
    successful_writes: int = Field(description="Writes that returned, since the start.")
    failed_writes: int = Field(description="Writes that raised, since the start.")
    success_rate_pct: float = Field(description="Share of the writes that returned (percent); 100 before the first.")
    avg_batch_size: float = Field(description="Rows per write that returned, over the last 5 minutes (rows).")
    avg_write_latency_ms: float = Field(description="Time of a write that returned, over the last 5 minutes (ms).")
    max_write_latency_ms: float = Field(description="The slowest of them (ms).")
    last_write_time: str | None = Field(description="When the last write returned (UTC, ISO 8601); null: none yet.")
    last_error: Text | None = Field(description="Message of the last write that failed; null: none failed.")
    next_probe_seconds: float | None = Field(description="When a sink that is down is tried again (seconds).")


class WriterMetrics(Answer):
    """All sinks together, and each of them."""

    total_writes: int = Field(description="Writes tried since the start, replay included.")
    successful_writes: int = Field(description="Writes that returned, since the start.")
    failed_writes: int = Field(description="Writes that raised, since the start.")
    success_rate_pct: float = Field(description="Share of the writes that returned (percent); 100 before the first.")
    avg_batch_size: float = Field(description="Rows per write that returned, over the last 5 minutes (rows).")
    avg_write_latency_ms: float = Field(description="Time of a write that returned, over the last 5 minutes (ms).")
    last_write_time: str | None = Field(description="When the last write returned (UTC, ISO 8601); null: none yet.")
    window_seconds: int = Field(description="What the averages are taken over (seconds).")
    sinks: tuple[SinkWriter, ...] = Field(description="One entry a sink.")


class LedgerAnswer(Answer):
    """Where each row of one sink is: the first two are the sum of the other seven. Since the start, in rows."""

    sink_id: str = Field(description="The sink.")
    collected: int = Field(description="Rows that the sources emitted (rows).")
    recovered: int = Field(description="Rows found in a durable buffer at the start (rows).")
    filtered: int = Field(description="Rows that transforms took out (rows).")
    delivered: int = Field(description="Rows that the sink has (rows).")
    duplicates: int = Field(description="Rows that the sink had already (rows).")
    rejected: int = Field(description="Rows refused for their content (rows).")
    diverted: int = Field(description="Rows handed to the fallback (rows).")
    dropped: int = Field(description="Rows lost for good (rows).")
    pending: int = Field(description="Rows in the buffer (rows).")
    diverted_by_reason: Mapping[str, int] = Field(description="diverted, by reason (rows).")
    dropped_by_reason: Mapping[str, int] = Field(description="dropped, by reason (rows).")
    balanced: bool = Field(description="True when every row is accounted for.")


class ReplayAnswer(Answer):
    """Rows written back from the fallback by the agent itself, since the start, and what comes next."""

    read: int = Field(description="Rows read back (rows).")
    inserted: int = Field(description="Rows that the sink took (rows).")
    duplicates: int = Field(description="Rows that it had already (rows).")
    rejected: int = Field(description="Rows refused for their content (rows).")
    backlog_files: int = Field(description="Files that wait to be replayed, those of rejected rows not counted.")
    automatic: bool = Field(description="True when they come back by themselves; else only when asked for.")
    requested_files: tuple[Text, ...] = Field(description="Files that were asked for, the next one first.")
    current_file: Text | None = Field(description="The file that is being written back now; null: none.")
    refusal: Text | None = Field(description="Why asking for one would be refused; null: it would not.")


class BackupState(StrEnum):
    """How a backup file stands."""

    WAITING = "waiting"
    REQUESTED = "requested"
    REPLAYING = "replaying"


class BackupFile(Answer):
    """One file of a fallback."""

    sink_id: str = Field(description="The sink whose rows it holds.")
    name: Text = Field(description="File name.")
    size_bytes: int = Field(description="Size (bytes).")
    records: int | None = Field(description="Rows in it; null when nobody has counted them.")
    rejected: bool = Field(
        description="True for rows refused for their content, which are never replayed by themselves."
    )
    state: BackupState = Field(description="waiting, requested (asked for, next in turn) or replaying.")
    automatic: bool = Field(description="True when it is replayed by itself; else only when asked for.")


class Backup(Answer):
    """The files that wait in the fallbacks."""

    file_count: int = Field(description="Files of good rows that wait.")
    total_bytes: int = Field(description="Their size (bytes).")
    rejected_file_count: int = Field(description="Files of rejected rows that wait for you.")
    rejected_bytes: int = Field(description="Their size (bytes).")
    disk_free_bytes: int | None = Field(description="Free space of the disk with the state directory (bytes).")
    disk_total_bytes: int | None = Field(description="Size of that disk (bytes).")


class ReplayRequested(ControlResult):
    """A backup file that was asked for; /api/live shows how it goes, /api/events what became of it."""

    sink_id: str = Field(description="The sink that it is written into.")
    file: Text = Field(description="File name.")
    state: BackupState = Field(description="How it stands now.")
    files_ahead: int = Field(description="Files that were asked for before it and still wait.")


class BackupFiles(Backup):
    """The same with each file: those of rejected rows first, which wait for you; oldest first."""

    files: tuple[BackupFile, ...] = Field(description="At most 200 of them.")


class BufferMetrics(Answer):
    """Everything about the way from the buffers to the sinks."""

    time: str | None = Field(description="When this was true (UTC, ISO 8601).")
    uptime_seconds: float = Field(description="How long the agent has run (seconds).")
    buffer: BufferStatus = Field(description="As /api/buffer/status.")
    writer: WriterMetrics = Field(description="As /api/buffer/writer/metrics.")
    backup: Backup = Field(description="The files that wait in the fallbacks.")
    ledgers: tuple[LedgerAnswer, ...] = Field(description="One ledger a sink.")
    replay: Mapping[str, ReplayAnswer] = Field(description="By sink, for those whose fallback can be read back.")


MAX_FILES = 200


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
        last_write_time=iso_time(writes.last_write_ns),
        last_error=sink.last_error,
        next_probe_seconds=None if sink.next_probe_seconds is None else rounded(sink.next_probe_seconds),
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
        last_write_time=iso_time(max((one.last_write_ns for one in every if one.last_write_ns), default=None)),
        window_seconds=300,
        sinks=tuple(sink_writer(sink, snapshots[sink.sink_id]) for sink in now.status.sinks),
    )


def ledger_answer(sink_id: str, ledger: LedgerSnapshot) -> LedgerAnswer:
    """One ledger as it is answered."""
    return LedgerAnswer(
        sink_id=sink_id,
        collected=ledger.collected,
        recovered=ledger.recovered,
        filtered=ledger.filtered,
        delivered=ledger.delivered,
        duplicates=ledger.duplicates,
        rejected=ledger.rejected,
        diverted=ledger.diverted,
        dropped=ledger.dropped,
        pending=ledger.pending,
        diverted_by_reason=dict(ledger.diverted_by_reason),
        dropped_by_reason=dict(ledger.dropped_by_reason),
        balanced=ledger.balanced,
    )


def replay_answer(replay: ReplayStatus) -> ReplayAnswer:
    """One replay ledger as it is answered."""
    return ReplayAnswer(
        read=replay.read,
        inserted=replay.inserted,
        duplicates=replay.duplicates,
        rejected=replay.rejected,
        backlog_files=replay.backlog_files,
        automatic=replay.automatic,
        requested_files=replay.requested_files,
        current_file=replay.current_file,
        refusal=replay.refusal,
    )


def backup(storage: StorageSnapshot, files: Sequence[BacklogFile] | None = None) -> Backup:
    """Totals over ``files``, by default over those of every sink."""
    if files is None:
        files = [file for several in storage.backlog.values() for file in several]
    good, rejected = [file for file in files if not file.rejected], [file for file in files if file.rejected]
    return Backup(
        file_count=len(good),
        total_bytes=sum(file.size_bytes for file in good),
        rejected_file_count=len(rejected),
        rejected_bytes=sum(file.size_bytes for file in rejected),
        disk_free_bytes=storage.disk_free_bytes,
        disk_total_bytes=storage.disk_total_bytes,
    )


def backup_files(storage: StorageSnapshot, sinks: Sequence[SinkStatus]) -> BackupFiles:
    """Totals and files."""
    files = [
        BackupFile(
            sink_id=sink.sink_id,
            name=file.name,
            size_bytes=file.size_bytes,
            records=file.records,
            rejected=file.rejected,
            state=_state(file.name, replay),
            automatic=replay.automatic and not file.rejected and replay.refusal is None,
        )
        for sink, replay in ((sink, sink.replay or ReplayStatus(automatic=False)) for sink in sinks)
        for file in storage.backlog.get(sink.sink_id, ())
    ]
    files.sort(key=lambda file: not file.rejected)
    return BackupFiles(**backup(storage).model_dump(), files=tuple(files[:MAX_FILES]))


def replay_requested(sink: SinkStatus, file: str) -> ReplayRequested:
    """``sink`` as it stood once ``file`` had been asked for."""
    replay = sink.replay or ReplayStatus()
    queue = replay.requested_files
    ahead = queue.index(file) if file in queue else 0
    when = "next" if not ahead else f"after {ahead} other{'s' if ahead > 1 else ''}"
    if sink.state not in (SinkState.UP, SinkState.RETRYING):
        when = f"once {sink.sink_id} can be written to; it is {sink.state} now"
    return ReplayRequested(
        success=True,
        message=f"{file} is written back {when}",
        sink_id=sink.sink_id,
        file=file,
        state=_state(file, replay),
        files_ahead=ahead,
    )


def buffer_metrics(monitor: MonitorState, now: Now) -> BufferMetrics:
    """From a snapshot."""
    return BufferMetrics(
        time=iso_time(now.time_ns),
        uptime_seconds=rounded(now.status.uptime_seconds),
        buffer=buffer_status(now),
        writer=writer_metrics(monitor, now),
        backup=backup(monitor.storage.snapshot),
        ledgers=tuple(ledger_answer(sink.sink_id, sink.ledger) for sink in now.status.sinks),
        replay={sink.sink_id: replay_answer(sink.replay) for sink in now.status.sinks if sink.replay is not None},
    )


def _state(file: str, replay: ReplayStatus) -> BackupState:
    if file == replay.current_file:
        return BackupState.REPLAYING
    return BackupState.REQUESTED if file in replay.requested_files else BackupState.WAITING


def _success_rate(successful: int, total: int) -> float:
    return rounded(100.0 * successful / total) if total else 100.0


def _ratio(total: float, count: int) -> float:
    return rounded(total / count) if count else 0.0
