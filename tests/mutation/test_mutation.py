"""A whole run, on a project of one file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from mutation import __main__ as program
from mutation import critical, line_map, trial

CODE = """
LIMIT = 3

def over(value: int) -> bool:
    return value > LIMIT

def unseen(value: int) -> None:
    while value > 0:
        value -= 1
"""
TESTS = """
import sys
from tiny import over, unseen

def test_that_passes_only_when_it_is_traced():
    assert sys.gettrace()
    assert over(4)

def test_four_is_over():
    assert over(4)
    unseen(1)

def test_two_is_not():
    assert not over(2)

def test_that_fails_always():
    assert over(2)
"""
JUDGED = """
files = ["tiny.py"]
tests = ["tests"]

[judged."tiny.py"]
'over: return value > LIMIT ==> return value >= LIMIT' = "for the test"
'over: return value > 7 ==> return value >= 7' = "gone"
"""


@pytest.mark.chaos  # two of its mutants never end, and how long they are waited for must not depend on the machine
@pytest.mark.skipif(not hasattr(os, "fork"), reason="each trial is a forked process")
def test_a_run_says_what_survived_and_resumes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, text in {"tiny.py": CODE, "tests/test_tiny.py": TESTS, "critical/tiny.toml": JUDGED}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for module in (program, critical, line_map, trial):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(critical, "FOLDER", tmp_path / "critical")
    monkeypatch.setattr(program, "CACHE", tmp_path / "cache")
    monkeypatch.setattr(trial, "_SECONDS_AT_LEAST", 5.0)
    monkeypatch.setattr(trial, "_SECOND_LOOK", 10.0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    assert program.main(["--processes", "2"]) == 1
    said = capfd.readouterr().out
    assert "fails without a mutant, left out: tests/test_tiny.py::test_that_fails_always" in said
    left_out = "tests/test_tiny.py::test_that_passes_only_when_it_is_traced"
    assert f"fails in a trial without a mutant, left out: {left_out}" in said
    assert "tiny.py:8 unseen  survived 1 of 1 tests\n  - while value > 0:\n  + while value > 1:" in said
    assert "| all | 7 | 2 | 2 | 3 | 1 | 57 % |" in said
    assert "judged, but there is no such mutant any more: tiny.py: over: return value > 7" in said
    assert "'unseen: value -= 1 ==> value -= 2' = \"\"" in said
    assert program.main(["tiny", "--resume", "--goal", "57"]) == 0
    assert "tiny: 0 mutants of 1 files" in capfd.readouterr().out
