"""The doctor asks every part, is held up by none and leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pytest_mock import MockerFixture
from sqlite_sink.sink import SqliteSink

from agent_core import __version__
from agent_core.api import AgentError, Finding, Severity, SystemClock
from agent_core.config import load_config
from agent_core.registry import Registry
from agent_core.runtime.examination.doctor import Doctor, Patient, table_definitions
from agent_core.runtime.examination.surroundings import diagnose_surroundings
from agent_core.runtime.state_lock import state_lock
from agent_core.testing.clock import START_NS, ManualClock
from agent_core.testing.fakes import FakeSink

from ..backups import YAML, Place

DEFECT = f"this is a defect of sqlite_sink (tagferry-sqlite-sink {__version__}); tagferry --debug doctor shows where"


class Notes:
    """A visitor who writes everything down."""

    def __init__(self) -> None:
        self.patients: list[str] = []
        self.findings: list[tuple[str, Finding]] = []
        self.waited: list[str] = []
        self.on_wait: Callable[[], None] = lambda: None

    def began(self, patient: Patient) -> None:
        self.patients.append(str(patient))

    def found(self, patient: Patient, finding: Finding) -> None:
        self.findings.append((patient.kind, finding))

    def waiting(self, patient: Patient, elapsed_seconds: float) -> None:
        self.waited.append(patient.kind)
        self.on_wait()

    def of(self, kind: str) -> list[Finding]:
        return [finding for found, finding in self.findings if found == kind]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def examine(place: Place, limit_seconds: float = 10.0) -> tuple[Notes, dict[Severity, int]]:
    registry, notes = Registry(), Notes()
    config = place.config(registry)
    counts = Doctor(config, registry.catalog, SystemClock(), limit_seconds).examine(notes)
    return notes, dict(counts)


def say(mocker: MockerFixture, diagnose: Callable[[], Iterator[Finding]]) -> None:
    """Let the sink's check be this."""
    mocker.patch.object(SqliteSink, "diagnose", side_effect=diagnose)


def test_every_part_is_asked_in_the_order_of_the_data(place: Place) -> None:
    notes, counts = examine(place)
    assert notes.patients == [
        "agent line-1",
        "source line1 (polling_source)",
        "buffer local (memory_buffer)",
        "sink local (sqlite_sink)",
        "fallback local (csv_sink)",
    ]
    assert {kind for kind, _ in notes.findings} == {"agent", "source", "buffer", "sink", "fallback"}
    assert counts[Severity.OK] == len(notes.findings)


def test_nothing_is_left_behind(place: Place) -> None:
    before = sorted(place.folder.rglob("*"))
    threads = threading.active_count()
    examine(place)
    assert sorted(place.folder.rglob("*")) == before
    assert threading.active_count() == threads


def test_a_part_without_checks_says_so(place: Place) -> None:
    notes, _ = examine(place)
    [finding] = notes.of("buffer")
    assert (finding.severity, finding.message) == (Severity.OK, "accepted; this part has no checks of its own")


def test_a_check_that_hangs_is_reported_with_what_it_found_and_left_behind(place: Place, mocker: MockerFixture) -> None:
    release = threading.Event()

    def hangs() -> Iterator[Finding]:
        yield Finding(Severity.OK, "network", "reached")
        release.wait(60)

    say(mocker, hangs)
    notes, counts = examine(place, limit_seconds=0.6)
    release.set()
    network, check = notes.of("sink")
    assert network.message == "reached"
    assert (check.severity, check.message) == (Severity.CRITICAL, "did not end within 0.6 s and was left behind")
    assert "sink" in notes.waited, "it is told of while it hangs"
    assert notes.of("fallback"), "the others are asked all the same"
    assert counts[Severity.CRITICAL] == 1


def test_findings_come_as_they_are_made(place: Place, mocker: MockerFixture) -> None:
    seen, notes = threading.Event(), Notes()

    def slow() -> Iterator[Finding]:
        yield Finding(Severity.OK, "first", "made")
        assert seen.wait(60), "the first finding was told before the second was made"
        yield Finding(Severity.OK, "second", "made")

    say(mocker, slow)
    registry = Registry()
    doctor = Doctor(place.config(registry), registry.catalog, SystemClock(), 20.0)
    notes.on_wait = lambda: seen.set() if notes.of("sink") else None
    doctor.examine(notes)
    assert [finding.subject for finding in notes.of("sink")] == ["first", "second"]


