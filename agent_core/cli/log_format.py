"""How log records are written: for people, or one JSON object a line."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from agent_core.config import LogConfig, LogFormat, Redaction

_logger = logging.getLogger(__name__)


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


@contextmanager
def logging_to(handler: logging.Handler, config: LogConfig, redaction: Redaction) -> Iterator[None]:
    """Send every record of ``config.level`` and above to ``handler``, without secrets, while the block runs.

    Warnings of Python and the deaths of threads become records too.
    """
    handler.setFormatter(JsonFormatter() if config.format is LogFormat.JSON else ConsoleFormatter())
    handler.addFilter(redaction)
    root, thread_hook = logging.getLogger(), threading.excepthook
    level = root.level
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
        root.removeHandler(handler)
        handler.close()


def _log_thread_death(death: threading.ExceptHookArgs) -> None:
    if death.exc_type is SystemExit or death.exc_value is None:
        return
    name = "?" if death.thread is None else death.thread.name
    _logger.critical("thread died: thread=%s", name, exc_info=death.exc_value)


def _details(formatter: logging.Formatter, record: logging.LogRecord) -> list[str]:
    details = []
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    if record.exc_text:
        details.append(record.exc_text)
    if record.stack_info:
        details.append(record.stack_info)
    return details
