"""kill -9 inside append, commit, settle and checkpoint: nothing that append accepted is missing."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from agent_core.testing.records import numbers
from agent_core.testing.suite.patience import PATIENCE_SECONDS

CHILD = Path(__file__).with_name("crashing.py")
MOMENTS = (("before append", 30), ("after append", 20), ("before settle", 5), ("after settle", 7), ("checkpoint", 25))


def killed(folder: Path, moment: str, nth: int, first: int) -> dict[str, set[int]]:
    """Run until the moment; the numbers whose append or settle returned, or whose append was tried."""
    command = [sys.executable, str(CHILD), str(folder), moment, str(nth), str(first)]
    ran = subprocess.run(command, capture_output=True, timeout=PATIENCE_SECONDS, check=False)
    assert ran.returncode == -9, ran.stderr.decode()
    said: dict[str, set[int]] = {"tried": set(), "appended": set(), "settled": set()}
    for line in ran.stdout.decode().splitlines():
        word, number = line.split()
        said[word].add(int(number))
    return said


def found(folder: Path) -> list[int]:
    """What a new process would deliver; it is settled."""
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location("crashing", CHILD)
    assert spec is not None
    assert spec.loader is not None
    crashing = module_from_spec(spec)
    spec.loader.exec_module(crashing)
    buffer = crashing.made(folder)
    buffer.open()
    there: list[int] = []
    while (lease := buffer.lease(1000, 0.0)) is not None:
        there += numbers(lease.batch)
        buffer.settle(lease)
    assert buffer.stats().pending_records == 0
    buffer.close()
    return there


def judge(said: dict[str, set[int]], there: list[int]) -> None:
    assert max(Counter(there).values(), default=1) == 1, "a record is there twice"
    assert there == sorted(there), "out of order"
    assert not (said["appended"] - said["settled"]) - set(there), "records whose append returned are missing"
    assert set(there) <= said["tried"], "records that nobody appended"


@pytest.mark.parametrize(("moment", "nth"), MOMENTS)
def test_killed_inside(tmp_path: Path, moment: str, nth: int) -> None:
    judge(killed(tmp_path, moment, nth, 0), found(tmp_path))
    assert found(tmp_path) == [], "what was settled and closed comes back"


@pytest.mark.chaos
def test_killed_a_hundred_times(tmp_path: Path) -> None:
    first = 0
    for turn in range(100):
        moment, nth = MOMENTS[turn % len(MOMENTS)]
        said = killed(tmp_path, moment, nth + turn, first)
        judge(said, found(tmp_path))
        first = max(said["tried"]) + 1
