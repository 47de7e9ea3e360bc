"""Mask: no record holds a secret, whatever a caller hands over and whoever handles it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from cli.conftest import SINK_SCHEMA, VALID, Command
from hypothesis import given
from hypothesis import strategies as st

from agent_core.api import Log, LogEvent, SinkState
from agent_core.cli.logging.mask import masked_records
from agent_core.config import Redaction

SECRET = "hunter2"
PLUGIN = Log("any_plugin")
LIBRARY = logging.getLogger("any.library")


class Kept(logging.Handler):
    """A handler that is not the agent's: keeps the records as they are."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def only(self) -> logging.LogRecord:
        (record,) = self.records
        return record

    @property
    def fields(self) -> dict[str, object]:
        assert isinstance(self.only.msg, LogEvent)
        return dict(self.only.msg.fields)


class Broken:
    """An object of somebody else, with a defect."""

    def __str__(self) -> NoReturn:
        raise RuntimeError("no text")

    __repr__ = __str__


class Connection:
    """Shows its password to ``repr`` alone."""

    def __str__(self) -> str:
        return "connection"

    def __repr__(self) -> str:
        return f"Connection(password={SECRET!r})"


@contextmanager
def kept(*secrets: str) -> Iterator[Kept]:
    redaction, handler, root = Redaction(), Kept(), logging.getLogger()
    for secret in secrets or (SECRET,):
        redaction.add(secret)
    root.addHandler(handler)
    try:
        with masked_records(redaction):
            yield handler
    finally:
        root.removeHandler(handler)


def raised() -> OSError:
    try:
        Path(f"agent/{SECRET}").read_text(encoding="utf-8")
    except OSError as error:
        return error
    raise AssertionError("there is such a file")


def test_fields_are_masked_and_keep_types_that_json_knows() -> None:
    with kept(SECRET, "48213", "12344.9") as handler:
        PLUGIN.error(
            "log-in failed",
            user="agent", password=SECRET, pin=48213, share=12344.9, error=OSError(f"agent/{SECRET}"),
            records=500, retry_in_seconds=1.25, durable=True, file=None, state=SinkState.DOWN, path=Path("a"),
            ratio=float("nan"),
        )  # fmt: skip
    assert handler.fields == {
        "user": "agent", "password": "***", "pin": "***", "share": "***", "error": "agent/***",
        "records": 500, "retry_in_seconds": 1.25, "durable": True, "file": None, "state": "down", "path": "a",
        "ratio": "nan",
    }  # fmt: skip
    assert type(handler.fields["state"]) is str
    assert SECRET not in handler.only.getMessage()


def test_a_secret_that_spans_fields_costs_all_of_them() -> None:
    with kept("agent host=db") as handler:
        PLUGIN.error("log-in failed", user="agent", host="db")
    assert handler.only.getMessage() == "log-in failed: fields=***"


def test_a_secret_in_the_words_of_an_event_is_masked_too() -> None:
    with kept("failed") as handler:
        PLUGIN.error("log-in failed", user="agent")
    assert handler.only.getMessage() == "log-in ***: user=agent"


def test_another_library_s_message_is_masked_with_its_arguments() -> None:
    with kept() as handler:
        LIBRARY.error("%s logs in with %s on port %d", "agent", SECRET, 1521)
    assert handler.only.getMessage() == "agent logs in with *** on port 1521"
    assert handler.only.args == ("agent", "***", 1521), "formatters of other libraries look at them"


@pytest.mark.parametrize(
    ("message", "arguments"),
    [
        (f"log-in as {SECRET}", ()),
        (f"log-in as {SECRET} by %s", ("agent",)),
        ("log-in as %s%s", (SECRET[:3], SECRET[3:])),
        ("log-in as %(password)s", ({"password": SECRET},)),
        ("log-in with %r", (Connection(),)),
        ("log-in with %s", (Connection(),)),
        ("log-in with %d", (SECRET,)),
        ("%s", (Broken(), SECRET)),
        (OSError(SECRET), ()),
    ],
)
def test_no_part_of_a_record_holds_the_secret(message: object, arguments: tuple[object, ...]) -> None:
    with kept() as handler:
        LIBRARY.error(message, *arguments)
    record = handler.only
    assert SECRET not in f"{record.getMessage()} {record.msg} {record.args!r}"


