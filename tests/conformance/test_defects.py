"""A defect that the agent survives fails the test in whose log it is."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext

import pytest

from agent_core.api import Log
from agent_core.cli.logging.format import ConsoleFormatter, JsonFormatter
from agent_core.testing.suite.defects import check_output, no_defects

FOUND = pytest.raises(AssertionError, match=r"not provoke: worker restarted\n(?s:.*)KeyError: 'bug'")


def fail() -> None:
    """As the agent does, where nobody sees it but who reads the log."""
    log, numbers = Log("agent_core.delivery"), dict[str, int]()
    try:
        numbers["bug"]
    except KeyError as error:
        log.error("worker restarted", sink="warehouse", exc_info=error)


@pytest.mark.provokes("worker restarted")
@pytest.mark.parametrize(
    ("provoked", "outcome"), [((), FOUND), (("watch failed",), FOUND), (("worker restarted",), nullcontext())]
)
def test_a_traceback_in_the_log_fails_the_test_unless_it_is_provoked(
    provoked: tuple[str, ...], outcome: AbstractContextManager[object]
) -> None:
    with outcome, no_defects(provoked):
        fail()
        fail()


def test_what_has_no_traceback_is_no_defect() -> None:
    with no_defects():
        Log("agent_core.delivery").error("fallback failed", sink="warehouse", error="disk full")


@pytest.mark.provokes("worker restarted")
@pytest.mark.parametrize("formatter", [ConsoleFormatter(), JsonFormatter()])
def test_a_traceback_in_the_output_of_a_run_fails_it(
    formatter: logging.Formatter, caplog: pytest.LogCaptureFixture
) -> None:
    Log("agent_core.agent").warning("sink state changed", sink="warehouse", reason='"event": "agent started"')
    fail()
    output = "\n".join(map(formatter.format, caplog.records))
    with pytest.raises(AssertionError, match="not provoke: worker restarted\n"):
        check_output(output)
    check_output(output, ["worker restarted"])
    check_output(formatter.format(caplog.records[0]))
    with pytest.raises(AssertionError, match="not provoke: no event\n"):
        check_output("Traceback (most recent call last):\n  ...")
