"""The lock of a state directory: one agent at a time."""

from __future__ import annotations

import threading
from pathlib import Path

from filelock import FileLock, Timeout

from agent_core.api import Clock
from agent_core.api.files.private import PRIVATE_FILE

NAME = "agent.lock"
LOOK_SECONDS = 1.0
"""A check whether an agent runs holds the lock for a moment; an agent that starts waits this long for it."""

AGAIN_SECONDS = 0.05


def state_lock(state_dir: Path) -> FileLock:
    """The lock that a running agent holds."""
    return FileLock(state_dir / NAME, mode=PRIVATE_FILE)


def take(lock: FileLock, clock: Clock) -> None:
    """Hold the lock. Raises filelock's Timeout when an agent holds it, or OSError."""
    until = clock.monotonic() + LOOK_SECONDS
    pause = threading.Condition()
    while True:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if clock.monotonic() >= until:
                raise
        else:
            return
        with pause:
            clock.wait(pause, AGAIN_SECONDS)


def agent_runs(state_dir: Path) -> bool:
    """True when an agent runs with this state directory now; False also when that is unknown. Creates nothing."""
    if not (state_dir / NAME).exists():
        return False
    lock = state_lock(state_dir)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    except OSError:
        return False
    lock.release()
    return False
