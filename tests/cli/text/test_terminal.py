"""Log lines and the status line on one screen, as a terminal would show them."""

from __future__ import annotations

import io
import logging
import threading

import pytest

from agent_core.cli.logging.terminal import TerminalHandler
from agent_core.cli.text.table import display_width, text_table
from agent_core.cli.text.terminal import Terminal


class Screen(io.StringIO):
    """A terminal that can be read back."""

    def isatty(self) -> bool:
        return True

    def shown(self) -> list[str]:
        """Each line as it looks after every carriage return has been obeyed."""
        lines = []
        for written in self.getvalue().split("\n"):
            cells: list[str] = []
            for part in written.split("\r"):
                cells[: len(part)] = list(part)
            lines.append("".join(cells).rstrip())
        return lines


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")


def test_the_status_line_is_rewritten_and_logs_stand_above_it() -> None:
    screen = Screen()
    terminal = Terminal(screen)
    terminal.status("a long first status")
    terminal.line("log 1")
    terminal.status("short")
    terminal.line("log 2")
    assert screen.shown() == ["log 1", "log 2", "short"]
    terminal.end_status()
    terminal.line("log 3")
    assert screen.shown() == ["log 1", "log 2", "short", "log 3", ""]


def test_a_status_longer_than_the_screen_is_cut() -> None:
    screen = Screen()
    Terminal(screen).status("x" * 100)
    assert screen.shown() == ["x" * 36 + "..."]


def test_a_status_in_letters_of_double_width_is_cut_and_erased_by_cells() -> None:
    screen = Screen()
    terminal = Terminal(screen)
    terminal.status("운전" * 20)
    assert display_width(screen.shown()[0]) == 39
    terminal.line("log")
    assert "\r" + " " * 39 + "\r" in screen.getvalue()


def test_tables_stay_aligned_with_letters_of_double_width() -> None:
    lines = text_table(["id", "n"], [["운전", "1"], ["a\u0301", "22"]], right_from=1)
    assert [display_width(line) for line in lines] == [8, 8, 8]


def test_a_log_line_of_several_lines_garbles_nothing() -> None:
    screen = Screen()
    terminal = Terminal(screen)
    terminal.status("status")
    terminal.line("one\ntwo")
    assert screen.shown() == ["one", "two", "status"]


def test_without_a_terminal_a_status_is_a_line() -> None:
    out = io.StringIO()
    terminal = Terminal(out)
    terminal.status("status 1")
    terminal.line("log")
    terminal.status("status 2")
    terminal.end_status()
    assert out.getvalue() == "status 1\nlog\nstatus 2\n"


def test_many_threads_write_whole_lines() -> None:
    screen = Screen()
    terminal = Terminal(screen)
    handler = TerminalHandler(terminal)

    def write(number: int) -> None:
        for index in range(50):
            handler.emit(logging.LogRecord("x", logging.INFO, "", 0, f"thread {number} line {index}", None, None))
            terminal.status(f"status {number} {index}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    *lines, last = screen.shown()
    assert sorted(lines) == sorted(f"thread {number} line {index}" for number in range(4) for index in range(50))
    assert last.startswith("status ")


@pytest.mark.parametrize("error", [BrokenPipeError(), ValueError("I/O operation on closed file")])
def test_nobody_reading_stops_nothing(error: Exception) -> None:
    class Gone(Screen):
        def write(self, _: str) -> int:
            raise error

    terminal = Terminal(Gone())
    terminal.status("status")
    terminal.line("log")
    terminal.end_status()
