"""Hunt: histories with one planted bug after another, until each has been found."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from simulation.mutants import Mutant


@dataclass(frozen=True, slots=True)
class Hunted:
    """``seeds``: how many histories it took to find the bug, or None when it survived them all."""

    mutant: Mutant
    seeds: int | None
    seconds: float
    problem: str

    def __str__(self) -> str:
        what = "SURVIVED" if self.seeds is None else f"{self.seeds:3} seeds"
        return f"{self.mutant.name:45} {what:10} {self.seconds:5.1f} s  {self.problem}"


def hunt_all(mutants: Sequence[Mutant], processes: int) -> bool:
    """Print what became of each; True when all were found within their budgets."""
    began, survivors = time.monotonic(), []
    with ThreadPoolExecutor(processes) as pool:
        for ended in as_completed([pool.submit(_hunt, mutant) for mutant in mutants]):
            hunted = ended.result()
            print(hunted, flush=True)
            if hunted.seeds is None:
                survivors.append(hunted.mutant.name)
    print(f"{len(mutants)} planted bugs, {len(survivors)} survived, {time.monotonic() - began:.0f} s", *survivors)
    return not survivors


def _hunt(mutant: Mutant) -> Hunted:
    began = time.monotonic()
    command = [sys.executable, "-m", "simulation", "--mutant", mutant.name, "--seeds", str(mutant.seeds)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^FAILED seed (\d+), [^:]*: (.*)", ended.stdout, re.MULTILINE)
    if ended.returncode or found is None:
        return Hunted(mutant, None, time.monotonic() - began, ended.stderr.strip()[-400:])
    return Hunted(mutant, int(found[1]) + 1, time.monotonic() - began, found[2][:100])
