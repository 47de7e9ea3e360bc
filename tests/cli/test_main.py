"""``main`` as a process of its own: its exit code is that of the command, whoever reads and whatever comes late."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent_core.testing.suite.patience import PATIENCE_SECONDS, PROCESS_SECONDS

FULL = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")

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


LATE = f"""
import atexit, os, signal, sys, time, types

def late():
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)
    print("still here", file=sys.stderr)
    time.sleep({PATIENCE_SECONDS})

def command(argv):
    atexit.register(late)
    return 2

sys.modules["agent_core.cli.command_line"] = types.SimpleNamespace(run_command=command)
import agent_core.cli.main
agent_core.cli.main.EXIT_SECONDS = 0.1
sys.exit(agent_core.cli.main.main())
"""


INTERRUPTED = """
import os, signal, sys, types

def command(argv):
    inside, outside = os.pipe()
    os.dup2(outside, 2)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    print("x" * 1_000_000, file=sys.stderr)

sys.modules["agent_core.cli.command_line"] = types.SimpleNamespace(run_command=command)
from agent_core.cli.main import main
sys.exit(main())
"""


@POSIX
def test_ctrl_c_ends_a_command_whose_standard_error_nobody_reads() -> None:
    done = subprocess.run([sys.executable, "-c", INTERRUPTED], timeout=PROCESS_SECONDS, check=False)
    assert done.returncode == 130


@POSIX
def test_neither_a_signal_nor_a_library_that_hangs_at_exit_changes_a_code_that_is_known() -> None:
    done = subprocess.run([sys.executable, "-c", LATE], capture_output=True, text=True, timeout=PROCESS_SECONDS)
    assert (done.returncode, done.stderr) == (2, "still here\n")
