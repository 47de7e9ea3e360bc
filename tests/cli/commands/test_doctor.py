"""``tagferry doctor`` as a command: what it prints and returns."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_mock import MockerFixture
from runtime.backups import YAML, Place
from sqlite_sink.sink import SqliteSink

from agent_core.api import Finding, Severity
from agent_core.cli.commands.doctor import JsonReport, TextReport
from agent_core.cli.main import main
from agent_core.cli.text.terminal import Terminal
from agent_core.runtime.examination.doctor import Patient
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import FakeSink


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.chdir(tmp_path)
    return Place(tmp_path)


def say(mocker: MockerFixture, *findings: Finding) -> None:
    """Let the sink find these."""
    mocker.patch.object(SqliteSink, "diagnose", return_value=findings)


CRITICAL = Finding(Severity.CRITICAL, "table TAG_DATA", "not found", "create it:\nCREATE TABLE TAG_DATA;")
WARNING = Finding(Severity.WARNING, "account", "the password expires in 3 days", "set a new one")


def test_help_teaches_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--help"]) == 0
    assert "examples:\n  tagferry doctor" in capsys.readouterr().out


def test_lines_are_grouped_by_part_and_say_what_to_do(
    place: Place, mocker: MockerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    say(mocker, Finding(Severity.OK, "log-in", "as agent"), WARNING, CRITICAL)
    assert main(["doctor"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "agent line-1"
    start = lines.index("sink local (sqlite_sink)")
    assert lines[start + 1 : start + 8] == [
        "  ok        log-in: as agent",
        "  warning   account: the password expires in 3 days",
        "            next: set a new one",
        "  critical  table TAG_DATA: not found",
        "            next: create it:",
        "            CREATE TABLE TAG_DATA;",
        "fallback local (csv_sink)",
    ]
    assert lines[-1].endswith(" ok, 1 warning, 1 critical")


def test_a_warning_is_not_critical(place: Place, mocker: MockerFixture, capsys: pytest.CaptureFixture[str]) -> None:
    say(mocker, WARNING)
    assert main(["doctor"]) == 0
    assert capsys.readouterr().out.endswith(" ok, 1 warning, 0 critical\n")


def test_as_json(place: Place, mocker: MockerFixture, capsys: pytest.CaptureFixture[str]) -> None:
    say(mocker, CRITICAL)
    assert main(["doctor", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["healthy"] is False
    assert found["counts"]["critical"] == 1
    assert [finding for finding in found["findings"] if finding["kind"] == "sink"] == [
        {
            "kind": "sink",
            "id": "local",
            "type": "sqlite_sink",
            "severity": "critical",
            "subject": "table TAG_DATA",
            "message": "not found",
            "next_step": "create it:\nCREATE TABLE TAG_DATA;",
        }
    ]


def test_a_yaml_that_is_not_valid_is_2(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.yaml.write_text(YAML.replace("sqlite_sink", "sqlight_sink"), encoding="utf-8")
    assert main(["doctor"]) == 2
    captured = capsys.readouterr()
    assert "did you mean sqlite_sink?" in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("timeout", ["0s", "5", "soon"])
def test_a_timeout_that_makes_no_sense_is_named(place: Place, capsys: pytest.CaptureFixture[str], timeout: str) -> None:
    assert main(["doctor", "--timeout", timeout]) == 2
    assert "argument --timeout: " in capsys.readouterr().err


class TableSink(FakeSink):
    def ddl(self) -> str:
        return "CREATE TABLE t (a INT);\n"


def test_ddl_prints_statements_and_checks_nothing(
    place: Place, mocker: MockerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", "--ddl"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "no sink of agent.yaml needs a table to be created\n"
    mocker.patch("sqlite_sink.sink.SqliteSink", return_value=TableSink())
    assert main(["doctor", "--ddl"]) == 0
    assert capsys.readouterr().out == "-- sink local (sqlite_sink)\nCREATE TABLE t (a INT);\n"
    assert main(["doctor", "--ddl", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"ddl": {"local": "CREATE TABLE t (a INT);\n"}}


def test_a_secret_that_is_a_number_spoils_no_json() -> None:
    report = JsonReport(lambda text: text.replace("7", "***"))
    report.found(Patient("sink", "warehouse"), Finding(Severity.WARNING, "log-in", "7 was refused", "change 7"))
    found = json.loads(report.text({Severity.WARNING: 7}))
    assert found["counts"]["warning"] == 7
    assert [(one["message"], one["next_step"]) for one in found["findings"]] == [("*** was refused", "change ***")]


def test_secrets_are_not_printed(
    place: Place, mocker: MockerFixture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = "type: oracle_sink\n    config: {dsn: nowhere/x, user: scott, password: '${PASSWORD}'}\n"
    monkeypatch.setenv("PASSWORD", "very-secret")
    yaml = YAML.replace("type: sqlite_sink\n    config: {path: data.db, busy_timeout: 100ms}\n", oracle)
    place.yaml.write_text(yaml, encoding="utf-8")
    failed = Finding(Severity.CRITICAL, "log-in", "very-secret was refused")
    mocker.patch("oracle_sink.sink.OracleSink.diagnose", return_value=[failed])
    for options in ([], ["--json"]):
        assert main(["doctor", *options]) == 1
        captured = capsys.readouterr()
        assert "*** was refused" in captured.out
        assert "very-secret" not in captured.out + captured.err


@pytest.mark.provokes("check failed")
def test_a_defect_shows_its_traceback_on_demand_only(
    place: Place, mocker: MockerFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    mocker.patch.object(SqliteSink, "diagnose", side_effect=RuntimeError("boom"))
    assert main(["doctor"]) == 1
    captured = capsys.readouterr()
    assert "critical  check: RuntimeError: boom" in captured.out
    assert "Traceback" not in captured.out + captured.err
    assert main(["--debug", "doctor"]) == 1
    assert "Traceback" in capsys.readouterr().err


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def watch() -> Callable[[io.StringIO], None]:
    """A check of 25 seconds, asked four times a second."""

    def run(stream: io.StringIO) -> None:
        clock, patient = ManualClock(), Patient("sink", "local", "sqlite_sink")
        report = TextReport(Terminal(stream), clock, str)
        report.began(patient)
        for quarter in range(100):
            report.waiting(patient, quarter / 4)
            clock.advance(0.25)
        report.found(patient, Finding(Severity.OK, "log-in", "as agent"))

    return run


def test_a_slow_check_shows_on_a_terminal_that_it_is_at_work(
    watch: Callable[[io.StringIO], None], capsys: pytest.CaptureFixture[str]
) -> None:
    screen = Screen()
    watch(screen)
    assert "checking sink local (sqlite_sink) ... 1 s" in screen.getvalue()
    assert "\n" not in screen.getvalue()
    assert screen.getvalue().rstrip("\r ").endswith("... 25 s"), "then it is wiped out"
    assert capsys.readouterr().out == "sink local (sqlite_sink)\n  ok        log-in: as agent\n"


def test_elsewhere_it_says_so_now_and_then(
    watch: Callable[[io.StringIO], None], capsys: pytest.CaptureFixture[str]
) -> None:
    stream = io.StringIO()
    watch(stream)
    assert stream.getvalue().splitlines() == [
        "  checking sink local (sqlite_sink) ... 10 s", "  checking sink local (sqlite_sink) ... 20 s",
    ]  # fmt: skip


HANG = """
import sys, threading
from sqlite_sink.sink import SqliteSink
def hangs(self):
    threading.Thread(target=threading.Event().wait, name="of-the-driver").start()
    threading.Event().wait()
    yield
SqliteSink.diagnose = hangs
from agent_core.cli.main import main
sys.exit(main(["doctor", "--timeout", "500ms"]))
"""


def test_the_process_ends_although_a_check_never_does(place: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-c", HANG],
        cwd=place.folder, env={**os.environ}, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "did not end within 0.5 s and was left behind" in done.stdout
