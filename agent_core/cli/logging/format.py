"""How log records are written: for people, or as one JSON object per line.

Text from a device, a database or a client on the network cannot start a line or move the cursor: control characters
are escaped.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Final

from agent_core.api import LogEvent
from agent_core.cli.text.escapes import escaped

FIXED_KEYS: Final = ("time", "level", "logger", "event", "message", "exception")
"""A field of one of these names gets ``_`` behind it."""

_TRACEBACK_INDENT = "    "


class ConsoleFormatter(logging.Formatter):
    """``2026-01-01T12:00:00.123+09:00 warning csv_sink: message``, in local time; a traceback is indented below."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        message = escaped(record.getMessage())
        lines = [f"{time} {record.levelname.lower():<7} {record.name}: {message}"]
        for details in _details(self, record):
            lines += [_TRACEBACK_INDENT + escaped(line) for line in details.split("\n")]
        return "\n".join(lines)


class JsonFormatter(logging.Formatter):
    """Keys ``time`` (UTC), ``level``, ``logger``, ``message``, and ``exception`` where there is one.

    A record that was written with a ``Log`` also has ``event`` and a key per field. Everything is ASCII, so that no
    encoding of standard error can break it.
    """

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry: dict[str, object] = {"time": time, "level": record.levelname.lower(), "logger": record.name}
        if isinstance(record.msg, LogEvent):
            entry["event"] = record.msg.event
            entry |= {f"{key}_" if key in FIXED_KEYS else key: value for key, value in record.msg.fields.items()}
        entry["message"] = record.getMessage()
        if details := _details(self, record):
            entry["exception"] = "\n".join(details)
        return json.dumps({key: _unicode(value) for key, value in entry.items()})


def _details(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    return [details for details in (record.exc_text, record.stack_info) if details]


def _unicode(value: object) -> object:
    """JSON has no lone surrogates."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
