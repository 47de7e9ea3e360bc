"""Defects: what the log of a test says of bugs, so that none hides behind a worker that starts again.

What the agent survives it logs with the traceback: a worker restarted, a watch that failed, a driver that raised what
no driver may raise. The test may end well all the same. In the log a traceback means a defect, of the agent or of a
plugin; mistakes of a user and faults of a device have none.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from agent_core.api import LogEvent

_TRACEBACK = "Traceback (most recent call last):"
_EVENT = re.compile(r'\S+ \w+ +[\w.]+: ([^:]+)|\{.*"event": "([^"]+)"')
"""What begins a line of the log, in its two formats."""


class _Tracebacks(logging.Handler):
    """Keeps the first one of each event."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: dict[str, str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        if isinstance(record.msg, LogEvent) and record.exc_info:
            text = f"{record.getMessage()}\n{logging.Formatter().formatException(record.exc_info)}"
            self.found.setdefault(record.msg.event, text)


@contextmanager
def no_defects(provoked: Iterable[str] = ()) -> Iterator[None]:
    """Raise AssertionError at the end of the body if an event with a traceback was logged that it does not provoke."""
    tracebacks, root = _Tracebacks(), logging.getLogger()
    root.addHandler(tracebacks)
    try:
        yield
    finally:
        root.removeHandler(tracebacks)
    _refuse(tracebacks.found, provoked)


def check_output(output: str, provoked: Iterable[str] = ()) -> None:
    """Raise AssertionError if what a process wrote has a traceback, except those of events that were provoked."""
    found: dict[str, str] = {}
    event = "no event"
    for line in output.splitlines():
        if start := _EVENT.match(line):
            event = start[1] or start[2]
        if _TRACEBACK in line:
            found.setdefault(event, output)
    _refuse(found, provoked)


def _refuse(found: Mapping[str, str], provoked: Iterable[str]) -> None:
    defects = {event: text for event, text in found.items() if event not in provoked}
    assert not defects, "\n".join((f"defects that this test does not provoke: {', '.join(defects)}", *defects.values()))
