"""Histories of the whole agent. ``make simulate SEEDS=1000`` runs more of them, ``make simulate SEED=7`` one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from simulation import __main__
from simulation.history import HistoryFailed
from simulation.seeds import ONCE_FAILED

TESTS = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="a life is a forked process")


def simulate(*arguments: str, hash_seed: int = 0) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(TESTS), "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-m", "simulation", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def test_in_every_history_every_value_is_where_the_guarantees_say() -> None:
    ended = simulate("--seeds", "5")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{5 + len(ONCE_FAILED)} histories" in ended.stdout


def test_a_history_that_fails_says_how_to_see_it_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise HistoryFailed("seed 7, life 0: gone")

    monkeypatch.setattr(__main__, "prepare", lambda: None)
    monkeypatch.setattr(__main__, "run", fail)
    monkeypatch.setattr(sys, "argv", ["simulation", "--seed", "7"])
    assert __main__.main() == 1
    assert "make simulate SEED=7\n" in capsys.readouterr().out


def test_a_history_depends_on_nothing_but_its_seed() -> None:
    traces = {simulate("--seed", "0", hash_seed=seed).stdout.partition("1 histories")[0] for seed in (1, 2)}
    assert len(traces) == 1
    assert "trace=" in traces.pop()
