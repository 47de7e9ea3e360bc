"""How log records are written: for people, or one JSON object a line."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from agent_core.config import LogConfig, LogFormat, Redaction


class ConsoleFormatter(logging.Formatter):
    """``2026-01-01T12:00:00.123+09:00 warning csv_sink: message``, in local time."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created).astimezone().isoformat(timespec="milliseconds")
        text = f"{time} {record.levelname.lower():<7} {record.name}: {record.getMessage()}"
        return "\n".join([text, *_details(self, record)])


class JsonFormatter(logging.Formatter):
    """Keys ``time`` (UTC), ``level``, ``logger``, ``message``, and ``exception`` where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        entry = {
            "time": time,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        details = _details(self, record)
        if details:
            entry["exception"] = "\n".join(details)
        return json.dumps(entry, ensure_ascii=False)


def set_up_logging(config: LogConfig, handler: logging.Handler, redaction: Redaction) -> None:
    """Send every record of ``config.level`` and above to ``handler`` alone, without secrets."""
    handler.setFormatter(JsonFormatter() if config.format is LogFormat.JSON else ConsoleFormatter())
    handler.addFilter(redaction)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(config.level.upper())
    logging.captureWarnings(True)


def _details(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    details = []
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    if record.exc_text:
        details.append(record.exc_text)
    if record.stack_info:
        details.append(record.stack_info)
    return details
