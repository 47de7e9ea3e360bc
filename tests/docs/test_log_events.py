"""docs/log-events.md against every logging call of the agent and its plugins, both ways."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from docs.log_call import LEVELS, ROOT, LogCall, log_calls, sources

from agent_core.api import LogEvent
from agent_core.cli.logging.format import ConsoleFormatter, JsonFormatter

PAGE = ROOT / "docs" / "log-events.md"
Key = tuple[str, str]


@dataclass(slots=True)
class Described:
    """An event: as the calls together make it, or as a row of the page describes it. ``places`` say where to fix it."""

    places: list[str]
    levels: set[str] = field(default_factory=set)
    fields: set[str] = field(default_factory=set)


def code(calls: Iterable[LogCall]) -> dict[Key, Described]:
    events: dict[Key, Described] = {}
    for call in calls:
        event = events.setdefault((call.logger, call.event), Described([]))
        event.places.append(call.place)
        event.levels.add(call.level)
        event.fields.update(call.fields)
    return events


def page(text: str) -> tuple[dict[Key, Described], list[str]]:
    """The rows of the page's tables, and what is wrong with some of them."""
    events: dict[Key, Described] = {}
    wrong: list[str] = []
    logger = ""
    for number, line in enumerate(text.splitlines(), 1):
        place = f"docs/{PAGE.name}:{number}"
        if heading := re.fullmatch(r"## `(.+)`", line):
            logger = heading[1]
        if not line.startswith("| ") or line.startswith(("| event |", "| --- |")):
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 5 or not all(cells):
            wrong.append(f"{place}: a row is event, level, fields, what it means, what to do")
            continue
        event, levels, fields, *_ = cells
        if (logger, event) in events:
            wrong.append(f"{place}: {event!r} is there twice")
        events[logger, event] = Described([place], set(levels.split(", ")), set(re.findall(r"`(\w+)`", fields)))
    return events, wrong


def differences(calls: Iterable[LogCall], text: str) -> list[str]:
    """What to fix, each with its line of code or of the page."""
    said, (written, found) = code(calls), page(text)
    for (logger, event), described in written.items():
        if (logger, event) not in said:
            found.append(f"{described.places[0]}: no code says {event!r} as {logger}")
    for (logger, event), described in said.items():
        places = ", ".join(described.places)
        row = written.get((logger, event))
        if row is None:
            found.append(f"{places}: {event!r} of {logger} is not on the page")
            continue
        for what, in_code, on_page in (
            ("level", described.levels, row.levels),
            ("fields", described.fields, row.fields),
        ):
            if in_code != on_page:
                here, there = ", ".join(sorted(in_code)), ", ".join(sorted(on_page))
                found.append(f"{row.places[0]}: {what} of {event!r}: {there}; the code ({places}) has {here}")
    return found


def every_call() -> list[LogCall]:
    return [call for path in sources() for call in log_calls(path)[0]]


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_logging_call_keeps_the_convention(path: Path) -> None:
    assert log_calls(path)[1] == []


def test_the_page_describes_every_event_and_no_other() -> None:
    assert differences(every_call(), PAGE.read_text(encoding="utf-8")) == []


# Events without `repeated`, and what keeps each from being repeated.
ONCE = {
    "agent started": "the start",
    "agent stopping": "the stop",
    "agent stopped": "the stop",
    "rejected records deleted": "an operator, who was asked twice",
    "sources still emitting": "the stop",
    "sink call left behind": "the stop",
    "part not stopped cleanly": "the stop",
    "part failed": "the start",
    "part left out": "the start",
    "source not started in time": "the start",
    "records given up": "the stop",
    "part not closed cleanly": "the end of a command",
    "process ended with threads running": "the end",
    "worker not ended in time": "the stop",
    "http server not stopped in time": "the stop",
    "thread died": "a thread dies once",
    "dashboard opened": "the start",
    "backup folder replaced": "another folder; each time another number of records is left behind",
    "configuration warning": "the start",
    "configuration check failed": "the start",
    "plugin skipped": "the start",
    "log file not open yet": "the start",
    "ledger not printed": "the end",
    "ledger not available": "the end",
    "tag left out": "the start, five at most",
    "tags left out": "the start",
    "check failed": "one of a doctor's checks",
    "status": "a clock",
    "replay progress": "a clock",
    "device answers again": "follows a line that was limited",
    "table read": "the table was changed",
    "table warning": "the table was changed",
}


