from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path

import pytest

from agent_core.api import ConfigError
from agent_core.cli import exit_code
from agent_core.cli.logging.file import LogFile
from agent_core.cli.logging.output import logging_to
from agent_core.cli.main import main
from agent_core.config import LogConfig, LogFileConfig, LogFormat, Redaction
from agent_core.testing.clock import ManualClock

LINE_BYTES = len("2026-01-01T12:00:00.123+09:00 info    line: ") + 1
log = logging.getLogger("line")


class Console(logging.Handler):
    """Keeps what standard error would get."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


class FullDisk(LogFile):
    """A LogFile whose disk can be filled."""

    full = False

    def _open(self) -> TextIOWrapper:
        if self.full:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super()._open()

    def format(self, record: logging.LogRecord) -> str:
        if self.full and self.stream is not None:
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().format(record)


@contextmanager
def logged(
    path: Path, clock: ManualClock, max_size: int = 1 << 20, keep: int = 3
) -> Iterator[tuple[FullDisk, Console]]:
    file, console = FullDisk(LogFileConfig(path, max_size, keep), clock), Console()
    with logging_to([console, file], LogConfig("info", LogFormat.CONSOLE, None), Redaction(), []):
        yield file, console


def lines(path: Path) -> list[str]:
    return [line.partition(": ")[2] for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_folder_is_created_and_lines_are_appended(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "agent.log"
    for text in ("first", "second ö \udc80"):
        with logged(path, ManualClock()) as (_, console):
            log.info(text)
        assert console.messages == [text]
    assert lines(path) == ["first", "second ö \\udc80"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
def test_folder_file_and_rotated_files_are_their_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with logged(tmp_path / "deep" / "log" / "agent.log", ManualClock(), max_size=2 * LINE_BYTES, keep=3):
            for number in range(5):
                log.info("%d", number)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    files = {"agent.log": 0o600, "agent.log.1": 0o600, "agent.log.2": 0o600, "agent.log.3": 0o600}
    assert modes == {"deep": 0o700, "log": 0o700, **files}


def test_a_full_file_is_rotated_and_the_oldest_deleted(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    with logged(path, ManualClock(), max_size=2 * LINE_BYTES, keep=3):
        for number in range(8):
            log.info("%d", number)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["agent.log", *(f"agent.log.{n}" for n in (1, 2, 3))]
    assert [lines(file) for file in (path, *(path.with_name(f"agent.log.{n}") for n in (1, 2, 3)))] == [
        ["7"], ["6"], ["5"], ["4"],
    ]  # fmt: skip


def test_a_full_disk_is_one_line_on_the_console_now_and_then_and_the_file_continues(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, clock = tmp_path / "agent.log", ManualClock()
    with logged(path, clock) as (file, console):
        log.info("before")
        file.full = True
        for _ in range(1000):
            log.info("lost")
        told = [message for message in console.messages if message.startswith("log file write failed: path=")]
        assert len(told) == 1
        assert "No space left on device" in told[0]
        clock.advance(60.0)
        log.info("lost")
        assert " repeated=1000; " in console.messages[-1]
        file.full = False
        log.info("after")
    assert len(console.messages) == 1 + 1000 + 1 + 1 + 1 + 1 + 1
    assert console.messages[-1].startswith("log file recovered: path=")
    assert lines(path)[:2] == ["before", "after"]
    assert capsys.readouterr().err == ""


def test_lines_that_are_lost_in_one_write_are_all_counted(tmp_path: Path) -> None:
    with logged(tmp_path / "agent.log", ManualClock()) as (file, console):
        for file.full, text in ((True, "three\nlost\nlines"), (False, "kept")):
            file.handle(logging.LogRecord("line", logging.INFO, "", 0, text, None, None))
    assert any("lost_lines=4" in message for message in console.messages), "and the line that said so"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_disk_that_is_really_full_stops_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "agent.log"
    path.symlink_to("/dev/full")
    with logged(path, ManualClock()) as (_, console):
        for _ in range(100):
            log.info("lost")
    assert sum(message.startswith("log file write failed") for message in console.messages) == 1
    assert capsys.readouterr().err == ""


def test_a_disk_that_comes_and_goes_is_logged_now_and_then_with_all_that_was_lost(tmp_path: Path) -> None:
    clock = ManualClock()
    with logged(tmp_path / "agent.log", clock) as (file, console):
        for number in range(40):
            file.full = number % 2 == 0
            log.info("%d", number)
        clock.advance(60.0)
        log.info("end")
    told = [message for message in console.messages if message.startswith("log file")]
    assert [message.partition(": ")[0] for message in told] == [
        "log file write failed", "log file recovered", "log file recovered",
    ]  # fmt: skip
    lost = sum(int(message.partition("lost_lines=")[2].split()[0]) for message in told[1:])
    assert lost == 1 + 20


def test_a_line_that_was_cut_off_is_ended_first(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    path.write_bytes(b"2026-01-01T12:00:00.123+09:00 info    line: cut o")
    with logged(path, ManualClock()):
        log.info("next")
    assert lines(path) == ["cut o", "next"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not delete an open file")
def test_a_file_that_somebody_deleted_is_created_again(tmp_path: Path) -> None:
    path = tmp_path / "agent.log"
    with logged(path, ManualClock()):
        log.info("gone")
        path.unlink()
        log.info("next")
    assert lines(path) == ["next"]


def test_a_file_that_cannot_be_rotated_grows_and_the_older_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, clock, held = tmp_path / "agent.log", ManualClock(), True
    (tmp_path / "agent.log.1").write_text("old: 1\n", encoding="utf-8")
    replace = Path.replace

    def replace_unless_held(source: Path, target: Path) -> Path:
        if held:
            raise PermissionError(13, "somebody has it open")
        return replace(source, target)

    monkeypatch.setattr(Path, "replace", replace_unless_held)
    with logged(path, clock, max_size=2 * LINE_BYTES) as (_, console):
        for number in range(5):
            log.info("%d", number)
        assert sum(message.startswith("log file rotation failed") for message in console.messages) == 1
        assert [line for line in lines(path) if line.isdigit()] == list("01234")
        assert lines(tmp_path / "agent.log.1") == ["1"]
        held = False
        clock.advance(60.0)
        log.info("5")
    assert lines(path) == ["5"]
    assert "4" in lines(tmp_path / "agent.log.1")
    assert lines(tmp_path / "agent.log.2") == ["1"]


def test_a_file_that_cannot_be_written_at_the_start_is_a_mistake_in_the_yaml(tmp_path: Path) -> None:
    (tmp_path / "agent.log").mkdir()
    with pytest.raises(ConfigError, match=r"log\.file\.path: cannot write .*agent\.log"):
        LogFile(LogFileConfig(tmp_path / "agent.log", 1 << 20, 3), ManualClock())


def test_agent_run_says_where_the_path_is_written_and_ends_with_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("", encoding="utf-8")
    yaml = tmp_path / "agent.yaml"
    yaml.write_text(
        "log: {file: {path: taken/agent.log}}\n"
        "sources:\n"
        "  - id: a\n"
        "    type: polling_source\n"
        "    config:\n"
        "      devices: [{id: D, driver: simulator_driver}]\n"
        "      groups:\n"
        "        - {id: G, device: D, interval: 1s, tags: [{name: T, address: 'counter:every=1s', data_type: int32}]}\n"
        "sinks: [{id: b, type: sqlite_sink, config: {path: b.db}}]\n",
        encoding="utf-8",
    )
    assert main(["run", str(yaml)]) == exit_code.USER_MISTAKE
    error = capsys.readouterr().err
    assert "agent.yaml:1:20: log.file.path: cannot write" in error
    assert "Traceback" not in error
