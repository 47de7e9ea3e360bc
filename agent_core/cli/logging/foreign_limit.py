"""ForeignLimit: another library's warning that repeats does not fill the log."""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Final

from agent_core.api import Clock, RateLimit

_PYTHON_WARNINGS: Final = "py.warnings"
"""Python itself shows each of them once."""

_ALLOWED: Final = "tagferry_allowed"
"""The attribute of a record that a handler has asked about already."""


class ForeignLimit(logging.Filter):
    """Lets a warning, or worse, of another library through once per minute, with the count of the others.

    The limit is per line of code that logs: a web server answers each broken request of a stranger with the same
    warning. The agent and its plugins (loggers ``own`` and below) limit their own. One instance serves all handlers.
    """

    def __init__(self, clock: Clock, own: Collection[str]) -> None:
        super().__init__()
        self._limit = RateLimit(clock)
        self._own = own

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or record.name == _PYTHON_WARNINGS:
            return True
        if record.name.partition(".")[0] in self._own:
            return True
        decided = record.__dict__
        if _ALLOWED not in decided:
            repeated = self._limit.allow(f"{record.pathname}:{record.lineno}")
            decided[_ALLOWED] = repeated is not None
            if repeated:
                record.msg, record.args = f"{record.getMessage()} repeated={repeated}", ()
        return bool(decided[_ALLOWED])
