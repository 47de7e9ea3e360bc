"""The process ends although a thread of somebody else does not."""

import subprocess
import sys
import textwrap

import pytest

HANGING = """
import threading, sys
from agent_core.cli.process_end import end_process_if_held

may_end = threading.Event()
threading.Thread(target=may_end.wait, name="stuck-in-a-socket", daemon={daemon}).start()
print("the last line", end="")
{before}
end_process_if_held(3, stopped={stopped})
print(", and one more", end="")
"""


def ended(stopped: bool, daemon: bool, before: str = "") -> subprocess.CompletedProcess[str]:
    """A process with a thread that waits for ever. Raises TimeoutExpired when it does not end."""
    script = textwrap.dedent(HANGING).format(stopped=stopped, daemon=daemon, before=before)
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("stopped", [True, False])
def test_a_thread_that_python_would_wait_for_is_left_behind_and_named(stopped: bool) -> None:
    process = ended(stopped, daemon=False)
    assert process.returncode == 3
    assert process.stdout == "the last line", "written out before the end"
    assert "process ended with threads running: threads=stuck-in-a-socket" in process.stderr


def test_after_a_stop_that_was_not_clean_nothing_else_is_run() -> None:
    process = ended(stopped=False, daemon=True)
    assert (process.returncode, process.stdout) == (3, "the last line")


def test_where_nothing_holds_the_process_it_ends_as_ever() -> None:
    process = ended(stopped=True, daemon=True)
    assert (process.returncode, process.stdout, process.stderr) == (0, "the last line, and one more", "")


def test_a_thread_that_is_just_ending_is_waited_for() -> None:
    process = ended(stopped=True, daemon=False, before="threading.Timer(0.2, may_end.set).start()")
    assert process.returncode == 0
    assert process.stdout == "the last line, and one more"


def test_a_reader_that_has_gone_holds_nothing() -> None:
    process = ended(stopped=False, daemon=False, before="sys.stdout.close()")
    assert process.returncode == 3
