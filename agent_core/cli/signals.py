"""Signals that ask a command to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

_SIGNALS: Final = ("SIGINT", "SIGTERM", "SIGBREAK", "SIGHUP")
"""Those that the platform has. SIGBREAK: Ctrl-Break or the end of a session on Windows. SIGHUP: a closed terminal."""


@contextmanager
def signal_handlers(stop: Callable[[str], None], *, last: bool = False) -> Iterator[None]:
    """Turn signals into stop requests while the block runs. Has no effect outside the main thread.

    ``last``: only the end of the process follows, so signals are ignored from then on. Its exit code is known.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(number: int, _: FrameType | None) -> None:
        stop(_name(number))

    numbers = [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]
    # Under nohup and the like, a closed terminal stays ignored.
    wanted = [number for number in numbers if _name(number) != "SIGHUP" or signal.getsignal(number) != signal.SIG_IGN]
    previous = [(number, signal.signal(number, handle)) for number in wanted]
    try:
        yield
    finally:
        for number, handler in previous:
            signal.signal(number, signal.SIG_IGN if last else handler)


def ignore_signals() -> None:
    """Nothing but the end of the process follows: no signal changes its exit code any more."""
    if threading.current_thread() is not threading.main_thread():
        return
    for name in _SIGNALS:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _name(number: int) -> str:
    return signal.Signals(number).name