@pytest.mark.parametrize(
    ("error", "message", "step"),
    [
        (AgentError("the listener is gone"), "the listener is gone", None),
        (OSError(28, "No space left on device"), "No space left on device", None),
        (KeyError("boom"), "KeyError: 'boom'", DEFECT),
        (SystemExit(3), "SystemExit: 3", DEFECT),
    ],
)
@pytest.mark.provokes("check failed")
def test_a_check_that_raises_is_a_finding(
    place: Place, mocker: MockerFixture, error: BaseException, message: str, step: str | None
) -> None:
    def raises() -> Iterator[Finding]:
        yield Finding(Severity.WARNING, "before", "it")
        raise error

    say(mocker, raises)
    notes, counts = examine(place)
    _, failed = notes.of("sink")
    assert failed.severity is Severity.CRITICAL
    assert message in failed.message
    assert failed.next_step == step
    assert (counts[Severity.WARNING], counts[Severity.CRITICAL]) == (1, 1)


def surroundings(place: Place, clock: ManualClock | None = None, yaml: str | None = None) -> dict[str, Finding]:
    """The core's own findings by the first word of their subject."""
    if yaml is not None:
        place.yaml.write_text(yaml, encoding="utf-8")
    os.utime(place.yaml, ns=(START_NS, START_NS))
    config = place.config(Registry())
    return {finding.subject.split()[0]: finding for finding in diagnose_surroundings(config, clock or ManualClock())}


def test_the_warnings_of_the_yaml_are_findings(place: Place) -> None:
    assert surroundings(place)["configuration"].severity is Severity.OK
    findings = surroundings(place, yaml=YAML + "plugins: {disabled: [htp_monitor]}\n")
    assert findings["configuration"].severity is Severity.WARNING
    assert "agent.yaml:" in findings["configuration"].message
    assert "no plugin is called 'htp_monitor'" in findings["configuration"].message


def test_a_log_file_that_cannot_be_written_is_a_failure_and_nothing_is_left_behind(place: Place) -> None:
    assert "log" not in surroundings(place)
    yaml = YAML + "log: {file: {path: logs/agent.log}}\n"
    assert surroundings(place, yaml=yaml)["log"].severity is Severity.OK
    assert not (place.folder / "logs").exists()
    (place.folder / "logs").write_text("", encoding="utf-8")
    finding = surroundings(place, yaml=yaml)["log"]
    assert finding.severity is Severity.CRITICAL
    assert finding.message.startswith("cannot write in ")
    (place.folder / "logs").unlink()
    (place.folder / "logs" / "agent.log").mkdir(parents=True)
    assert surroundings(place, yaml=yaml)["log"].severity is Severity.CRITICAL


def test_a_state_directory_in_use_is_no_failure(place: Place) -> None:
    assert surroundings(place)["state"].severity is Severity.OK
    state_dir = place.folder / "state"
    state_dir.mkdir()
    with state_lock(state_dir):
        finding = surroundings(place)["state"]
        assert (finding.severity, finding.message) == (Severity.WARNING, "an agent runs with it now")
    assert surroundings(place)["state"].severity is Severity.OK


def test_a_state_directory_that_cannot_be_written_is_a_failure(place: Place) -> None:
    (place.folder / "state").write_text("a file", encoding="utf-8")
    finding = surroundings(place)["state"]
    assert finding.severity is Severity.CRITICAL
    assert "cannot write in" in finding.message


@pytest.mark.parametrize(
    ("free", "severity"), [(5 << 30, Severity.OK), (500 << 20, Severity.WARNING), (50 << 20, Severity.CRITICAL)]
)
def test_little_disk_is_a_warning_and_none_a_failure(
    place: Place, mocker: MockerFixture, free: int, severity: Severity
) -> None:
    mocker.patch("shutil.disk_usage", return_value=shutil._ntuple_diskusage(1 << 40, 0, free))
    assert surroundings(place)["disk"].severity is severity


def test_a_clock_from_another_age_is_a_failure(place: Place) -> None:
    assert surroundings(place)["clock"].severity is Severity.OK
    finding = surroundings(place, ManualClock(start_ns=0))["clock"]
    assert finding.severity is Severity.CRITICAL
    assert finding.message.startswith("1970-01-01 00:00:00 UTC")


def test_a_clock_that_was_set_back_is_noticed_by_the_files_it_has_dated(place: Place) -> None:
    state_dir = place.folder / "state"
    state_dir.mkdir()
    young = state_dir / "agent.lock"
    young.touch()
    os.utime(young, ns=(START_NS, START_NS + 3600 * 10**9))
    finding = surroundings(place)["clock"]
    assert finding.severity is Severity.WARNING
    assert "agent.lock is dated 3,600 s later" in finding.message


class TableSink(FakeSink):
    """A sink that knows its table."""

    def ddl(self) -> str:
        return "CREATE TABLE t (a INT);"


def test_statements_come_from_the_sinks_that_have_tables(place: Place, mocker: MockerFixture) -> None:
    registry = Registry()
    config = load_config(place.yaml, registry, environ={})
    assert table_definitions(config, registry.catalog, SystemClock()) == {}
    mocker.patch("sqlite_sink.sink.SqliteSink", return_value=TableSink())
    assert table_definitions(config, registry.catalog, SystemClock()) == {"local": "CREATE TABLE t (a INT);"}
