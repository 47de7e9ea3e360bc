"""Nobody reads what the agent writes: it collects, delivers and stops as if somebody did."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from runs.conftest import Case

from agent_core.testing.agent_process import AGENT, wait_until
from agent_core.testing.suite.patience import PROCESS_SECONDS

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes that can be filled without waiting")

MORE_RECORDS = 10
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
"""Streams hold back text, as they do for users, so that there is something to flush at the end."""


@contextmanager
def full_pipe() -> Iterator[int]:
    """A pipe with room for nothing more, and nobody who reads."""
    inside, outside = os.pipe()
    os.set_blocking(outside, False)
    for size in (4096, 1):
        with suppress(BlockingIOError):
            while True:
                os.write(outside, b"x" * size)
    os.set_blocking(outside, True)
    try:
        yield outside
    finally:
        os.close(inside)
        os.close(outside)


def stored(file: Path) -> int:
    """How many records are in the sink."""
    with suppress(sqlite3.OperationalError), closing(sqlite3.connect(file, timeout=10)) as database:
        [[count]] = database.execute("SELECT COUNT(*) FROM tag_data")
        return int(count)
    return 0


def test_with_every_pipe_full_values_reach_the_sink_and_the_ledger_is_in_the_log_file(case: Case) -> None:
    with full_pipe() as pipe:
        agent = subprocess.Popen(
            [*AGENT, "run", "agent.yaml", "--status-every", "100ms"],
            cwd=case.folder,
            env=BUFFERED,
            stdout=pipe,
            stderr=pipe,
        )
        try:
            wait_until(lambda: stored(case.folder / "warehouse.db") >= MORE_RECORDS, what="a record")
            agent.send_signal(signal.SIGTERM)
            assert agent.wait(PROCESS_SECONDS) == 0
        finally:
            agent.kill()
            agent.wait()
    log = (case.folder / "agent.log").read_text(encoding="utf-8")
    (ledger,) = [line for line in log.splitlines() if "ledger not printed: sink=warehouse" in line]
    delivered = stored(case.folder / "warehouse.db")
    assert f" collected={delivered} " in ledger
    assert f" delivered={delivered} " in ledger
    for output in ("stderr", "stdout"):
        assert f"log lines dropped: output={output} count=" in log


def test_a_replay_whose_log_nobody_reads_ends_with_its_own_exit_code(case: Case) -> None:
    with full_pipe() as pipe:
        replay = subprocess.run(
            [*AGENT, "replay"], cwd=case.folder, env=BUFFERED, stderr=pipe, timeout=PROCESS_SECONDS, check=False
        )
    assert replay.returncode == 2, "no sink there has a fallback"
