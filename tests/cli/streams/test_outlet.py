"""Outlet: whoever writes never waits for whoever reads."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Iterator

import pytest

from agent_core.cli.streams.outlet import REMINDER_SECONDS, Outlet
from agent_core.testing.agent_process import wait_until
from agent_core.testing.clock import ManualClock
from agent_core.testing.suite.patience import PATIENCE_SECONDS

LOGGER = "agent_core.cli.streams.outlet"


class Reader:
    """Takes texts until it is told to hang or to fail."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.writes = 0
        self.may_take = threading.Event()
        self.may_take.set()
        self.holds = threading.Event()
        self.error: Exception | None = None

    def write(self, text: str) -> None:
        self.holds.set()
        assert self.may_take.wait(PATIENCE_SECONDS)
        self.holds.clear()
        self.writes += 1
        if self.error is not None:
            raise self.error
        self.texts += text.splitlines()

    def hang(self, outlet: Outlet) -> None:
        """Return when it holds a text and does not return."""
        self.may_take.clear()
        outlet.put("held\n")
        assert self.holds.wait(PATIENCE_SECONDS)


@pytest.fixture
def reader() -> Iterator[Reader]:
    reader = Reader()
    yield reader
    reader.may_take.set()


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == LOGGER]


def test_texts_are_written_in_order_by_a_thread_of_its_own(reader: Reader) -> None:
    outlet = Outlet("stderr", reader.write, ManualClock())
    for number in range(100):
        outlet.put(f"{number}\n")
    assert outlet.drain(PATIENCE_SECONDS)
    assert reader.texts == [str(number) for number in range(100)]
    assert outlet.close(PATIENCE_SECONDS)
    assert outlet.close(PATIENCE_SECONDS), "safe twice"


@pytest.mark.parametrize(
    "limits", [{"max_lines": 3}, {"max_characters": 3 * len("held\n")}], ids=["lines", "characters"]
)
def test_a_reader_that_hangs_costs_what_does_not_fit_and_is_told_of_it_later(
    reader: Reader, limits: dict[str, int], caplog: pytest.LogCaptureFixture
) -> None:
    outlet = Outlet("stderr", reader.write, ManualClock(), **limits)
    reader.hang(outlet)
    for number in range(10):
        outlet.put(f"no {number}\n")
    assert outlet.dropped == 8
    assert told(caplog) == ["log lines dropped: output=stderr count=1"], "at once, for the other outputs"
    reader.may_take.set()
    assert not outlet.drain(PATIENCE_SECONDS), "some are missing"
    assert reader.texts == ["held", "no 0", "no 1"]
    assert told(caplog)[1:] == ["log lines dropped: output=stderr count=8"], "here, since it flows again"
    outlet.put("more\n")
    assert outlet.drain(PATIENCE_SECONDS)
    outlet.close(PATIENCE_SECONDS)


def test_what_comes_while_another_text_is_written_is_one_write(reader: Reader) -> None:
    outlet = Outlet("stderr", reader.write, ManualClock())
    reader.hang(outlet)
    for number in range(100):
        outlet.put(f"{number}\n")
    reader.may_take.set()
    assert outlet.drain(PATIENCE_SECONDS)
    assert reader.texts == ["held", *map(str, range(100))]
    assert reader.writes == 2
    outlet.close(PATIENCE_SECONDS)


