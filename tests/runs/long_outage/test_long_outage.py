"""The database (stand-in, not Oracle) is away for long, at the reference plant's rate: with a fallback nothing is lost.

The buffer is the default one of 10,000 rows, which holds less than three seconds.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

import pytest
from oracle_standin.process import Standin
from runs.conftest import Case
from runs.counting.counted_run import CountedRun
from runs.counting.counting_source import TABLE
from runs.counting.tally import rows_in_table

from agent_core.testing.agent_process import AgentProcess, wait_until
from agent_core.testing.suite.patience import PROCESS_SECONDS

pytestmark = pytest.mark.drill

Outage = Callable[[Standin], AbstractContextManager[None]]


@dataclass(frozen=True)
class Scale:
    """How long the database is away, and how patient the agent is; the short scale is the long one, shrunk."""

    outage_seconds: float
    catch_up_seconds: float
    login_timeout: str
    call_timeout: str
    initial_delay: str
    probe_interval: str
    max_file_age: str
    replay_rate: int

    def words(self, **more: object) -> dict[str, object]:
        return {
            "AT_LEAST": 1,
            "LOGIN_TIMEOUT": self.login_timeout,
            "CALL_TIMEOUT": self.call_timeout,
            "INITIAL_DELAY": self.initial_delay,
            "PROBE_INTERVAL": self.probe_interval,
            "MAX_FILE_AGE": self.max_file_age,
            "MIN_FREE_DISK": "1MiB",
            "REPLAY_RATE": self.replay_rate,
        } | more


SHORT = Scale(3.5, PROCESS_SECONDS, "500ms", "300ms", "50ms", "300ms", "500ms", 100_000)
SLOW_TO_GIVE_UP = replace(SHORT, initial_delay="1s")
"""It is still retrying when the buffer is full, so that rows leave because they are evicted."""

FULL = Scale(60, 400, "15s", "10s", "1s", "30s", "60s", 5000)
"""Everything as it is by default."""


@contextmanager
def refused(server: Standin) -> Iterator[None]:
    """The listener is gone and every session with it."""
    server.listener_stop()
    server.drop_sessions()
    yield
    server.listener_start()


@contextmanager
def black_hole(server: Standin) -> Iterator[None]:
    """Nothing that is sent gets an answer, not even a break; new connections are swallowed."""
    for point in ("execute", "query", "commit", "rollback", "ping"):
        server.fault(point, "freeze", times=0)
    server.black_hole(True)
    yield
    server.clear_faults()
    server.black_hole(False)


OUTAGES = [
    pytest.param(refused, SHORT, id="refused"),
    pytest.param(black_hole, SLOW_TO_GIVE_UP, id="black_hole"),
    pytest.param(refused, FULL, id="refused_for_60_s", marks=pytest.mark.chaos),
    pytest.param(black_hole, FULL, id="black_hole_for_60_s", marks=pytest.mark.chaos),
]


@pytest.fixture
def server() -> Iterator[Standin]:
    with Standin(ddl=[TABLE]) as server:
        yield server


@pytest.fixture
def run(case: Case, server: Standin) -> CountedRun:
    return CountedRun(case, server)


def rows(server: Standin) -> int:
    return server.tables()["SCOTT.TAG_DATA"]


def wait_for_rows(run: CountedRun) -> None:
    before = rows(run.server)
    wait_until(lambda: rows(run.server) > before, what="rows in the table")


@pytest.mark.parametrize(("outage", "scale"), OUTAGES)
def test_after_the_catch_up_the_table_has_every_value_once(run: CountedRun, outage: Outage, scale: Scale) -> None:
    with run.agent(scale.words()) as agent:
        wait_for_rows(run)
        with outage(run.server):
            time.sleep(scale.outage_seconds)
            assert run.waiting_files(), "more was collected than the buffer holds"
        wait_for_rows(run)
        run.enough()
        run.wait_for_catch_up(scale.catch_up_seconds)
        run.stop()
    tally = run.tally()
    ledger = agent.ledger("warehouse")
    assert ledger["collected"] == tally.in_table
    assert ledger["collected"] > 3491 * scale.outage_seconds * 0.9
    assert ledger["dropped"] == ledger["pending"] == 0
    assert ledger["diverted"] > 0
    nothing_else = {"in memory": 0, "in files": 0, "rejected": 0, "lost": 0}
    assert agent.places("warehouse") == {"written": tally.in_table, **nothing_else}, "what came back counts as written"
    if outage is black_hole:
        assert "diverted: buffer_full" in agent.output


def test_a_fallback_that_keeps_disk_free_loses_what_it_says_and_no_more(run: CountedRun) -> None:
    with run.agent(SHORT.words(MIN_FREE_DISK="9000TiB")) as agent:
        wait_for_rows(run)
        with refused(run.server):
            wait_until(lambda: "records dropped" in agent.output, what="the buffer to overflow")
            time.sleep(1)
        wait_for_rows(run)
        run.enough()
        run.wait_for_catch_up(SHORT.catch_up_seconds)
        run.stop()
    assert "MIN_FREE_DISK" not in agent.output, "the message says it in words"
    assert "free disk space" in agent.output
    assert_exact_loss(run, agent)


@pytest.mark.skipif(sys.platform != "linux", reason="the limit of a running process can be set on Linux only")
@pytest.mark.parametrize("outage", [refused, black_hole])
def test_when_the_disk_is_full_as_well_the_loss_is_exact_and_it_recovers(run: CountedRun, outage: Outage) -> None:
    with run.agent(SHORT.words()) as agent:
        wait_for_rows(run)
        with outage(run.server):
            wait_until(lambda: bool(run.waiting_files()), what="rows in the fallback")
            with disk_full(agent):
                wait_until(lambda: "records dropped" in agent.output, what="the buffer to overflow")
                time.sleep(0.5)
            held = bytes_of(run)
            wait_until(lambda: bytes_of(run) > held, what="the fallback to take rows again")
        wait_for_rows(run)
        run.enough()
        run.wait_for_catch_up(SHORT.catch_up_seconds)
        run.stop()
    assert "the disk is full" in agent.output
    assert_exact_loss(run, agent)


def test_when_the_backup_folder_is_away_as_well_the_loss_is_exact_and_the_open_file_is_adopted(run: CountedRun) -> None:
    with run.agent(SHORT.words()) as agent:
        wait_for_rows(run)
        with refused(run.server):
            wait_until(lambda: bool(run.waiting_files()), what="rows in the fallback")
            with folder_lost(run):
                wait_until(lambda: "records dropped" in agent.output, what="the buffer to overflow")
                time.sleep(0.5)
            wait_until(lambda: "fallback works again" in agent.output, what="the fallback to take rows again")
        wait_for_rows(run)
        run.enough()
        run.wait_for_catch_up(SHORT.catch_up_seconds)
        run.stop()
    assert "a file has the folder's name (ENOTDIR)" in agent.output
    assert "backup file salvaged" in agent.output
    assert_exact_loss(run, agent)


@contextmanager
def folder_lost(run: CountedRun) -> Iterator[None]:
    """A file is in its place, as it may be below a mount that ended."""
    folder, lost = run.case.folder / "backup", run.case.folder / "lost"
    folder.rename(lost)
    folder.write_text("in the way", encoding="utf-8")
    yield
    folder.unlink()
    lost.rename(folder)


@contextmanager
def disk_full(agent: AgentProcess) -> Iterator[None]:
    """No file of the agent can grow."""
    import resource

    def limit(size: int) -> None:
        assert sys.platform == "linux"
        resource.prlimit(agent.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    limit(0)
    yield
    limit(resource.RLIM_INFINITY)


def bytes_of(run: CountedRun) -> int:
    return sum(file.stat().st_size for file in run.waiting_files())


def assert_exact_loss(run: CountedRun, agent: AgentProcess) -> None:
    """Every number is in the table once or was counted as dropped."""
    found = [row.number for row in rows_in_table(run.server)]
    ledger = agent.ledger("warehouse")
    assert len(found) == len(set(found)), "none is twice"
    assert ledger["collected"] == run.emitted
    assert ledger["dropped"] == run.emitted - len(found) > 0
    assert ledger["pending"] == 0
    assert f"warehouse dropped: fallback_failed {ledger['dropped']:,}" in agent.output
