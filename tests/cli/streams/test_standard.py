"""The standard streams while something runs in front of them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from agent_core.api import SystemClock
from agent_core.cli.streams.standard import end_streams, streams_in_background
from agent_core.testing.suite.patience import PATIENCE_SECONDS, PROCESS_SECONDS

FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")


def test_what_is_printed_in_the_background_is_there_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    before = sys.stdout, sys.stderr
    with streams_in_background(SystemClock()):
        print("out")
        print("err", file=sys.stderr)
        print("no end", end="")
    assert (sys.stdout, sys.stderr) == before
    assert capsys.readouterr() == ("out\nno end", "err\n")


def test_a_pipe_that_nobody_reads_stops_no_print_and_is_not_touched_again(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, outside = os.pipe()
    pipe = os.fdopen(outside, "w")
    monkeypatch.setattr(sys, "stderr", pipe)
    with streams_in_background(SystemClock(), "stderr"):
        for _ in range(1000):
            print("x" * 1000, file=sys.stderr)
    assert not end_streams(wanted=True), "Python would hang at exit"
    print("whoever still prints does not hang", file=sys.stderr, flush=True)
    os.close(inside)  # lets the thread go
    for thread in threading.enumerate():
        if thread.name == "output-stderr":
            thread.join(PATIENCE_SECONDS)
    with suppress(BrokenPipeError):
        pipe.close()


SCRIPT = """
import os, sys, types

def command(argv):
    for number in range({lines}):
        print("line", number)
    print("error: the reason", file=sys.stderr)
    with open("first-file", "w"):
        os.write(2, b"from a library")
    return 2

sys.modules["agent_core.cli.command_line"] = types.SimpleNamespace(run_command=command)
from agent_core.cli.main import main
sys.exit(main())
"""


@POSIX
@pytest.mark.parametrize(
    ("lines", "redirection"),
    [
        (1, "1>&-"),
        (1, "2>&-"),
        (1, "0>&- 1>&- 2>&-"),
        (20_000, "| head -1"),
        (20_000, "2>&1 | true"),
        (1, "2>&1 | true"),
        pytest.param(1, "2>/dev/full", marks=FULL),
    ],
)
def test_a_command_ends_with_its_own_exit_code_whoever_reads(lines: int, redirection: str, tmp_path: Path) -> None:
    (tmp_path / "command.py").write_text(SCRIPT.format(lines=lines), encoding="utf-8")
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} command.py {redirection}; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PROCESS_SECONDS,
        check=False,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert (tmp_path / "first-file").read_text() == "", "a closed descriptor is not given to a file"
