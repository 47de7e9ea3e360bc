"""Patience: how long a test waits in real time for what comes at once on a machine that has nothing else to do.

It bounds a hang. It costs nothing as long as all is well, so that it may be longer than any machine is busy.
"""

from __future__ import annotations

from typing import Final

PATIENCE_SECONDS: Final = 60.0
"""For something that happens in another thread, or in a process that runs already."""

PROCESS_SECONDS: Final = 120.0
"""For a process that has to start, or to go through several steps."""
