"""The database (stand-in, not Oracle) accepts and never answers: every wait is bounded, and the process always ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from oracle_standin.process import Standin
from runs.conftest import Case
from runs.counting.counted_run import CountedRun
from runs.counting.counting_source import TABLE
from runs.counting.tally import rows_in_files, rows_in_table

from agent_core.testing.agent_process import AgentProcess, wait_until
from agent_core.testing.suite.patience import PATIENCE_SECONDS, within

pytestmark = pytest.mark.drill

SHUTDOWN_SECONDS = 2.0

PARTS = Path(__file__).parent / "parts"


@dataclass(frozen=True)
class Hang:
    """Where everything stops: ``begin`` makes it so, ``hangs`` says that a call has got there."""

    begin: Callable[[Standin], None]
    hangs: Callable[[Standin], bool]
    words: dict[str, object] = field(default_factory=dict)
    gives_up: str = "warehouse down"


def _connect(server: Standin) -> None:
    server.black_hole(True)
    server.drop_sessions()


def _at(*points: str, cut: bool = False) -> Callable[[Standin], None]:
    """Freeze these calls for good; ``cut`` makes it log in again."""

    def begin(server: Standin) -> None:
        for point in points:
            server.fault(point, "freeze", times=0)
        if cut:
            server.drop_sessions()

    return begin


def _rollback(server: Standin) -> None:
    server.fault("rollback", "freeze", times=0)
    server.fault("execute", "ora", code=60, times=0)


def _look_up(server: Standin) -> None:
    server.fault("query", "freeze", match="FROM .*TAG_DATA", times=0)
    server.fault("commit", "drop", when="after")


def _frozen(server: Standin) -> bool:
    return any(rule["action"] == "freeze" and rule["fired"] for rule in server.faults())


def _cut(server: Standin) -> bool:
    return server.counters()["sessions"] == 0


HANGS = {
    "connect": Hang(_connect, _cut),
    "log_in": Hang(_at("auth", cut=True), _frozen),
    "acquire": Hang(_at("execute"), _frozen, {"WORKERS": 2, "POOL_MAX": 1}, "sessions are in use"),
    "execute": Hang(_at("execute"), _frozen),
    "look_up": Hang(_look_up, _frozen),
    "commit": Hang(_at("commit"), _frozen),
    "rollback": Hang(_rollback, _frozen),
}
EACH_HANG = pytest.mark.parametrize("hang", HANGS.values(), ids=HANGS)
AT_THE_STOP = pytest.mark.parametrize(
    "hang",
    [
        pytest.param(hang, id=name, marks=[] if name in ("connect", "execute", "commit") else pytest.mark.chaos)
        for name, hang in HANGS.items()
    ],
)
IMPATIENT = {"WORKERS": 1, "POOL_MAX": 2, "LOGIN_TIMEOUT": "400ms", "CALL_TIMEOUT": "300ms", "WAIT_TIMEOUT": "200ms"}
PATIENT = {"WORKERS": 1, "POOL_MAX": 5, "LOGIN_TIMEOUT": "90s", "CALL_TIMEOUT": "90s", "WAIT_TIMEOUT": "90s"}


@pytest.fixture
def server() -> Iterator[Standin]:
    with Standin(ddl=[TABLE]) as server:
        yield server


@pytest.fixture
def run(case: Case, server: Standin) -> CountedRun:
    return CountedRun(case, server)


def let_go(server: Standin) -> None:
    server.clear_faults()
    server.black_hole(False)


def wait_for_rows(server: Standin) -> None:
    before = server.tables()["SCOTT.TAG_DATA"]
    wait_until(lambda: server.tables()["SCOTT.TAG_DATA"] > before, what="rows in the table")


@EACH_HANG
def test_a_call_that_hangs_is_given_up_and_nothing_is_lost(run: CountedRun, server: Standin, hang: Hang) -> None:
    with run.agent(IMPATIENT | hang.words) as agent:
        wait_for_rows(server)
        before = len(agent.output)
        hang.begin(server)
        wait_until(lambda: hang.gives_up in agent.output[before:], what=f"{hang.gives_up!r}")
        let_go(server)
        wait_for_rows(server)
        run.enough()
        run.wait_for_catch_up()
        run.stop()
    run.tally()
    assert agent.ledger("warehouse")["dropped"] == 0


@AT_THE_STOP
def test_a_stop_while_a_call_hangs_ends_in_time_and_nothing_is_lost(
    run: CountedRun, server: Standin, hang: Hang
) -> None:
    with run.agent(PATIENT | hang.words) as agent:
        wait_for_rows(server)
        hang.begin(server)
        wait_until(lambda: hang.hangs(server), what="the call that hangs")
        end_in_time(agent)
    let_go(server)
    assert_all_kept(run, agent)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot suspend a process")
@pytest.mark.parametrize("busy", [True, False])
def test_a_stop_in_a_network_that_swallows_everything_ends_in_time(
    run: CountedRun, server: Standin, busy: bool
) -> None:
    with run.agent(PATIENT) as agent:
        wait_for_rows(server)
        if not busy:
            run.enough()
            wait_until(lambda: run.ended and "in memory 0," in run.status, what="all rows in the table")
        server.suspend()
        if busy:
            wait_until(lambda: "in memory 0," not in run.status, what="rows that wait")
        end_in_time(agent)
    server.resume()
    assert_all_kept(run, agent)


@pytest.mark.parametrize(("hangs_in", "code"), [("nothing", 0), ("start", 0), ("stop", 1), ("close", 1)])
def test_a_thread_that_nobody_can_end_does_not_keep_the_process(case: Case, hangs_in: str, code: int) -> None:
    text = (case.folder / "stubborn.yaml").read_text(encoding="utf-8").replace("HANGS_IN", hangs_in)
    (case.folder / "agent.yaml").write_text(text, encoding="utf-8")
    with case.agent({"PYTHONPATH": os.pathsep.join((str(PARTS), case.environ["PYTHONPATH"]))}) as agent:
        if hangs_in == "start":
            wait_until(lambda: any((case.folder / "out").rglob("*.part")), what="records, while the agent still starts")
        else:
            agent.wait_for("written 3,")
        assert end_in_time(agent) == code
    assert "process ended with threads running: threads=stubborn" in agent.output
    assert agent.ledger("files")["delivered"] == 3
    assert len(list((case.folder / "out" / "files").glob("backup_*.csv"))) == 1, "complete, under its final name"


def end_in_time(agent: AgentProcess) -> int:
    """Stop it; its exit code. The time is that of the whole process, from the signal to its end."""
    with within(SHUTDOWN_SECONDS):
        return agent.stop(SHUTDOWN_SECONDS + PATIENCE_SECONDS)


def assert_all_kept(run: CountedRun, agent: AgentProcess) -> None:
    """Every number is in the table or waits in the fallback, and the ledger says so."""
    found = {row.number for row in rows_in_table(run.server)}
    found |= {row.number for row in rows_in_files(run.waiting_files())}
    ledger = agent.ledger("warehouse")
    missing = set(range(run.emitted)) - found
    assert not missing, f"{len(missing)} of {run.emitted} numbers are nowhere:\n{agent.output}"
    assert ledger["dropped"] == ledger["pending"] == 0
    assert ledger["collected"] == run.emitted
