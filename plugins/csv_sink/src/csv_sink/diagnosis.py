"""Diagnosis: what ``tagferry doctor`` says about the folder."""

from __future__ import annotations

from collections.abc import Iterator

from agent_core.api import Finding, Severity, probe_folder
from csv_sink.config import CsvSinkConfig
from csv_sink.files.folder import FileKind, Folder, kind_of

_MIB = 1024 * 1024

# About the size of a record, and of a batch: a batch is refused as a whole.
_RECORD_BYTES = 140
_BATCH_BYTES = 500 * _RECORD_BYTES


def diagnose(config: CsvSinkConfig, folder: Folder) -> Iterator[Finding]:
    """Write and delete a temporary file, measure the free disk space, count what waits."""
    subject = f"CSV {folder.path}"
    try:
        free = probe_folder(folder.path).free_bytes
    except OSError as error:
        yield Finding(Severity.CRITICAL, subject, str(error), "give the agent's user the right to write there")
        return
    yield _room(free, sum(file.size_bytes for file in folder.replayed()), config.min_free_disk_bytes, subject)
    files = folder.complete()
    for kind, what, next_step in (
        (
            FileKind.BACKUP,
            "of records that wait for replay",
            "they are replayed automatically while the sink is up, or with: tagferry replay",
        ),
        (
            FileKind.REJECTED,
            "of records that were rejected for their content",
            "see the column reason, fix the cause, then run: tagferry replay --rejected",
        ),
    ):
        sizes = [size for path, size in files if kind_of(path) is kind]
        if sizes:
            message = f"{_files(len(sizes))} ({sum(sizes):,} bytes) {what}"
            yield Finding(Severity.WARNING, subject, message, next_step)
    if damaged := folder.with_damage():
        message = f"{_files(len(damaged))} with damaged lines in {folder.damaged}; the other records were replayed"
        next_step = "fix the lines, replay the file by name with tagferry replay, then delete it"
        yield Finding(Severity.WARNING, subject, message, next_step)


def _room(free: int, replayed: int, min_free_disk_bytes: int, subject: str) -> Finding:
    """A warning while there is room, but less than ``min_free_disk`` keeps free."""
    room = free + replayed - min_free_disk_bytes
    message = f"{free // _MIB} MiB free, min_free_disk keeps {min_free_disk_bytes // _MIB} MiB"
    next_step = "free space, or set another directory:"
    if room < _BATCH_BYTES:
        return Finding(Severity.CRITICAL, subject, f"{message}: no record can be stored", next_step)
    if free - min_free_disk_bytes < _BATCH_BYTES:
        return Finding(Severity.WARNING, subject, f"{message}: replayed files in done/ are deleted early", next_step)
    if room < min_free_disk_bytes:
        return Finding(Severity.WARNING, subject, f"{message}: room for {room // _RECORD_BYTES:,} records", next_step)
    return Finding(Severity.OK, subject, f"writable, {free // _MIB} MiB free")


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"