def test_a_number_that_is_a_secret_is_masked_also_where_the_text_wants_a_number() -> None:
    with kept("48213") as handler:
        LIBRARY.error("pin %d", 48213)
    assert handler.only.getMessage() == "pin ***"


def test_a_traceback_that_holds_a_secret_is_kept_as_text_alone() -> None:
    with kept() as handler:
        LIBRARY.error("log-in failed", exc_info=raised(), stack_info=True)
        LIBRARY.error("log-in failed", exc_info=KeyError("harmless"))
    first, second = handler.records
    assert first.exc_info is None
    assert first.exc_text is not None
    assert first.exc_text.endswith("No such file or directory: 'agent/***'")
    assert "Traceback" in first.exc_text
    assert SECRET not in str(first.stack_info)
    assert second.exc_info is not None


def test_objects_that_cannot_be_shown_cost_neither_the_line_nor_the_caller() -> None:
    with kept() as handler:
        LIBRARY.error("seen: %s by %s", Broken(), "x")
        LIBRARY.error(Broken())
        LIBRARY.error("%d and %s", "many")
        PLUGIN.error("seen", thing=Broken())
    assert [record.getMessage() for record in handler.records] == [
        "seen: %s by %s (Broken that cannot be shown) x",
        "(Broken that cannot be shown)",
        "%d and %s many",
        "seen: thing=(Broken that cannot be shown)",
    ]


def test_a_factory_that_was_there_is_called_and_comes_back() -> None:
    def make(*args: object, **kwargs: object) -> logging.LogRecord:
        record = logging.LogRecord(*args, **kwargs)  # type: ignore[arg-type]
        record.site = "plant 1"
        return record

    before = logging.getLogRecordFactory()
    logging.setLogRecordFactory(make)
    try:
        with kept() as handler:
            LIBRARY.error(SECRET)
        assert logging.getLogRecordFactory() is make
    finally:
        logging.setLogRecordFactory(before)
    assert handler.only.__dict__["site"] == "plant 1"
    assert handler.only.msg == "***"


@given(secret=st.text("ad =:%\\\n'", min_size=4).filter(str.strip), before=st.text(), after=st.text("ad =:%"))
def test_no_secret_gets_through(secret: str, before: str, after: str) -> None:
    redaction = Redaction()
    redaction.add(secret)
    value = before + secret + after
    with masked_records(redaction) as mask:
        for message, arguments in ((LogEvent("log-in failed", {"error": value}), ()), ("log-in failed: %s", (value,))):
            record = mask("any", logging.ERROR, "", 0, message, arguments, None)
            assert secret not in f"{record.getMessage()} {record.args}"


BASIC = """
import logging
from agent_core.api import Log, SinkFactory, hookimpl

logging.basicConfig(level=logging.INFO, format="PLUGIN %(message)s")

def create(config, context):
    password = config["password"].reveal()
    context.log.error("log-in failed", password=password)
    logging.getLogger("any.library").error("log-in as %s", password)
    try:
        raise OSError(f"as agent/{password}")
    except OSError as error:
        context.log.error("log-in failed " + password, exc_info=error)
    raise RuntimeError("seen enough of " + password)

@hookimpl
def agent_check_config(config):
    logging.getLogger("any.library").error("checked with %s", config["sinks"][0]["config"]["password"].reveal())

@hookimpl
def agent_register_sink():
    return SinkFactory({name!r}, {schema}, create, "logs at once")
"""


@pytest.mark.parametrize("command", ["run", "doctor"])
def test_a_plugin_with_a_handler_of_its_own_prints_no_unmasked_second_line(agent: Command, command: str) -> None:
    agent.add_plugin("chatty_sink", BASIC, schema=SINK_SCHEMA)
    agent.write(VALID.replace("table_sink", "chatty_sink").replace("TAG_DATA", "T\n      password: ${SECRET}"))
    done = agent.process(command, environ={"SECRET": SECRET})
    assert "PLUGIN checked with ***" in done.err
    if command == "run":
        for line in ("log-in failed: password=***", "log-in as ***", "log-in failed ***", "OSError: as agent/***"):
            assert done.err.count(line) == 2, "by the plugin's handler and by the agent's"
    assert SECRET not in done.out + done.err
