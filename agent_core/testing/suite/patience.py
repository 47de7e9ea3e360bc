"""Patience: how long a test waits in real time for what comes at once on a machine that has nothing else to do.

It bounds a hang. It costs nothing as long as all is well, so that it may be longer than any machine is busy.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PATIENCE_SECONDS: Final = 60.0
"""For something that happens in another thread, or in a process that runs already."""

PROCESS_SECONDS: Final = 120.0
"""For a process that has to start, or to go through several steps."""

LEEWAY_SECONDS: Final = 20.0
"""How much longer than it promises a call may take on a busy machine. What it must not wait for takes longer still."""


@contextmanager
def within(seconds: float) -> Iterator[None]:
    """The body keeps its promise to end within ``seconds``, give or take the leeway.

    A test that uses it lets the thing that must not be waited for take ``PATIENCE_SECONDS`` or more: then it tells
    the two apart on a machine that is busy, too.
    """
    began = time.monotonic()
    yield
    took = time.monotonic() - began
    assert took < seconds + LEEWAY_SECONDS, f"it took {took:.1f} s, where {seconds:g} s were promised"
