"""How log records are written: for people, or one JSON object a line.

Whatever a device, a database or a client on the network puts into a message, it makes no line of its own and moves no
cursor: control characters are escaped.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from agent_core.api import Clock, RateLimit, SystemClock
from agent_core.cli.logging.event import JsonValue, event_of
from agent_core.config import LogConfig, LogFormat, Redaction

_logger = logging.getLogger(__name__)

FIXED_KEYS: Final = ("time", "level", "logger", "event", "message", "exception")
"""A field of one of these names gets ``_`` behind it."""

_PYTHON_WARNINGS: Final = "py.warnings"
"""Python itself shows each of them once."""

_ALLOWED: Final = "tagferry_allowed"
"""The mark of a record that a handler has asked about already."""

_TRACEBACK_INDENT = "    "

# What ends a line or moves the cursor: C0, DEL and C1, the separators of Unicode, and what reverses the writing.
_BACK_TO_FRONT = (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
_ESCAPES: Final = {
    **{code: rf"\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0))},
    **{code: rf"\u{code:04x}" for code in (0x2028, 0x2029, *_BACK_TO_FRONT)},
    **{ord(char): text for char, text in (("\n", r"\n"), ("\r", r"\r"), ("\t", r"\t"))},
}


class ConsoleFormatter(logging.Formatter):
    """``2026-01-01T12:00:00.123+09:00 warning csv_sink: message``, in local time; a traceback is indented below."""

    def __init__(self, redaction: Redaction) -> None:
        super().__init__()
        self._redaction = redaction

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        message = self._redaction.redact(_message(record)).translate(_ESCAPES)
        lines = [f"{time} {record.levelname.lower():<7} {record.name}: {message}"]
        for details in _details(self, record):
            lines += [
                _TRACEBACK_INDENT + line.translate(_ESCAPES) for line in self._redaction.redact(details).split("\n")
            ]
        return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """Keys ``time`` (UTC), ``level``, ``logger``, ``message``, and ``exception`` where there is one.

    Records of the loggers ``own`` and of those below them have ``event`` too, and a key for each field. All is ASCII,
    so that no encoding of standard error can break it.
    """

    def __init__(self, redaction: Redaction, own: Collection[str]) -> None:
        super().__init__()
        self._redaction = redaction
        self._own = own

    def format(self, record: logging.LogRecord) -> str:
        redact = self._redaction.redact
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry: dict[str, JsonValue] = {"time": time, "level": record.levelname.lower(), "logger": record.name}
        found = event_of(record, redact) if _is_of(record, self._own) else None
        if found is not None:
            entry["event"] = found.event
            entry |= {f"{key}_" if key in FIXED_KEYS else key: value for key, value in found.fields.items()}
        entry["message"] = redact(_message(record))
        if details := _details(self, record):
            entry["exception"] = redact("\n".join(details))
        return json.dumps({key: _unicode(value) for key, value in entry.items()})


class ForeignLimit(logging.Filter):
    """Lets a warning, or worse, of another library through once a minute, with the count of the rest.

    Which one it is, is the line of code that says it: a web server answers each broken request of a stranger with the
    same warning. The agent and its plugins limit what they say themselves. One instance serves all handlers.
    """

    def __init__(self, clock: Clock, own: Collection[str]) -> None:
        super().__init__()
        self._limit = RateLimit(clock)
        self._own = own

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno < logging.WARNING or _is_of(record, self._own) or record.name == _PYTHON_WARNINGS:
            return True
        decided = record.__dict__
        if _ALLOWED not in decided:
            repeats = self._limit.allow(f"{record.pathname}:{record.lineno}")
            decided[_ALLOWED] = repeats is not None
            if repeats:
                record.msg, record.args = f"{_message(record)}{repeats}", ()
        return bool(decided[_ALLOWED])


@contextmanager
def logging_to(
    handlers: Sequence[logging.Handler], config: LogConfig, redaction: Redaction, plugins: Iterable[str]
) -> Iterator[None]:
    """Send every record of ``config.level`` and above to ``handlers``, without secrets, while the block runs.

    ``plugins`` are the names of those whose records have fields. Warnings of Python and the deaths of threads become
    records too.
    """
    own = frozenset(("agent_core", *plugins))
    limit = ForeignLimit(SystemClock(), own)
    formatter = JsonFormatter(redaction, own) if config.format is LogFormat.JSON else ConsoleFormatter(redaction)
    root, thread_hook = logging.getLogger(), threading.excepthook
    level = root.level
    for handler in handlers:
        handler.setFormatter(formatter)
        handler.addFilter(limit)
        root.addHandler(handler)
    root.setLevel(config.level.upper())
    logging.captureWarnings(True)
    threading.excepthook = _log_thread_death
    try:
        yield
    finally:
        threading.excepthook = thread_hook
        logging.captureWarnings(False)
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.removeFilter(limit)
            handler.close()


def _log_thread_death(death: threading.ExceptHookArgs) -> None:
    if death.exc_type is SystemExit or death.exc_value is None:
        return
    name = "?" if death.thread is None else death.thread.name
    _logger.critical("thread died: thread=%s", name, exc_info=death.exc_value)


def _is_of(record: logging.LogRecord, own: Collection[str]) -> bool:
    return record.name.partition(".")[0] in own


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, LookupError):  # a plugin's mistake costs the form of the line, not the line
        return f"{record.msg} {record.args!r}"


def _details(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    details = []
    if record.exc_info:
        details.append(formatter.formatException(record.exc_info))
    elif record.exc_text:
        details.append(record.exc_text)
    if record.stack_info:
        details.append(record.stack_info)
    return details


def _unicode(value: JsonValue) -> JsonValue:
    """JSON has no lone surrogates."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
