"""``python -m simulation --seeds 1000``, or ``--seed 20065`` to see one again."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from simulation import month
from simulation.history import HistoryFailed, prepare, run
from simulation.hunt import early, hunt_all, problem_of
from simulation.life import PACKAGES
from simulation.planted import MUTANTS
from simulation.seeds import ONCE_FAILED


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulation", description="the agent under deterministic simulation")
    parser.add_argument("--seeds", type=int, default=40, help="how many histories, besides those that once failed")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="this one alone, with its trace")
    parser.add_argument(
        "--lines", nargs="*", metavar="MODULE", help="let threads switch at every line, or at those of modules"
    )
    parser.add_argument("--go-on", action="store_true", help="do not end at the first failure")
    parser.add_argument("--trace", type=Path, help="write every point to this file")
    parser.add_argument("--tell", action="store_true", help="say what each history was, with the hash of its trace")
    mutants = {mutant.name: mutant for mutant in MUTANTS}
    parser.add_argument("--mutant", choices=mutants, help="with this bug planted, see the history of --seed")
    parser.add_argument(
        "--mutants", nargs="*", metavar="NAME", help="hunt these planted bugs, or all; fails when one survives"
    )
    parser.add_argument("--quick", action="store_true", help="of all, only those that an early seed has found")
    parser.add_argument("--processes", type=int, default=2, help="how many bugs are hunted at a time")
    parser.add_argument("--days", type=float, help="instead: one agent that polls once a minute for so many days")
    arguments = parser.parse_args()
    prepare()
    if arguments.mutants is not None:
        chosen = arguments.mutants or [name for name in mutants if not arguments.quick or name in early()]
        return int(not hunt_all([mutants[name] for name in chosen], arguments.processes))
    if arguments.mutant is not None:
        print(problem_of(arguments.seed or 0, mutants[arguments.mutant]) or "nothing goes wrong")
        return 0
    if arguments.days is not None:
        print(month.run(arguments.seed or 0, arguments.days))
        return 0
    lines_of = () if arguments.lines is None else arguments.lines or PACKAGES
    seeds: Iterable[int] = [arguments.seed]
    if arguments.seed is None:
        chosen = range(arguments.first, arguments.first + arguments.seeds)
        seeds = [*chosen, *(seed for seed in ONCE_FAILED if seed not in chosen)]
    told = arguments.seed is not None or arguments.tell
    return _run_all(seeds, lines_of, arguments.trace, go_on=arguments.go_on, tell=told)


def _run_all(seeds: Iterable[int], lines_of: Sequence[str], trace: Path | None, *, go_on: bool, tell: bool) -> int:
    began, failed, seconds, values, lives, points, number = time.monotonic(), 0, 0.0, 0, 0, 0, 0
    for number, seed in enumerate(seeds, 1):  # noqa: B007 - said at the end
        try:
            told = run(seed, lines_of=lines_of, trace=trace)
        except HistoryFailed as error:
            failed += 1
            print(f"FAILED {error}\n---- to see it again\nmake simulate SEED={seed}\n", flush=True)
            if not go_on:
                break
            continue
        seconds, values, lives, points = (
            seconds + told.seconds,
            values + told.values,
            lives + told.lives,
            points + told.points,
        )
        if tell:
            print(told)
    took = time.monotonic() - began
    print(
        f"{number} histories, {lives} lives, {values:,} values, {seconds / 3600:.1f} h simulated, {points:,} points "
        f"in {took:.0f} s ({60 * number / max(took, 1e-9):.0f} a minute); {failed} failed"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
