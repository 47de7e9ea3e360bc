"""Terminal: log lines and one status line that share standard error without garbling each other."""

from __future__ import annotations

import shutil
import threading
from typing import TextIO

from agent_core.cli.text.table import cut_to_width


class Terminal:
    """Writes lines above a status line that is rewritten in place. Thread-safe.

    On a stream that is not a terminal the status line is an ordinary line. Each call is one write that stands for
    itself, so a stream may drop some.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._status = ""
        self.interactive = stream.isatty()

    def line(self, text: str) -> None:
        """Write ``text`` (may hold line breaks) and leave the status line below it."""
        with self._lock:
            self._write(f"{self._erasing()}{text}\n{self._status}")

    def status(self, text: str) -> None:
        """Replace the status line."""
        with self._lock:
            if not self.interactive:
                self._write(text + "\n")
                return
            erasing = self._erasing()
            self._status = cut_to_width(text, _width())
            self._write(erasing + self._status)

    def end_status(self) -> None:
        """Leave the last status line where it is and continue below it."""
        with self._lock:
            if self._status:
                self._write("\n")
                self._status = ""

    def _erasing(self) -> str:
        # Blanks rather than an escape sequence: older Windows consoles print those. As many as fit: what the screen
        # shows may be an older status, and longer.
        return f"\r{' ' * _width()}\r" if self._status else ""

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads any more (a closed pipe): the agent continues without output.
            self._status = ""


def _width() -> int:
    return max(shutil.get_terminal_size().columns - 1, 3)
