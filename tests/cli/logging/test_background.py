"""BackgroundHandler: a log file that is slow, stuck or full."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from agent_core.api import ConfigError, Log
from agent_core.cli.logging.background import BackgroundHandler
from agent_core.cli.logging.file import LogFile
from agent_core.cli.logging.output import logging_to
from agent_core.config import LogConfig, LogFileConfig, LogFormat, Redaction
from agent_core.testing.agent_process import wait_until
from agent_core.testing.clock import ManualClock
from agent_core.testing.suite.patience import PATIENCE_SECONDS

log = logging.getLogger("line")


class Disk(logging.Handler):
    """Keeps what the file would get; hangs while ``may_write`` is clear."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.may_write = threading.Event()
        self.may_write.set()
        self.holds = threading.Event()
        self.closed = False

    def emit(self, record: logging.LogRecord) -> None:
        self.holds.set()
        assert self.may_write.wait(PATIENCE_SECONDS)
        self.lines += self.format(record).split("\n")

    def close(self) -> None:
        self.closed = True
        super().close()


@contextmanager
def logged(*handlers: logging.Handler, level: str = "info") -> Iterator[None]:
    redaction = Redaction()
    redaction.add("hunter2")
    with logging_to(handlers, LogConfig(level, LogFormat.CONSOLE, None), redaction, []):
        yield


def test_the_file_gets_each_line_as_it_was_when_it_was_logged_without_secrets() -> None:
    disk, changing = Disk(), ["hunter2"]
    handler = BackgroundHandler("log file", lambda: disk, ManualClock(), PATIENCE_SECONDS)
    with logged(handler):
        disk.may_write.clear()
        log.warning("seen\n%s", changing)
        changing.append("later")
        disk.may_write.set()
    assert [line.partition("line: ")[2] for line in disk.lines] == [r"seen\n['***']"]
    assert disk.closed
    assert not handler.stuck


def test_a_disk_that_hangs_stops_nobody_and_is_named_by_the_others() -> None:
    disk, console = Disk(), Disk()
    disk.may_write.clear()
    handler = BackgroundHandler("log file", lambda: disk, ManualClock(), PATIENCE_SECONDS)
    with logged(console, handler):
        log.info("line 0")
        assert disk.holds.wait(PATIENCE_SECONDS)
        for number in range(1, 100):
            log.info("line %d", number)
        assert len(console.lines) == 100
    assert handler.stuck
    assert not disk.closed, "its lock is held by whoever hangs"
    assert console.lines[-1].endswith("log lines dropped: output=log file count=100")
    disk.may_write.set()


def test_a_file_that_cannot_be_opened_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "agent.log").mkdir()
    opening = partial(LogFile, LogFileConfig(tmp_path / "agent.log", 1 << 20, 3), ManualClock())
    with pytest.raises(ConfigError, match="cannot write"):
        BackgroundHandler("log file", opening, ManualClock(), PATIENCE_SECONDS)


def test_lines_wait_for_a_share_that_takes_long_to_open() -> None:
    disk, back = Disk(), threading.Event()

    def opening() -> logging.Handler:
        assert back.wait(PATIENCE_SECONDS)
        return disk

    handler = BackgroundHandler("log file", opening, ManualClock(), 0.01)
    opened = [handler.opened]
    with logged(handler):
        log.info("early")
        back.set()
    assert [*opened, handler.opened] == [False, True]
    assert [line.partition("line: ")[2] for line in disk.lines] == ["early"]


def test_a_share_that_fails_late_says_why_and_is_tried_with_each_line(caplog: pytest.LogCaptureFixture) -> None:
    disk, back, mended = Disk(), threading.Event(), threading.Event()

    def opening() -> logging.Handler:
        assert back.wait(PATIENCE_SECONDS)
        if not mended.is_set():
            raise OSError("stale handle")
        return disk

    handler = BackgroundHandler("log file", opening, ManualClock(), 0.01)
    with logged(handler):
        back.set()
        wait_until(lambda: "log file not opened: error=stale handle" in caplog.messages)
        wait_until(lambda: "log lines dropped: output=log file count=1" in caplog.messages, what="its own line is lost")
        mended.set()
        log.info("kept")
    assert any(line.endswith("kept") for line in disk.lines)


def test_a_line_that_came_while_the_share_failed_late_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    back = threading.Event()

    def opening() -> logging.Handler:
        assert back.wait(PATIENCE_SECONDS)
        raise OSError("stale handle")

    with patch.object(threading.Thread, "start", side_effect=RuntimeError):  # so that it comes first
        handler = BackgroundHandler("log file", opening, ManualClock(), 0.0)
    with logged(handler):
        back.set()
        log.info("lost")
    assert any(message.startswith("log lines dropped: output=log file") for message in caplog.messages)


def test_a_share_that_times_out_within_the_time_is_not_waited_for() -> None:
    def opening() -> logging.Handler:
        raise TimeoutError("ETIMEDOUT")

    with pytest.raises(TimeoutError, match="ETIMEDOUT"):
        BackgroundHandler("log file", opening, ManualClock(), PATIENCE_SECONDS)


class Hanging:
    """Its text takes as long as a test likes."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()

    def __str__(self) -> str:
        self.begun.set()
        assert self.may_end.wait(PATIENCE_SECONDS)
        return "at last"


def test_an_argument_whose_text_hangs_holds_up_its_own_caller_alone() -> None:
    disk, hanging = Disk(), Hanging()
    with logged(BackgroundHandler("log file", lambda: disk, ManualClock(), PATIENCE_SECONDS)):
        caller = threading.Thread(target=log.warning, args=("%s", hanging))
        caller.start()
        assert hanging.begun.wait(PATIENCE_SECONDS)
        log.warning("meanwhile")
        hanging.may_end.set()
        caller.join(PATIENCE_SECONDS)
    assert [line.partition("line: ")[2] for line in disk.lines] == ["meanwhile", "at last"]


class Panic(BaseException):
    """As a library written in Rust raises it."""


class Broken(int):
    """Cannot be shown in any way."""

    error: type[BaseException] = RuntimeError

    def _fail(self, *_: object) -> str:
        raise self.error("no text")

    __str__ = __repr__ = __format__ = _fail
    __int__ = __float__ = _fail  # type: ignore[assignment]


@pytest.mark.parametrize("error", [RuntimeError, Panic])
@pytest.mark.parametrize("format_", LogFormat)
def test_an_argument_that_cannot_be_shown_raises_nothing_where_it_is_logged(
    format_: LogFormat,
    error: type[BaseException],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Broken, "error", error)
    disk = Disk()
    handler = BackgroundHandler("log file", lambda: disk, ManualClock(), PATIENCE_SECONDS)
    with logging_to([handler], LogConfig("info", format_, None), Redaction(), []):
        Log("line").warning("device answered", value=Broken(), nested=[Broken()])
        log.warning("%s %r %d", Broken(), [Broken()], Broken())
        log.warning(Broken())
        log.warning("%(a)s", {"a": Broken()})
        log.error("raised", exc_info=(RuntimeError, RuntimeError(Broken()), None))
    assert len([line for line in disk.lines if not line.startswith(" ")]) == 5
    assert capsys.readouterr().err == ""
