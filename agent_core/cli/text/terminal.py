"""Terminal: log lines and one status line that share standard error without garbling each other."""

from __future__ import annotations

import logging
import shutil
import threading
from typing import TextIO

from agent_core.cli.text.table import cut_to_width, display_width


class Terminal:
    """Writes lines above a status line that is rewritten in place. Thread-safe.

    On a stream that is not a terminal the status line is an ordinary line.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lock = threading.RLock()
        self._status = ""
        self.interactive = stream.isatty()

    def line(self, text: str) -> None:
        """Write ``text`` (may hold line breaks) and leave the status line below it."""
        with self._lock:
            self._erase()
            self._write(text + "\n")
            self._draw()

    def status(self, text: str) -> None:
        """Replace the status line."""
        with self._lock:
            if not self.interactive:
                self._write(text + "\n")
                return
            self._erase()
            self._status = cut_to_width(text, max(shutil.get_terminal_size().columns - 1, 3))
            self._draw()

    def end_status(self) -> None:
        """Leave the last status line where it is and continue below it."""
        with self._lock:
            if self._status:
                self._write("\n")
                self._status = ""

    def _erase(self) -> None:
        # Blanks rather than an escape sequence: older Windows consoles print those.
        if self._status:
            self._write("\r" + " " * display_width(self._status) + "\r")

    def _draw(self) -> None:
        if self._status:
            self._write(self._status)

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads any more (a closed pipe): the agent continues without output.
            self._status = ""


class TerminalHandler(logging.Handler):
    """Writes log records through a Terminal."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._terminal.line(self.format(record))
        except Exception:
            self.handleError(record)
