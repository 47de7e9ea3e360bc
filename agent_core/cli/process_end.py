"""ProcessEnd: leave the process although something in it does not end.

At its end Python waits for every thread that is not a daemon, however long, so one thread of a plugin or of a driver
that hangs in a socket keeps alive a process that has stopped.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress
from typing import Final

from agent_core.api import Log

_log = Log(__name__)

GRACE_SECONDS: Final = 1.0
"""For threads that were told to stop and are just ending."""


def end_process_if_held(code: int, *, stopped: bool) -> None:
    """Return when nothing holds the process; else end it with ``code``, here and now.

    To be called from the main thread as the last thing, when all that must be on disk is there. ``stopped`` is False
    when a part did not stop: then there is no telling what it holds, and the process ends at once.
    """
    if stopped:
        deadline = time.monotonic() + GRACE_SECONDS
        for thread in _others():
            thread.join(max(0.0, deadline - time.monotonic()))
        if not _others():
            return
    if names := ", ".join(thread.name for thread in _others()):
        _log.warning("process ended with threads running", threads=names)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # whoever read it has gone
            stream.flush()
    os._exit(code)


def _others() -> list[threading.Thread]:
    """Threads that Python would wait for."""
    return [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]
