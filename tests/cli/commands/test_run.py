"""``tagferry run`` around an Agent: status lines, signals, the end."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from cli.fake_agent import FakeAgent, agent_status, sink_status

from agent_core.api import AgentError, AgentStatus, LedgerSnapshot, SystemClock
from agent_core.cli import exit_code
from agent_core.cli.commands.run import Run
from agent_core.cli.main import main
from agent_core.cli.streams.proxy import QueuedStream
from agent_core.cli.text.terminal import Terminal
from agent_core.testing.suite.patience import PATIENCE_SECONDS

REPOSITORY = Path(__file__).parents[3]
SIGNALS = pytest.mark.skipif(sys.platform == "win32", reason="a test cannot send Ctrl-C to itself on Windows")


def run_of(agent: FakeAgent, out: io.StringIO, status_seconds: float | None = None) -> Run:
    return Run(agent, Terminal(out), SystemClock(), status_seconds, 30.0)


def test_a_clean_run_prints_the_ledger_and_ends_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    ledger = LedgerSnapshot(collected=7, delivered=7)
    agent = FakeAgent(status=lambda: agent_status(7, 1.0, [sink_status(ledger=ledger)]))
    agent.request_stop("test")
    assert run_of(agent, io.StringIO()).until_stopped() == exit_code.OK
    assert agent.calls == ["start", "stop test", "shutdown"]
    assert "warehouse          7          7        0        0       yes" in capsys.readouterr().out


def test_the_agent_knows_what_hides_the_secrets_of_its_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []

    def make(*given: object) -> FakeAgent:
        redact = given[-1]
        assert callable(redact)
        shown.append(redact("log in with tiger-0123456789 failed"))
        return FakeAgent(start_error=AgentError("enough"))

    monkeypatch.setattr("agent_core.runtime.agent.Agent", make)
    monkeypatch.setenv("TOKEN", "tiger-0123456789")
    file = tmp_path / "agent.yaml"
    file.write_text(
        """
agent: {name: line-1}
sources: [{id: line, type: polling_source, config: {devices: [{id: PLC, driver: simulator_driver}], groups: [
  {id: G, device: PLC, interval: 1s, tags: [{name: T, address: "sine:", data_type: float32}]}]}}]
