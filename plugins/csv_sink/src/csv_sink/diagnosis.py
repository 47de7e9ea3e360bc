"""Diagnosis: what ``agent doctor`` says about the folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agent_core.api import Finding, Severity
from csv_sink.config import CsvSinkConfig
from csv_sink.folder import Folder, Kind, kind_of

_MIB = 1024 * 1024


def diagnose(config: CsvSinkConfig, folder: Folder) -> Iterator[Finding]:
    """Write and remove a nameless file, measure the free disk, count what waits."""
    subject = f"CSV {folder.path}"
    place = _nearest(folder.path)
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"agent doctor\n")
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(place).free
    except OSError as error:
        message = f"cannot write in {place}: {error.strerror or error}"
        yield Finding(Severity.FAILED, subject, message, "give the agent's user the right to write there")
        return
    replayed = sum(file.size_bytes for file in folder.replayed())
    if free < config.min_free_disk <= free + replayed:
        message = f"{free // _MIB} MiB free, fewer than min_free_disk: replayed files in done/ are deleted early"
        yield Finding(Severity.WARNING, subject, message, "free space, or set another directory:")
    elif free < config.min_free_disk:
        message = (
            f"{free // _MIB} MiB free, min_free_disk keeps {config.min_free_disk // _MIB} MiB: no row would be taken"
        )
        yield Finding(Severity.FAILED, subject, message, "free space, or set another directory:")
    else:
        yield Finding(Severity.OK, subject, f"writable, {free // _MIB} MiB free")
    files = folder.complete()
    for kind, what, next_step in (
        (Kind.BACKUP, "of rows that wait for replay", "they are replayed while the sink is up, or by: agent replay"),
        (
            Kind.REJECTED,
            "of rows that were rejected for their content",
            "the column reason says why; mend the cause, then: agent replay --rejected",
        ),
    ):
        sizes = [size for path, size in files if kind_of(path) is kind]
        if sizes:
            message = f"{_files(len(sizes))} ({sum(sizes):,} bytes) {what}"
            yield Finding(Severity.WARNING, subject, message, next_step)
    if damaged := folder.with_damage():
        message = f"{_files(len(damaged))} with damaged lines in {folder.damaged}; the other rows were replayed"
        next_step = "mend the lines and name the file to: agent replay; then delete it"
        yield Finding(Severity.WARNING, subject, message, next_step)


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"


def _nearest(path: Path) -> Path:
    return next(place for place in (path, *path.parents) if place.exists())
