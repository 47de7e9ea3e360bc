"""Diagnosis: what ``tagferry doctor`` says about the folder; the file may be in use, and is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agent_core.api import Finding, Severity, probe_folder, write_next_step
from agent_core.api.files.whole_file import size_text


def diagnose(file: Path, max_bytes: int) -> Iterator[Finding]:
    """Whether the folder can be written, and has room for as much as the buffer may hold."""
    subject = f"buffer {file.parent}"
    try:
        free = probe_folder(file.parent).free_bytes
        used = file.stat().st_size if file.exists() else 0
    except OSError as error:
        yield Finding(Severity.CRITICAL, subject, str(error), write_next_step(error))
        return
    if free + used < max_bytes:
        message = f"max_bytes is {size_text(max_bytes)}, and its disk has {size_text(free)} free"
        yield Finding(Severity.WARNING, subject, message, "free space, lower max_bytes:, or set another directory:")
    else:
        yield Finding(Severity.OK, subject, f"writable, {size_text(free)} free")
