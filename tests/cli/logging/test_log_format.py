from __future__ import annotations

import io
import json
import logging
import re
import threading
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_core.api import Repeats, SinkState
from agent_core.cli.logging.format import FIXED_KEYS, ConsoleFormatter, ForeignLimit, JsonFormatter, logging_to
from agent_core.config import LogConfig, LogFormat, Redaction
from agent_core.testing.clock import ManualClock


def record(
    message: str = "file renamed: name=%s",
    *arguments: object,
    logger: str = "csv_sink",
    error: Exception | None = None,
) -> logging.LogRecord:
    exc_info = None if error is None else (type(error), error, error.__traceback__)
    made = logging.LogRecord(logger, logging.WARNING, "", 0, message, arguments, exc_info)
    made.created = 1_767_225_600.25
    return made


def console(made: logging.LogRecord, *secrets: str) -> str:
    return ConsoleFormatter(redaction_of(*secrets)).format(made)


def entry(made: logging.LogRecord, *secrets: str) -> dict[str, object]:
    text = JsonFormatter(redaction_of(*secrets), ["agent_core", "csv_sink"]).format(made)
    assert len(text.splitlines()) == 1
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


def fields(made: logging.LogRecord, *secrets: str) -> dict[str, object]:
    return {key: value for key, value in entry(made, *secrets).items() if key not in FIXED_KEYS}


def redaction_of(*secrets: str) -> Redaction:
    redaction = Redaction()
    for secret in secrets:
        redaction.add(secret)
    return redaction


def test_a_console_line_has_time_level_logger_and_message() -> None:
    text = console(record("file renamed: name=%s", "a.csv"))
    assert text.endswith(" warning csv_sink: file renamed: name=a.csv")
    assert text[10] == "T"
    assert text[19:23] == ".250"


def test_json_is_one_object_a_line() -> None:
    found = entry(record("file renamed: name=%s", "a.csv", error=OSError("no\nspace")))
    assert "OSError: no\nspace" in str(found.pop("exception"))
    assert found == {
        "time": "2026-01-01T00:00:00.250Z",
        "level": "warning",
        "logger": "csv_sink",
        "event": "file renamed",
        "name": "a.csv",
        "message": "file renamed: name=a.csv",
    }


def test_fields_have_the_types_of_their_arguments() -> None:
    message = (
        "write failed: sink=%s rows=%d retry_in=%.1fs durable=%s file=%s error=%s state=%s by=%+.3fs%s; wait 100 %%"
    )
    made = record(message, "w", 500, 1.25, True, None, OSError("full"), SinkState.DOWN, -3.5, Repeats(7))
    found = entry(made)
    assert str(found["message"]).endswith("state=down by=-3.500s repeated=7; wait 100 %")
    assert fields(made) == {
        "sink": "w",
        "rows": 500,
        "retry_in": 1.25,
        "durable": True,
        "file": None,
        "error": "full",
        "state": "down",
        "by": -3.5,
        "repeated": 7,
    }


def test_the_count_is_a_field_also_when_nothing_was_kept_quiet() -> None:
    made = record("write failed: sink=%s%s", "w", Repeats(0))
    assert fields(made) == {"sink": "w", "repeated": 0}
    assert entry(made)["message"] == "write failed: sink=w"


def test_what_json_has_no_number_for_is_a_text() -> None:
    assert fields(record("value read: value=%s as=%r", float("nan"), "x")) == {"value": "nan", "as": "'x'"}


def test_a_field_with_the_name_of_a_fixed_key_gets_an_underscore() -> None:
    found = entry(record("answer received: time=%s level=%d message=%s", "now", 3, "hello"))
    assert (found["time_"], found["level_"], found["message_"]) == ("now", 3, "hello")
    assert found["level"] == "warning"


@pytest.mark.parametrize("logger", ["asyncua.client", "py.warnings", "csv_sinking"])
def test_records_of_others_have_a_message_only(logger: str) -> None:
    found = entry(record("connection lost: host=%s", "plc", logger=logger))
    assert set(found) == {"time", "level", "logger", "message"}


@pytest.mark.parametrize("logger", ["agent_core.cli.commands.run", "csv_sink.files.part"])
def test_the_agent_and_its_plugins_are_no_others(logger: str) -> None:
    assert fields(record("connection lost: host=%s", "plc", logger=logger)) == {"host": "plc"}


@pytest.mark.parametrize(
    ("message", "arguments"),
    [("hello %s", ("x",)), ("Hello World: x=%s", ("x",)), ("no fields", ()), ("%s: x=%s", ("a", "b"))],
)
def test_a_plugin_that_does_not_keep_the_convention_has_a_message_only(
    message: str, arguments: tuple[object, ...]
) -> None:
    assert set(entry(record(message, *arguments))) == {"time", "level", "logger", "message"}


def test_wrong_arguments_cost_the_fields_and_not_the_line() -> None:
    made = record("rows written: count=%d", "many")
    assert "rows written: count=%d ('many',)" in console(made)
    assert entry(made)["event"] == "rows written"


