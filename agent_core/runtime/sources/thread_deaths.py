"""ThreadDeaths: hears of every thread that an exception ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress


class ThreadDeaths:
    """Tells ``told`` of each such thread, in that thread, between ``install`` and ``remove``.

    ``SystemExit`` counts, which Python itself passes over in silence. Whoever was told before is told still.
    """

    def __init__(self, told: Callable[[threading.Thread, BaseException], None]) -> None:
        self._told = told
        self._installed = False
        self._previous = threading.excepthook

    def install(self) -> None:
        """Begin to hear."""
        self._previous = threading.excepthook
        threading.excepthook = self._hear
        self._installed = True

    def remove(self) -> None:
        """Hear no more; safe twice."""
        if self._installed and threading.excepthook == self._hear:
            threading.excepthook = self._previous
        self._installed = False

    def _hear(self, death: threading.ExceptHookArgs) -> None:
        if self._installed and death.thread is not None and death.exc_value is not None:
            with suppress(BaseException):
                self._told(death.thread, death.exc_value)
        self._previous(death)
