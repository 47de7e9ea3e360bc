from __future__ import annotations

import io
import json
import logging
import threading
import warnings

import pytest

from agent_core.cli.log_format import ConsoleFormatter, JsonFormatter, logging_to
from agent_core.config import LogConfig, LogFormat, Redaction


def record(level: int = logging.WARNING, error: Exception | None = None) -> logging.LogRecord:
    made = logging.LogRecord("csv_sink", level, "", 0, "file renamed: name=%s", ("a.csv",), None)
    made.created = 1_767_225_600.25
    if error is not None:
        made.exc_info = (type(error), error, error.__traceback__)
    return made


def test_a_console_line_has_time_level_logger_and_message() -> None:
    text = ConsoleFormatter().format(record())
    assert text.endswith(" warning csv_sink: file renamed: name=a.csv")
    assert text[10] == "T"
    assert text[19:23] == ".250"


def test_json_is_one_object_a_line() -> None:
    text = JsonFormatter().format(record(error=OSError("no\nspace")))
    assert "\n" not in text
    entry = json.loads(text)
    assert "OSError: no\nspace" in entry.pop("exception")
    assert entry == {
        "time": "2026-01-01T00:00:00.250Z",
        "level": "warning",
        "logger": "csv_sink",
        "message": "file renamed: name=a.csv",
    }


@pytest.fixture
def quiet_root() -> logging.Logger:
    return logging.getLogger()


@pytest.mark.parametrize("format_", LogFormat)
def test_records_go_to_the_handler_without_secrets_and_all_is_put_back(format_: LogFormat) -> None:
    out, redaction = io.StringIO(), Redaction()
    redaction.add("hunter2")
    root = logging.getLogger()
    before = (list(root.handlers), root.level, threading.excepthook)
    with logging_to(logging.StreamHandler(out), LogConfig("warning", format_), redaction):
        logging.getLogger("x").info("not this")
        logging.getLogger("x").warning("password=%s", "hunter2")
    assert (list(root.handlers), root.level, threading.excepthook) == before
    assert "not this" not in out.getvalue()
    assert "password=***" in out.getvalue()


def test_warnings_and_dead_threads_are_records_too() -> None:
    def die() -> None:
        raise RuntimeError("a thread's end")

    out = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        with logging_to(logging.StreamHandler(out), LogConfig("info", LogFormat.CONSOLE), Redaction()):
            thread = threading.Thread(target=die, name="poller")
            thread.start()
            thread.join()
            warnings.warn("old driver", DeprecationWarning, stacklevel=1)
    assert "thread died: thread=poller" in out.getvalue()
    assert "RuntimeError: a thread's end" in out.getvalue()
    assert "old driver" in out.getvalue()
