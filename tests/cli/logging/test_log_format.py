"""The formatters: one line per record for people, one JSON object per record for programs."""

from __future__ import annotations

import json
import logging
import re

import pytest

from agent_core.api import LogEvent
from agent_core.cli.logging.format import ConsoleFormatter, JsonFormatter


def record(
    message: object,
    *arguments: object,
    logger: str = "csv_sink",
    error: Exception | None = None,
) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord(logger, logging.WARNING, "", 0, message, arguments, exc_info)
    made.created = 1_767_225_600.25
    return made


def event(name: str, error: Exception | None = None, **fields: object) -> logging.LogRecord:
    return record(LogEvent(name, fields), error=error)


def console(made: logging.LogRecord) -> str:
    return ConsoleFormatter().format(made)


def entry(made: logging.LogRecord) -> dict[str, object]:
    text = JsonFormatter().format(made)
    assert len(text.splitlines()) == 1
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def test_a_console_line_has_time_level_logger_event_fields_and_the_next_step() -> None:
    text = console(event("write failed", sink="w", retry_in_seconds=1.5, next_step="wait"))
    assert text.endswith(" warning csv_sink: write failed: sink=w retry_in_seconds=1.5; wait")
    assert text[10] == "T"
    assert text[19:23] == ".250"


def test_json_is_one_object_per_line_with_a_key_per_field() -> None:
    made = event(
        "write failed", OSError("no\nspace"), sink="w", records=500, retry_in_seconds=1.25, durable=True, file=None
    )
    found = entry(made)
    assert "OSError: no\nspace" in str(found.pop("exception"))
    assert found == {
        "time": "2026-01-01T00:00:00.250Z",
        "level": "warning",
        "logger": "csv_sink",
        "event": "write failed",
        "sink": "w",
        "records": 500,
        "retry_in_seconds": 1.25,
        "durable": True,
        "file": None,
        "message": "write failed: sink=w records=500 retry_in_seconds=1.25 durable=True file=None",
    }


def test_a_field_with_the_name_of_a_fixed_key_gets_an_underscore() -> None:
    found = entry(record(LogEvent("answer received", {"time": "now", "level": 3, "message": "hello"})))
    assert (found["time_"], found["level_"], found["message_"]) == ("now", 3, "hello")
    assert found["level"] == "warning"


@pytest.mark.parametrize("logger", ["asyncua.client", "py.warnings", "csv_sink"])
def test_a_record_that_is_not_an_event_has_a_message_only(logger: str) -> None:
    found = entry(record("Connection to %s lost", "plc", logger=logger))
    assert set(found) == {"time", "level", "logger", "message"}
    assert found["message"] == "Connection to plc lost"


def test_no_value_makes_a_line_of_its_own() -> None:
    forged = "x\n2026-01-01T00:00:00.000Z error agent_core.agent: records dropped\r\x1b[2J\x85\u2028\u202etxt"
    made = event("device answered", OSError(forged), text=forged)
    first, *rest = console(made).splitlines()
    assert first.endswith(
        r"text=x\n2026-01-01T00:00:00.000Z error agent_core.agent: records dropped\r\x1b[2J\x85\u2028\u202etxt"
    )
    assert rest
    assert all(line.startswith("    ") for line in rest)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", console(made))
    assert entry(made)["text"] == forged


def test_json_is_ascii_and_valid_whatever_a_device_sends() -> None:
    text = JsonFormatter().format(event("device answered", text="\udc80 ö \U0001f600"))
    assert text.isascii()
    assert json.loads(text)["text"] == "\\udc80 ö \U0001f600"


def test_a_stack_is_shown_below_the_traceback() -> None:
    made = event("seen", OSError("full"))
    made.stack_info = "Stack (most recent call last):\n  here"
    assert console(made).splitlines()[-2:] == ["    Stack (most recent call last):", "      here"]
    assert str(entry(made)["exception"]).endswith("OSError: full\nStack (most recent call last):\n  here")
