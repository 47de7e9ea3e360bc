"""``python -m simulation --seeds 1000``, or ``--seed 20065`` to see one again."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from simulation.hunt import hunt_all
from simulation.mutants import MutantGone, plant
from simulation.planted import MUTANTS

QUICK_SEEDS = 25


def main() -> int:
    parser = argparse.ArgumentParser(prog="simulation", description="the agent under deterministic simulation")
    parser.add_argument("--seeds", type=int, default=40, help="how many histories")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--seed", type=int, help="this one alone, with its trace")
    parser.add_argument(
        "--lines", nargs="*", metavar="MODULE", help="let threads switch at every line, or at those of modules"
    )
    parser.add_argument("--go-on", action="store_true", help="do not end at the first failure")
    parser.add_argument("--trace", type=Path, help="write every point to this file")
    parser.add_argument("--tell", action="store_true", help="say what each history was, with the hash of its trace")
    mutants = {mutant.name: mutant for mutant in MUTANTS}
    parser.add_argument("--mutant", choices=mutants, help="with this bug planted; succeeds when a history finds it")
    parser.add_argument(
        "--mutants", nargs="*", metavar="NAME", help="hunt these planted bugs, or all; fails when one survives"
    )
    parser.add_argument("--quick", action="store_true", help="only those that few histories find")
    parser.add_argument("--processes", type=int, default=2, help="how many bugs are hunted at a time")
    arguments = parser.parse_args()
    if arguments.mutants is not None:
        chosen = [mutants[name] for name in arguments.mutants] or MUTANTS
        if arguments.quick:
            chosen = [mutant for mutant in chosen if mutant.seeds <= QUICK_SEEDS]
        return int(not hunt_all(chosen, arguments.processes))
    if arguments.mutant is not None:
        if mutants[arguments.mutant].lines:
            arguments.lines = [mutants[arguments.mutant].module]
        try:
            plant(mutants[arguments.mutant])
        except MutantGone as error:
            parser.error(str(error))
    from simulation.history import HistoryFailed, prepare, run  # after the bug was planted
    from simulation.life import PACKAGES

    prepare()
    lines_of = () if arguments.lines is None else arguments.lines or PACKAGES
    seeds = range(arguments.first, arguments.first + arguments.seeds) if arguments.seed is None else [arguments.seed]
    began, failed, seconds, values, lives, points = time.monotonic(), 0, 0.0, 0, 0, 0
    number = 0
    for number, seed in enumerate(seeds, 1):  # noqa: B007 - said at the end
        try:
            told = run(seed, lines_of=lines_of, trace=arguments.trace)
        except HistoryFailed as error:
            failed += 1
            print(f"FAILED {error}\n", flush=True)
            if not arguments.go_on:
                break
            continue
        seconds, values, lives, points = (
            seconds + told.seconds,
            values + told.values,
            lives + told.lives,
            points + told.points,
        )
        if arguments.seed is not None or arguments.tell:
            print(told)
    took = time.monotonic() - began
    print(
        f"{number} histories, {lives} lives, {values:,} values, {seconds / 3600:.1f} h simulated, {points:,} points "
        f"in {took:.0f} s ({60 * number / max(took, 1e-9):.0f} a minute); {failed} failed"
    )
    return int(bool(failed) is (arguments.mutant is None))


if __name__ == "__main__":
    sys.exit(main())