def test_lines_that_are_lost_for_days_are_said_once_per_hour(reader: Reader, caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    outlet = Outlet("stderr", reader.write, clock, max_lines=1)
    reader.hang(outlet)
    for _ in range(3):
        outlet.put("lost\n")
        outlet.put("lost\n")
        clock.advance(REMINDER_SECONDS)
    assert told(caplog) == [
        "log lines dropped: output=stderr count=1",
        "log lines dropped: output=stderr count=3 repeated=1",
        "log lines dropped: output=stderr count=5 repeated=1",
    ]
    reader.may_take.set()
    outlet.close(PATIENCE_SECONDS)


def test_what_was_lost_in_the_last_minute_is_said_at_the_end(reader: Reader, caplog: pytest.LogCaptureFixture) -> None:
    outlet = Outlet("stderr", reader.write, ManualClock(), max_lines=1)
    for _ in range(2):
        reader.hang(outlet)
        outlet.put("lost\n")
        reader.may_take.set()
        outlet.drain(PATIENCE_SECONDS)
    assert told(caplog)[-1] == "log lines dropped: output=stderr count=2"
    outlet.close(PATIENCE_SECONDS)


def test_a_text_longer_than_all_that_may_wait_passes_when_nothing_waits(reader: Reader) -> None:
    outlet = Outlet("stdout", reader.write, ManualClock(), max_characters=3)
    outlet.put("a whole ledger\n")
    assert outlet.drain(PATIENCE_SECONDS)
    assert reader.texts == ["a whole ledger"]
    outlet.close(PATIENCE_SECONDS)


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("closed"), OSError(28, "full"), RuntimeError()])
def test_what_cannot_be_written_is_counted_and_the_next_text_is_tried(
    reader: Reader, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    outlet = Outlet("stderr", reader.write, ManualClock())
    reader.error = error
    outlet.put("one\n")
    outlet.put("two\n")
    assert not outlet.drain(PATIENCE_SECONDS)
    reader.error = None
    outlet.put("three\n")
    assert outlet.drain(PATIENCE_SECONDS)
    assert (reader.texts, outlet.dropped) == (["three"], 2)
    assert told(caplog)[-1] == "log lines dropped: output=stderr count=2"
    outlet.close(PATIENCE_SECONDS)


def test_the_end_does_not_wait_for_a_reader_that_hangs_and_says_what_is_lost(
    reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    outlet = Outlet("stderr", reader.write, ManualClock())
    reader.hang(outlet)
    outlet.put("waiting\n")
    assert not outlet.drain(0.01)
    assert told(caplog) == ["log lines dropped: output=stderr count=2"]
    assert not outlet.drain(PATIENCE_SECONDS), "no second wait"
    assert not outlet.close(PATIENCE_SECONDS), "nor a third"
    outlet.put("after the end\n")
    assert len(told(caplog)) == 1
    reader.may_take.set()


def test_one_that_never_had_anything_to_write_leaves_no_thread(reader: Reader) -> None:
    outlet = Outlet("silent", reader.write, ManualClock())
    assert outlet.drain()
    assert outlet.close(PATIENCE_SECONDS)
    assert "output-silent" not in {thread.name for thread in threading.enumerate()}


def test_texts_wait_until_a_thread_can_be_started(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        outlet = Outlet("stderr", reader.write, ManualClock())
        outlet.put("early\n")
        assert not outlet.drain(0.01)
    outlet.put("late\n")
    wait_until(lambda: reader.texts == ["early", "late"])
    assert outlet.drain(PATIENCE_SECONDS), "once it has written, it is waited for again"
    outlet.close(PATIENCE_SECONDS)


def test_the_thread_is_there_before_the_first_text(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger may be the first text of a run, at a time when there is no thread to be had any more."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    outlet = Outlet("stdout", reader.write, ManualClock())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    outlet.put("ledger\n")
    assert outlet.drain(PATIENCE_SECONDS)
    assert reader.texts == ["ledger"]
    outlet.close(PATIENCE_SECONDS)


def test_a_log_line_while_the_outlet_logs_is_no_recursion(reader: Reader) -> None:
    """The line that says what is lost comes back as one more text for the same outlet."""
    outlet = Outlet("stderr", reader.write, ManualClock(), max_lines=1)

    class Back(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            outlet.put(record.getMessage() + "\n")

    handler = Back()
    logging.getLogger(LOGGER).addHandler(handler)
    try:
        reader.hang(outlet)
        outlet.put("lost\n")
        assert outlet.dropped == 2, "the line, and the line about it"
        reader.may_take.set()
        outlet.drain(PATIENCE_SECONDS)
        outlet.drain(PATIENCE_SECONDS)
        assert reader.texts[0] == "held"
        assert reader.texts[-1] == f"log lines dropped: output=stderr count={outlet.dropped}"
    finally:
        logging.getLogger(LOGGER).removeHandler(handler)
        outlet.close(PATIENCE_SECONDS)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows has no fork")
def test_a_forked_child_writes_for_itself_although_the_parent_hangs(reader: Reader) -> None:
    inside, outside = os.pipe()
    process = os.getpid()

    def write(text: str) -> None:
        if os.getpid() == process:
            reader.write(text)
        else:
            os.write(outside, text.encode())

    def inherit() -> None:
        outlet.put("child\n")
        outlet.drain(PATIENCE_SECONDS)

    outlet = Outlet("stderr", write, ManualClock())
    reader.hang(outlet)
    child = multiprocessing.get_context("fork").Process(target=inherit)
    child.start()
    child.join(PATIENCE_SECONDS)
    os.close(outside)
    assert child.exitcode == 0
    assert os.read(inside, 100) == b"child\n"
    os.close(inside)
    reader.may_take.set()
    assert outlet.close(PATIENCE_SECONDS)
    assert reader.texts == ["held"]