sinks: [{id: warehouse, type: sqlite_sink, config: {path: data.db}}]
extensions: [{type: http_monitor, config: {token: "${TOKEN}"}}]
""",
        encoding="utf-8",
    )
    assert main(["run", str(file)]) == exit_code.FAILED
    assert shown == ["log in with *** failed"]


@pytest.mark.parametrize(
    ("collected", "reason"), [(7, "sink warehouse: did not end in time"), (8, "the ledger does not balance")]
)
def test_a_stop_that_was_not_clean_says_why_and_ends_with_1(
    capsys: pytest.CaptureFixture[str], collected: int, reason: str
) -> None:
    ledger = LedgerSnapshot(collected=collected, delivered=7)
    agent = FakeAgent(clean=False, status=lambda: agent_status(7, 1.0, [sink_status(ledger=ledger)]))
    agent.request_stop("test")
    assert run_of(agent, io.StringIO()).until_stopped() == exit_code.FAILED
    assert f"error: the stop was not clean: {reason}" in capsys.readouterr().err


def test_a_failing_start_is_not_followed_by_a_shutdown() -> None:
    agent = FakeAgent(start_error=AgentError("another agent uses the state directory"))
    with pytest.raises(AgentError):
        run_of(agent, io.StringIO()).until_stopped()
    assert agent.calls == ["start"]


def test_status_lines_come_as_often_as_asked() -> None:
    out = io.StringIO()
    seen = threading.Event()
    statuses = 0

    def status() -> AgentStatus:
        nonlocal statuses
        statuses += 1
        if statuses == 3:
            agent.request_stop("enough")
            seen.set()
        return agent_status(statuses, float(statuses))

    agent = FakeAgent(status=status)
    assert run_of(agent, out, status_seconds=0.1).until_stopped() == exit_code.OK
    assert out.getvalue().splitlines()[:3] == [
        f"00:00:0{second}  collected {second}  1 records/s  "
        "warehouse up: written 0, in memory 0, in files 0, rejected 0, lost 0"
        for second in (1, 2, 3)
    ]


def test_where_the_log_is_json_the_status_is_a_record_of_it(caplog: pytest.LogCaptureFixture) -> None:
    out = io.StringIO()

    def status() -> AgentStatus:
        agent.request_stop("enough")
        return agent_status(1, 1.0)

    agent = FakeAgent(status=status)
    with caplog.at_level(logging.INFO):
        Run(agent, Terminal(out), SystemClock(), 0.1, 30.0, as_log=True).until_stopped()
    assert out.getvalue() == ""
    (record,) = caplog.records
    counts = "collected=1 written=0 in_memory=0 in_files=0 rejected=0 lost=0"
    assert record.getMessage().startswith(f"status: {counts} summary=00:00:01  collected 1  ")


@pytest.mark.provokes("status failed")
def test_a_status_that_cannot_be_made_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    asked = 0

    def status() -> AgentStatus:
        nonlocal asked
        asked += 1
        if asked < 3:
            raise RuntimeError("a defect of a part")
        agent.request_stop("enough")
        return agent_status(asked, float(asked))

    agent, out = FakeAgent(status=status), io.StringIO()
    assert run_of(agent, out, status_seconds=0.1).until_stopped() == exit_code.OK
    assert out.getvalue().startswith("00:00:03  collected 3")
    (record,) = caplog.records
    assert record.getMessage() == "status failed: error=a defect of a part"


def test_a_ledger_that_standard_output_does_not_take_is_in_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdout", QueuedStream(io.StringIO(), None))  # closed before the start
    ledger = LedgerSnapshot(collected=9, delivered=7, diverted=2)
    agent = FakeAgent(status=lambda: agent_status(9, 1.0, [sink_status(ledger=ledger)]))
    agent.request_stop("test")
    assert run_of(agent, io.StringIO()).until_stopped() == exit_code.OK
    (record,) = caplog.records
    assert record.getMessage() == (
        "ledger not printed: sink=warehouse collected=9 recovered=0 filtered=0 delivered=7 duplicates=0 rejected=0 "
        "diverted=2 dropped=0 pending=0 in_files=2 balanced=True"
    )


@pytest.mark.provokes("ledger not available")
def test_a_part_that_hangs_when_asked_for_its_status_holds_up_no_stop(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("agent_core.cli.commands.run.STATUS_SECONDS", 0.01)
    may_answer = threading.Event()

    def status() -> AgentStatus:
        agent.request_stop("SIGTERM")
        assert may_answer.wait(PATIENCE_SECONDS)
        return agent_status(0, 0.0)

    agent = FakeAgent(status=status)
    assert run_of(agent, io.StringIO(), status_seconds=0.1).until_stopped() == exit_code.FAILED
    may_answer.set()
    assert agent.calls == ["start", "stop SIGTERM", "shutdown"]
    assert "there is no ledger" in capsys.readouterr().err
    assert caplog.messages == ["ledger not available: error=TimeoutError() waited_seconds=0.01"]


def test_where_no_thread_can_be_started_the_agent_runs_without_one_that_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    agent = FakeAgent()
    agent.request_stop("test")
    assert run_of(agent, io.StringIO()).until_stopped() == exit_code.OK


@SIGNALS
def test_ctrl_c_while_a_part_opens_is_answered(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()

    class SlowToOpen(FakeAgent):
        def start(self) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            end = time.monotonic() + 60
            while "still starting" not in out.getvalue() and time.monotonic() < end:
                time.sleep(0.01)

    agent = SlowToOpen()
    assert run_of(agent, out).until_stopped() == exit_code.OK
    assert out.getvalue() == "still starting: the parts that are open are being closed\n"
    assert agent.calls == ["stop SIGINT", "shutdown"]


@SIGNALS
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_asks_for_an_ordered_stop_and_the_old_handler_comes_back(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    pending = [number]

    def status() -> AgentStatus:
        if pending:
            os.kill(os.getpid(), pending.pop())
        return agent_status(0, 0.0)

    agent = FakeAgent(status=status)
    assert run_of(agent, io.StringIO(), status_seconds=0.1).until_stopped() == exit_code.OK
    assert agent.calls == ["start", f"stop {number.name}", "shutdown"]
    assert signal.getsignal(number) is before


@SIGNALS
def test_a_second_ctrl_c_says_what_the_stop_waits_for() -> None:
    out = io.StringIO()
    ledger = LedgerSnapshot(collected=1234, pending=1234)
    agent = FakeAgent(status=lambda: agent_status(0, 0.0, [sink_status(ledger=ledger)]))
    agent.may_end.clear()

    def impatient() -> None:
        agent.stopping.wait(60)
        os.kill(os.getpid(), signal.SIGINT)
        while "still stopping" not in out.getvalue():
            time.sleep(0.01)
        agent.may_end.set()

    agent.request_stop("SIGINT")
    thread = threading.Thread(target=impatient, daemon=True)
    thread.start()
    assert run_of(agent, out).until_stopped() == exit_code.OK
    thread.join(60)
    assert out.getvalue() == (
        "still stopping: waiting for 1,234 records of warehouse (up); "
        "the stop ends at most 30 s after the first signal\n"
    )


@SIGNALS
def test_after_the_last_run_of_a_process_no_signal_changes_its_exit_code() -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    agent = FakeAgent()
    agent.request_stop("test")
    try:
        assert run_of(agent, io.StringIO()).until_stopped(last=True) == exit_code.OK
        for number in numbers:
            os.kill(os.getpid(), number)
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from cli.fake_agent import FakeAgent
from agent_core.api import SystemClock
from agent_core.cli.commands.run import Run
from agent_core.cli.text.terminal import Terminal
agent = FakeAgent()
agent.shutdown = lambda: print("shut down", flush=True) or True
print("ready", flush=True)
sys.exit(Run(agent, Terminal(sys.stderr), SystemClock(), 0.1, 30.0).until_stopped())
"""


@SIGNALS
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_to_the_process_ends_it_in_order_with_0(name: str) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(tests=str(REPOSITORY / "tests"))],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    assert process.stdout.readline() == "ready\n"
    assert "collected 0" in process.stderr.readline()  # the handlers are in place
    process.send_signal(signal.Signals[name])
    out, err = process.communicate(timeout=120)
    assert process.returncode == exit_code.OK
    assert out.startswith("shut down\n")
    assert "Traceback" not in err
