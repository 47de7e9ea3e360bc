"""Diagnosis: what ``tagferry doctor`` says about the folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from agent_core.api import Finding, Severity, probe_folder, write_next_step
from csv_sink.config import CsvSinkConfig
from csv_sink.files import disk
from csv_sink.files.claim import REPLACED_NEXT_STEP
from csv_sink.files.folder import FileKind, Folder, kind_of
from csv_sink.files.inventory import RECORD_BYTES, Inventory
from csv_sink.files.lock import NAME as LOCK_NAME
from csv_sink.files.memory import FolderMemory, Remembered

_MIB = 1024 * 1024

# About the size of a batch: it is refused as a whole.
_BATCH_BYTES = 500 * RECORD_BYTES


def diagnose(config: CsvSinkConfig, folder: Folder, memory: FolderMemory) -> Iterator[Finding]:
    """Write and delete a temporary file, measure the free disk space, count what waits.

    Tries what ``open`` and an append need, and compares the folder with the one that was used last. Leaves nothing
    behind.
    """
    subject = f"CSV {folder.path}"
    if (other := memory.other_folder()) is not None:
        yield _another_folder(folder, other, subject)
    try:
        free = probe_folder(folder.path).free_bytes
        _probe_lock(folder.path)
    except OSError as error:
        yield Finding(Severity.CRITICAL, subject, str(error), write_next_step(error))
        return
    yield _room(free, sum(file.size_bytes for file in folder.replayed()), config.min_free_disk_bytes, subject)
    files = [(path, version.size_bytes) for path, version in folder.complete()]
    for part in folder.parts():
        with suppress(FileNotFoundError):  # an agent that runs has just completed it
            files.append((part, part.stat().st_size))
    inventory = Inventory()
    for path, size in files:
        inventory.add(path, size, None)
    inventory.count(folder.path)
    stock = inventory.stock()
    for kind, records, what, next_step in (
        (
            FileKind.BACKUP,
            stock.backup_records,
            "in files that wait for replay",  # the agent alone knows how much of a file has been replayed
            "they are replayed automatically while the sink is up, or with: tagferry replay (--preview: what is left)",
        ),
        (
            FileKind.REJECTED,
            stock.rejected_records,
            "rejected for their content",
            "see the column reason, fix the cause, then run: tagferry replay --rejected",
        ),
    ):
        sizes = [size for path, size in files if kind_of(path) is kind]
        if records:
            about = "about " if inventory.uncounted else ""
            message = f"{about}{_records(records)} {what} ({_files(len(sizes))}, {sum(sizes):,} bytes)"
            yield Finding(Severity.WARNING, subject, message, next_step)
    if damaged := folder.with_damage():
        message = f"{_files(len(damaged))} with damaged lines in {folder.damaged}; the other records were replayed"
        next_step = "fix the lines, replay the file by name with tagferry replay, then delete it"
        yield Finding(Severity.WARNING, subject, message, next_step)


def _another_folder(folder: Folder, other: Remembered, subject: str) -> Finding:
    waiting = f"{_records(other.records)} waited"
    if folder.path.is_dir() or other.folder != str(folder.path):
        message = f"not the folder that was used last ({other.folder}, where {waiting})"
        return Finding(Severity.WARNING, subject, message, REPLACED_NEXT_STEP)
    message = f"the folder is gone; when it was used last, {waiting} in it"
    next_step = "mount its disk, or bring the folder back; the agent makes a new one when it needs it"
    return Finding(Severity.CRITICAL, subject, message, next_step)


def _probe_lock(folder: Path) -> None:
    """Open the lock file as an agent does; nobody who holds it is disturbed. Raises OSError."""
    if not folder.is_dir():
        return
    try:
        disk.try_to_open(folder / LOCK_NAME)
    except FileNotFoundError:
        return
    except OSError as error:
        raise OSError(f"cannot lock {folder}: {error.strerror or error}") from error


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
        return Finding(Severity.WARNING, subject, f"{message}: room for {room // RECORD_BYTES:,} records", next_step)
    return Finding(Severity.OK, subject, f"writable, {free // _MIB} MiB free")


def _records(number: int) -> str:
    return "1 record" if number == 1 else f"{number:,} records"


def _files(number: int) -> str:
    return f"{number} file{'' if number == 1 else 's'}"