def test_what_can_repeat_is_limited_with_a_count() -> None:
    unlimited = {event for (_, event), described in code(every_call()).items() if "repeated" not in described.fields}
    assert unlimited - set(ONCE) == set(), "give it every=, or say here what keeps it from repeating"
    assert set(ONCE) - unlimited == set(), "no code says this, or it is limited now"


def test_the_calls_are_found() -> None:
    calls = every_call()
    assert len(calls) > 80
    assert {call.level for call in calls} == set(LEVELS)
    assert {"csv_sink", "http_monitor", "oracle_sink", "polling_source", "agent_core.delivery"} <= {
        call.logger for call in calls
    }


SOURCE = "from agent_core.api import Log\n_log = Log(__name__)\n"


def calls_of(lines: str) -> tuple[list[LogCall], list[str]]:
    return log_calls(ROOT / "agent_core" / "part.py", SOURCE + lines)


def test_a_call_is_read_with_its_fields_and_its_count() -> None:
    (call,), wrong = calls_of(
        'self._flap_log.error("write failed", sink=a, retry_in_seconds=b, every=a, exc_info=error)'
    )
    assert wrong == []
    fields = ("sink", "retry_in_seconds", "repeated")
    assert call == LogCall("agent_core/part.py:3", "agent_core.part", "write failed", "error", fields)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('_log.info(f"file {name} renamed")', "not a literal"),
        ("_log.info(text)", "not a literal"),
        ('_log.info("file renamed: name=%s", name)', "is not an event"),
        ('_log.info("file renamed to %s", name)', "is not an event"),
        ('_log.info("file renamed", name)', "is not an event"),
        ('_log.info("File renamed", name=name)', "is not an event"),
        ('_log.info("file renamed", time=now)', "a key of every line"),
        ('self._context.log.info("file renamed", **facts)', "mapping"),
        ('_logger.log(level, "file renamed")', r"no log\(\)"),
        ('_logger.exception("file lost")', r"no exception\(\)"),
        ('logging.info("file renamed")', "root logger"),
        ("tell = _log.info", "handed on"),
        ('if (repeats := limit.allow("a")) is not None: _log.info("file renamed", repeated=repeats)', "use every="),
    ],
)
def test_a_call_that_breaks_the_convention_is_named_with_its_line(line: str, problem: str) -> None:
    calls, (wrong,) = calls_of(line)
    assert calls == []
    assert re.match(rf"agent_core/part\.py:3: .*({problem})", wrong)


ROW = "## `agent_core.part`\n| file renamed | info | `name`, `after_seconds` | a | b |\n"
CALL = '_log.info("file renamed", name=name, after_seconds=seconds)'


def test_code_and_page_that_agree_are_fine() -> None:
    assert differences(calls_of(CALL)[0], ROW) == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("", r"agent_core/part\.py:3: 'file renamed' of agent_core\.part is not on the page"),
        (ROW.replace("| info", "| error"), r"log-events\.md:2: level of 'file renamed': error; .*part\.py:3.* info"),
        (ROW.replace("`name`, ", ""), r"log-events\.md:2: fields of 'file renamed'"),
        (ROW + "| file eaten | info | `name` | a | b |\n", r"log-events\.md:3: no code says 'file eaten'"),
        (ROW + "| file renamed | info | `name`, `after_seconds` | a | b |\n", r"log-events\.md:3: .* twice"),
        (ROW.replace("| b |", "| |"), r"log-events\.md:2: a row is"),
    ],
)
def test_code_and_page_that_differ_are_named_with_their_lines(row: str, problem: str) -> None:
    assert re.search(problem, "\n".join(differences(calls_of(CALL)[0], row)))


def test_the_lines_that_the_page_on_operating_shows_are_those_of_the_formatters() -> None:
    shown = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    fields = {"sink": "warehouse", "records": 500, "attempt": 1, "error": "ORA-12541", "retry_in_seconds": 1.0}
    event = LogEvent("write failed", fields)
    record = logging.LogRecord("agent_core.agent", logging.WARNING, "", 0, event, None, None)
    record.created = 1_767_225_600.25
    assert f"\n{JsonFormatter().format(record)}\n" in shown
    assert f"{ConsoleFormatter().format(record)[29:]}\n" in shown
