"""ProcessEnd: end the process although a thread hangs.

At exit Python waits for every thread that is not a daemon, however long it takes. So one thread of a plugin or driver
that hangs in a socket would keep the process alive after everything has stopped.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress
from typing import Final, NoReturn

from agent_core.api import Log

_log = Log(__name__)

GRACE_SECONDS: Final = 1.0
"""For threads that are about to end."""

LAST_WORDS_SECONDS: Final = 1.0
"""For output that is still to be written."""


def end_process_if_held(code: int, *, stopped: bool) -> None:
    """Return when no thread holds the process; otherwise end it at once with ``code``.

    Call it last, from the main thread, when everything that must be on disk is there. ``stopped`` is False when a part
    did not stop: nobody knows what it holds, so the process ends at once.
    """
    if held_by_threads(stopped=stopped):
        end_process(code)


def held_by_threads(*, stopped: bool) -> bool:
    """True when the process has to be ended, see above. Names the threads in the log."""
    if stopped:
        deadline = time.monotonic() + GRACE_SECONDS
        for thread in _others():
            thread.join(max(0.0, deadline - time.monotonic()))
        if not _others():
            return False
    if names := ", ".join(thread.name for thread in _others()):
        _log.warning("process ended with threads running", threads=names)
    return True


def end_process(code: int) -> NoReturn:
    """End the process with ``code`` within LAST_WORDS_SECONDS, whoever holds a lock or does not read."""
    speaking = threading.Thread(target=_last_words, daemon=True)
    with suppress(RuntimeError, MemoryError):  # no thread left: what is not written is lost
        speaking.start()
        speaking.join(LAST_WORDS_SECONDS)
    os._exit(code)


def _last_words() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # the reader has gone
            stream.flush()
    logging.shutdown()


def _others() -> list[threading.Thread]:
    """Threads that Python would wait for."""
    return [thread for thread in threading.enumerate() if not thread.daemon and thread is not threading.main_thread()]
