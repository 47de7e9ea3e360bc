"""TerminalHandler: the log above the status line."""

from __future__ import annotations

import logging

from agent_core.cli.logging.unlocked import UnlockedHandler
from agent_core.cli.text.terminal import Terminal


class TerminalHandler(UnlockedHandler):
    """Writes log records through a Terminal, which has a lock of its own."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._terminal.line(self.format(record))
        except Exception:
            self.handleError(record)
