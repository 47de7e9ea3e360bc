"""Diagnosis: what ``tagferry doctor`` says about the folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agent_core.api import Finding, Severity
from csv_sink.config import CsvSinkConfig
from csv_sink.files.folder import FileKind, Folder, kind_of

_MIB = 1024 * 1024

# About what a row takes, and a batch of them: a batch is refused as a whole.
_ROW_BYTES = 140
_BATCH_BYTES = 500 * _ROW_BYTES


def diagnose(config: CsvSinkConfig, folder: Folder) -> Iterator[Finding]:
    """Write and remove a nameless file, measure the free disk, count what waits."""
    subject = f"CSV {folder.path}"
    place = _nearest(folder.path)
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"tagferry doctor\n")
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(place).free
    except OSError as error:
        message = f"cannot write in {place}: {error.strerror or error}"
        yield Finding(Severity.CRITICAL, subject, message, "give the agent's user the right to write there")
        return
    yield _room(free, sum(file.size_bytes for file in folder.replayed()), config.min_free_disk_bytes, subject)
    files = folder.complete()
    for kind, what, next_step in (
        (
            FileKind.BACKUP,
            "of rows that wait for replay",
            "they are replayed while the sink is up, or by: tagferry replay",
        ),
        (
            FileKind.REJECTED,
            "of rows that were rejected for their content",
            "the column reason says why; mend the cause, then: tagferry replay --rejected",
        ),
    ):
        sizes = [size for path, size in files if kind_of(path) is kind]
        if sizes:
            message = f"{_files(len(sizes))} ({sum(sizes):,} bytes) {what}"
            yield Finding(Severity.WARNING, subject, message, next_step)
    if damaged := folder.with_damage():
        message = f"{_files(len(damaged))} with damaged lines in {folder.damaged}; the other rows were replayed"
        next_step = "mend the lines and name the file to: tagferry replay; then delete it"
        yield Finding(Severity.WARNING, subject, message, next_step)


def _room(free: int, replayed: int, min_free_disk_bytes: int, subject: str) -> Finding:
    """Warns while there is still room, but less of it than ``min_free_disk`` keeps."""
    room = free + replayed - min_free_disk_bytes
    message = f"{free // _MIB} MiB free, min_free_disk keeps {min_free_disk_bytes // _MIB} MiB"
    next_step = "free space, or set another directory:"
    if room < _BATCH_BYTES:
        return Finding(Severity.CRITICAL, subject, f"{message}: no row would be taken", next_step)
    if free - min_free_disk_bytes < _BATCH_BYTES:
        return Finding(Severity.WARNING, subject, f"{message}: replayed files in done/ are deleted early", next_step)
    if room < min_free_disk_bytes:
        return Finding(Severity.WARNING, subject, f"{message}: room for about {room // _ROW_BYTES:,} rows", next_step)
    return Finding(Severity.OK, subject, f"writable, {free // _MIB} MiB free")


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"


def _nearest(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())
