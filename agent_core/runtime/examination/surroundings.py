"""Surroundings: what the core itself needs from the machine: a state directory, free disk space, a correct clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from agent_core.api import Clock, Finding, Severity, probe_folder, write_next_step
from agent_core.config.model import AgentConfig
from agent_core.runtime.state_lock import agent_runs

LITTLE_DISK_BYTES = 1 << 30
NO_DISK_BYTES = 100 << 20
FUTURE_SECONDS = 60.0
"""How far in the future a file may be dated: network file systems have clocks of their own."""

SANE_YEARS = range(2025, 2100)

_MIB = 1 << 20


def diagnose_surroundings(config: AgentConfig, clock: Clock) -> Iterator[Finding]:
    """Check the YAML's warnings, the state directory, its disk, the log file and the clock. Leaves no file behind."""
    yield from _configuration(config)
    yield from _state_dir(config.state_dir)
    if config.log.file is not None:
        yield _log_file(config.log.file.path)
    yield from _clock(config, clock)


def _configuration(config: AgentConfig) -> Iterator[Finding]:
    for problem in config.warnings:
        where = ":".join(str(part) for part in (problem.file, problem.line, problem.column) if part is not None)
        message = f"{where}: {problem.message}" if where else problem.message
        yield Finding(Severity.WARNING, "configuration", message, problem.hint)
    if not config.warnings:
        yield Finding(Severity.OK, "configuration", f"{config.file.name} is valid")


def _state_dir(state_dir: Path) -> Iterator[Finding]:
    subject = f"state directory {state_dir}"
    try:
        place, free = probe_folder(state_dir)
    except OSError as error:
        yield Finding(Severity.CRITICAL, subject, str(error), write_next_step(error))
        return
    if agent_runs(state_dir):
        step = "fine if it is this one; a second agent needs a state_dir: of its own"
        yield Finding(Severity.WARNING, subject, "an agent runs with it now", step)
    else:
        yield Finding(Severity.OK, subject, "writable, no agent runs with it")
    severity = (
        Severity.CRITICAL if free < NO_DISK_BYTES else Severity.WARNING if free < LITTLE_DISK_BYTES else Severity.OK
    )
    next_step = None if severity is Severity.OK else "free space, or set state_dir: to another disk"
    yield Finding(severity, "disk", f"{free // _MIB:,} MiB free at {place}", next_step)


def _log_file(path: Path) -> Finding:
    subject = f"log file {path}"
    try:
        if path.exists():
            path.open("ab").close()
        probe_folder(path.parent)  # the next file is created there when this one is full
    except OSError as error:
        return Finding(Severity.CRITICAL, subject, error.strerror or str(error), write_next_step(error))
    return Finding(Severity.OK, subject, "writable")


def _clock(config: AgentConfig, clock: Clock) -> Iterator[Finding]:
    now = datetime.fromtimestamp(clock.time_ns() / 1e9, UTC)
    message = f"{now:%Y-%m-%d %H:%M:%S} UTC, {now.astimezone():%H:%M:%S} here (UTC{now.astimezone():%z})"
    step = "set the clock, and keep it set by NTP: each value is stored with this time"
    if now.year not in SANE_YEARS:
        yield Finding(Severity.CRITICAL, "clock", message, step)
        return
    newest, ahead = _newest(config), 0.0
    if newest is not None:
        ahead = newest[1] - now.timestamp()
    if newest is not None and ahead > FUTURE_SECONDS:
        message = f"{message}, but {newest[0]} is dated {ahead:,.0f} s later: the clock was set back, or is wrong"
        yield Finding(Severity.WARNING, "clock", message, step)
    else:
        yield Finding(Severity.OK, "clock", message)


def _newest(config: AgentConfig) -> tuple[Path, float] | None:
    """The newest file that this machine has written, and the time of it."""
    stamps = []
    for path in (config.file, *(config.state_dir.iterdir() if config.state_dir.is_dir() else ())):
        try:
            stamps.append((path.stat().st_mtime, path))
        except OSError:
            continue
    return (max(stamps)[1], max(stamps)[0]) if stamps else None
