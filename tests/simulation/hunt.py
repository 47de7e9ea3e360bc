"""Hunt: histories with one planted bug after another, until each has been found."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from simulation.history import HistoryFailed, run
from simulation.mutants import Mutant, plant

from agent_core.testing.simulation.lives import Death, LifeError, live

REMEMBERED = Path(__file__).parent / "planted.txt"
"""Per planted bug, a seed that has found it: that one is tried first."""

EARLY = 15
"""A bug that has been found by such a seed is found soon, too, after the agent's code has changed."""

LONGEST_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Hunted:
    """``seed``: that of a history that found the bug, the last of ``histories``; None when it survived them all."""

    mutant: Mutant
    seed: int | None
    histories: int
    seconds: float
    problem: str

    def __str__(self) -> str:
        what = "SURVIVED" if self.seed is None else f"seed {self.seed}"
        return f"{self.mutant.name:45} {what:10} {self.histories:4} {self.seconds:6.1f} s  {self.problem}"


def hunt_all(mutants: Sequence[Mutant], processes: int) -> bool:
    """Print what became of each; True when all were found within their budgets. Remembers the seeds that found them."""
    began, survivors, seeds = time.monotonic(), [], remembered()
    with multiprocessing.get_context("fork").Pool(processes) as pool:
        for hunted in pool.imap_unordered(_hunt, mutants):
            print(hunted, flush=True)
            if hunted.seed is None:
                survivors.append(hunted.mutant.name)
            else:
                seeds[hunted.mutant.name] = hunted.seed
                _remember(seeds)
    print(f"{len(mutants)} planted bugs, {len(survivors)} survived, {time.monotonic() - began:.0f} s", *survivors)
    return not survivors


def remembered() -> dict[str, int]:
    """A seed for each planted bug that one has found."""
    lines = REMEMBERED.read_text().splitlines() if REMEMBERED.exists() else ()
    return {name: int(seed) for name, seed in map(str.split, lines)}


def early() -> set[str]:
    """The planted bugs that one of the first seeds has found."""
    return {name for name, seed in remembered().items() if seed <= EARLY}


def _remember(seeds: Mapping[str, int]) -> None:
    with suppress(OSError):  # a read-only checkout searches again the next time
        REMEMBERED.write_text("".join(f"{name} {seed}\n" for name, seed in sorted(seeds.items())))


def problem_of(seed: int, mutant: Mutant | None = None) -> str | None:
    """What goes wrong in the history of the seed, with the planted bug; None when nothing does."""

    def history(_: Death[str | None]) -> str | None:
        if mutant is not None:
            plant(mutant)
        try:
            run(seed, lines_of=(mutant.module,) if mutant is not None and mutant.lines else ())
        except HistoryFailed as error:
            return str(error)
        return None

    try:
        return live(history, LONGEST_SECONDS)
    except LifeError as error:
        return str(error)


def _hunt(mutant: Mutant) -> Hunted:
    began, histories = time.monotonic(), 0
    for histories, seed in enumerate(_seeds(mutant), 1):
        problem = problem_of(seed, mutant)
        if problem is not None and problem_of(seed) is None:  # else it is no merit of the bug
            said = problem.partition(": ")[2].splitlines()[0]
            return Hunted(mutant, seed, histories, time.monotonic() - began, said[:100])
    return Hunted(mutant, None, histories, time.monotonic() - began, "")


def _seeds(mutant: Mutant) -> Iterator[int]:
    first = remembered().get(mutant.name)
    if first is not None:
        yield first
    yield from (seed for seed in range(mutant.seeds) if seed != first)
