"""The stopwatch counts what has gone by, but for what the kernel says that tasks had to wait."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from agent_core.testing.suite import stopwatch
from agent_core.testing.suite.stopwatch import Stopwatch


class Machine:
    """A wall clock, and pressure files as the kernel writes them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 0.0
        self.stall(cpu=7.0, disk=1.0)

    def stall(self, cpu: float, disk: float = 0.0) -> None:
        for name, seconds in (("cpu", cpu), ("io", disk)):
            text = f"some avg10=1.00 avg60=2.00 avg300=3.00 total={round(seconds * 1e6)}\nfull avg10=0.00 total=9\n"
            (self.folder / name).write_text(text, "ascii")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine(tmp_path)
    monkeypatch.setattr(stopwatch, "_PRESSURE", tmp_path)
    monkeypatch.setattr(stopwatch, "time", SimpleNamespace(monotonic=lambda: machine.now))
    monkeypatch.setattr(stopwatch, "os", SimpleNamespace(cpu_count=lambda: 2))
    return machine


def test_on_a_quiet_machine_it_is_the_wall_clock(machine: Machine) -> None:
    watch = Stopwatch()
    machine.now = 3.0
    assert watch.seconds == 3.0


def test_what_tasks_waited_is_taken_off_for_each_processor(machine: Machine) -> None:
    watch = Stopwatch()
    machine.now = 3.0
    machine.stall(cpu=7.5, disk=1.25)
    assert watch.seconds == 3.0 - 2 * 0.75
    machine.stall(cpu=17.0, disk=1.0)
    assert watch.seconds == 0.0


def test_without_an_account_it_proves_nothing(machine: Machine) -> None:
    (machine.folder / "io").unlink()
    watch = Stopwatch()
    machine.now = 3.0
    assert watch.seconds == 0.0
