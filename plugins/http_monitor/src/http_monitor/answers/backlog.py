"""The backlog: files that wait in the fallbacks, and what came of asking for one."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from pydantic import Field

from agent_core.api import BacklogFile, ReplayStatus, SinkState, SinkStatus
from http_monitor.answers.model import Answer, Text
from http_monitor.answers.polling import ControlResult
from http_monitor.state.storage import StorageSnapshot

MAX_FILES: Final = 200


class Backlog(Answer):
    """How much waits in one fallback, or in all of them."""

    backup_files: int = Field(description="Backup files that wait for replay.")
    backup_bytes: int = Field(description="Their size (bytes).")
    rejected_files: int = Field(description="Files of rejected records, which wait for you.")
    rejected_bytes: int = Field(description="Their size (bytes).")


class BackupState(StrEnum):
    """What is to become of a file."""

    WAITING = "waiting"
    REQUESTED = "requested"
    REPLAYING = "replaying"


class BackupFile(Answer):
    """One file of a fallback."""

    sink_id: str = Field(description="The sink whose records it holds.")
    name: Text = Field(description="File name.")
    size_bytes: int = Field(description="Size (bytes).")
    records: int | None = Field(description="Records in it; null when nobody has counted them.")
    rejected: bool = Field(
        description="True for records refused for their content, which are never replayed automatically."
    )
    state: BackupState = Field(description="waiting, requested (queued) or replaying.")
    automatic: bool = Field(description="True when it is replayed automatically; else only on request.")


class BackupFiles(Backlog):
    """All files: those of rejected records first, because they wait for you; oldest first."""

    disk_free_bytes: int | None = Field(description="Free space of the disk with the state directory (bytes).")
    disk_total_bytes: int | None = Field(description="Size of that disk (bytes).")
    files: tuple[BackupFile, ...] = Field(description=f"At most {MAX_FILES} of them.")


class ReplayRequested(ControlResult):
    """A file that was requested; /api/live shows its progress, /api/events the outcome."""

    sink_id: str = Field(description="The sink that it is written into.")
    file: Text = Field(description="File name.")
    state: BackupState = Field(description="What is to become of it now.")
    files_ahead: int = Field(description="Files that were requested before it and still wait.")


def backlog(files: Sequence[BacklogFile]) -> Backlog:
    """Totals over ``files``."""
    backups = [file.size_bytes for file in files if not file.rejected]
    rejected = [file.size_bytes for file in files if file.rejected]
    return Backlog(
        backup_files=len(backups),
        backup_bytes=sum(backups),
        rejected_files=len(rejected),
        rejected_bytes=sum(rejected),
    )


def whole_backlog(storage: StorageSnapshot) -> Backlog:
    """Totals over the files of every sink."""
    return backlog([file for files in storage.backlog.values() for file in files])


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
    return BackupFiles(
        **whole_backlog(storage).model_dump(),
        disk_free_bytes=storage.disk_free_bytes,
        disk_total_bytes=storage.disk_total_bytes,
        files=tuple(files[:MAX_FILES]),
    )


def replay_requested(sink: SinkStatus, file: str) -> ReplayRequested:
    """``sink`` as it was once ``file`` had been requested."""
    replay = sink.replay or ReplayStatus()
    queue = replay.requested_files
    ahead = queue.index(file) if file in queue else 0
    when = "next" if not ahead else f"after {ahead} other{'s' if ahead > 1 else ''}"
    if sink.state not in (SinkState.UP, SinkState.RETRYING):
        when = f"when {sink.sink_id} is up again; it is {sink.state} now"
    return ReplayRequested(
        success=True,
        message=f"{file} will be replayed {when}",
        sink_id=sink.sink_id,
        file=file,
        state=_state(file, replay),
        files_ahead=ahead,
    )


def _state(file: str, replay: ReplayStatus) -> BackupState:
    if file == replay.current_file:
        return BackupState.REPLAYING
    return BackupState.REQUESTED if file in replay.requested_files else BackupState.WAITING
