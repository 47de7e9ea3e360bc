"""logging_to: what becomes a record, where it goes, and that all is put back."""

from __future__ import annotations

import io
import logging
import threading
import warnings

import pytest

from agent_core.cli.logging.output import logging_to
from agent_core.config import LogConfig, LogFormat, Redaction


@pytest.mark.parametrize("format_", LogFormat)
def test_records_go_to_every_handler_without_secrets_and_all_is_put_back(format_: LogFormat) -> None:
    outs, redaction = [io.StringIO(), io.StringIO()], Redaction()
    redaction.add("hunter2")
    root = logging.getLogger()
    before = (list(root.handlers), root.level, threading.excepthook, logging.getLogRecordFactory())
    with logging_to([logging.StreamHandler(out) for out in outs], LogConfig("warning", format_, None), redaction, []):
        logging.getLogger("x").info("not this")
        logging.getLogger("x").warning("password=%s", "hunter2")
    assert (list(root.handlers), root.level, threading.excepthook, logging.getLogRecordFactory()) == before
    for out in outs:
        assert "not this" not in out.getvalue()
        assert "password=***" in out.getvalue()


def test_warnings_and_dead_threads_are_records_too_and_have_no_secrets() -> None:
    def die() -> None:
        raise RuntimeError("a thread's end: hunter2")

    out, redaction = io.StringIO(), Redaction()
    redaction.add("hunter2")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        config = LogConfig("info", LogFormat.CONSOLE, None)
        with logging_to([logging.StreamHandler(out)], config, redaction, []):
            thread = threading.Thread(target=die, name="poller")
            thread.start()
            thread.join()
            warnings.warn("old driver hunter2", DeprecationWarning, stacklevel=1)
    assert "thread died: thread=poller" in out.getvalue()
    assert "RuntimeError: a thread's end: ***" in out.getvalue()
    assert "old driver ***" in out.getvalue()
    assert "hunter2" not in out.getvalue()


def test_a_record_that_another_process_made_has_no_secrets_either() -> None:
    out, redaction = io.StringIO(), Redaction()
    redaction.add("hunter2")
    with logging_to([logging.StreamHandler(out)], LogConfig("info", LogFormat.CONSOLE, None), redaction, []):
        sent = {"name": "child", "levelno": 30, "levelname": "WARNING", "msg": "as hunter2", "exc_text": "by hunter2"}
        logging.getLogger("child").handle(logging.makeLogRecord(sent))
    assert "child: as ***" in out.getvalue()
    assert "hunter2" not in out.getvalue()
