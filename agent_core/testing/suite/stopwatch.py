"""Stopwatch: how long something took, but for the time in which the machine was too busy to do it."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path
from typing import Final

_PRESSURE: Final = Path("/proc/pressure")


class Stopwatch:
    """Runs from the moment it is made. For tests of what a product promises in seconds.

    A test that compares the wall clock with a promise fails on a machine that is busy with something else. The kernel
    knows how long tasks waited for a processor or a disk (pressure stall information); that time does not count here,
    whichever task it was that waited. So a busy machine proves nothing, and a quiet one proves the promise.
    """

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._stalled = _stalled_seconds()

    @property
    def seconds(self) -> float:
        """At most what has gone by so far; 0 where the kernel keeps no such account, as on Windows."""
        stalled = _stalled_seconds()
        if self._stalled is None or stalled is None:
            return 0.0
        return max(0.0, time.monotonic() - self._began - (stalled - self._stalled))


def _stalled_seconds() -> float | None:
    """The longest that any one task can have waited since the machine started."""
    try:
        cpu, disk = (_total_seconds((_PRESSURE / name).read_text("ascii")) for name in ("cpu", "io"))
    except OSError:
        return None
    # It is the mean over the processors; the one task may have waited for the only one that was contended.
    return (cpu + disk) * (os.cpu_count() or 1)


def _total_seconds(text: str) -> float:
    found = re.search(r"^some .*total=(\d+)$", text, re.MULTILINE)
    return int(found[1]) / 1e6 if found else 0.0