def test_no_value_makes_a_line_of_its_own() -> None:
    forged = "x\n2026-01-01T00:00:00.000Z error agent_core.agent: rows dropped\r\x1b[2J\x85\u2028\u202etxt"
    made = record("device answered: text=%s", forged, error=OSError(forged))
    first, *rest = console(made).splitlines()
    assert first.endswith(
        r"text=x\n2026-01-01T00:00:00.000Z error agent_core.agent: rows dropped\r\x1b[2J\x85\u2028\u202etxt"
    )
    assert rest
    assert all(line.startswith("    ") for line in rest)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]", console(made))
    assert fields(made) == {"text": forged}


def test_json_is_ascii_and_valid_whatever_a_device_sends() -> None:
    made = record("device answered: text=%s", "\udc80 ö \U0001f600")
    text = JsonFormatter(Redaction(), ["csv_sink"]).format(made)
    assert text.isascii()
    assert json.loads(text)["text"] == "\\udc80 ö \U0001f600"


def test_secrets_are_hidden_in_message_fields_and_traceback() -> None:
    made = record(
        "log-in failed: user=%s password=%s port=%d error=%s",
        "agent", "hunter2", 48213, OSError("agent/hunter2"), error=OSError("as agent/hunter2"),
    )  # fmt: skip
    found = entry(made, "hunter2", "48213")
    assert "hunter2" not in json.dumps(found)
    assert "48213" not in json.dumps(found)
    assert fields(made, "hunter2", "48213") == {
        "user": "agent",
        "password": "***",
        "port": "***",
        "error": "agent/***",
    }
    assert "OSError: as agent/***" in str(found["exception"])
    assert "hunter2" not in console(made, "hunter2")


def test_a_secret_across_several_fields_leaves_no_fields() -> None:
    made = record("log-in failed: user=%s host=%s", "agent", "db")
    found = entry(made, "agent host=db")
    assert found["message"] == "log-in failed: user=***"
    assert fields(made, "agent host=db") == {}
    assert fields(record("disk filled: path=%s; make room", "/data"), "data; make") == {}


def test_a_number_is_hidden_as_it_is_printed_too() -> None:
    assert fields(record("pin tried: pin=%.0f", 12344.9), "12345") == {"pin": "***"}


@given(secret=st.text(min_size=1).filter(str.strip), before=st.text(), after=st.text())
def test_no_secret_gets_through(secret: str, before: str, after: str) -> None:
    made = record("log-in failed: error=%s", before + secret + after)
    hidden = redaction_of(secret).redact(before + secret + after)
    assert fields(made, secret).get("error", hidden) == hidden.encode("utf-8", "backslashreplace").decode()


def test_a_warning_of_another_library_passes_once_a_minute_with_the_count_of_the_rest() -> None:
    clock = ManualClock()
    limit = ForeignLimit(clock, ["agent_core"])

    def passes(line: int, logger: str = "uvicorn.error", level: int = logging.WARNING) -> str | None:
        made = logging.LogRecord(logger, level, "h11_impl.py", line, "Invalid %s", ("100 %",), None)
        passed = [limit.filter(made) for _ in ("standard error", "file")]
        assert passed[0] is passed[1]
        return made.getMessage() if passed[0] else None

    assert passes(1) == passes(2) == "Invalid 100 %"
    assert [passes(1) for _ in range(5)] == [None] * 5
    assert passes(1, logger="agent_core.agent") == passes(1, level=logging.INFO) == "Invalid 100 %"
    clock.advance(60.0)
    assert passes(1) == "Invalid 100 % repeated=5"


@pytest.mark.parametrize("format_", LogFormat)
def test_records_go_to_every_handler_without_secrets_and_all_is_put_back(format_: LogFormat) -> None:
    outs, redaction = [io.StringIO(), io.StringIO()], redaction_of("hunter2")
    root = logging.getLogger()
    before = (list(root.handlers), root.level, threading.excepthook)
    with logging_to([logging.StreamHandler(out) for out in outs], LogConfig("warning", format_, None), redaction, []):
        logging.getLogger("x").info("not this")
        logging.getLogger("x").warning("password=%s", "hunter2")
    assert (list(root.handlers), root.level, threading.excepthook) == before
    for out in outs:
        assert "not this" not in out.getvalue()
        assert "password=***" in out.getvalue()


def test_warnings_and_dead_threads_are_records_too() -> None:
    def die() -> None:
        raise RuntimeError("a thread's end")

    out = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        config = LogConfig("info", LogFormat.CONSOLE, None)
        with logging_to([logging.StreamHandler(out)], config, Redaction(), []):
            thread = threading.Thread(target=die, name="poller")
            thread.start()
            thread.join()
            warnings.warn("old driver", DeprecationWarning, stacklevel=1)
    assert "thread died: thread=poller" in out.getvalue()
    assert "RuntimeError: a thread's end" in out.getvalue()
    assert "old driver" in out.getvalue()
