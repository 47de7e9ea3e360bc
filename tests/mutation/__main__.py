"""``python -m mutation``: mutates the critical files and runs their tests. Fails below the goal."""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

from mutation.critical import Group, as_entries, groups, mutants_in
from mutation.line_map import ROOT, LineMap, line_map, module_of
from mutation.mutants import Mutant
from mutation.trial import Servers, Trial, Verdict, function_code

CACHE = ROOT / ".mutation"
COLUMNS = ("tried", "killed", "timed out", "survived", "judged", "score")
_BUCKETS_SECONDS = (0.02, 0.2, 1.0)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="mutation", description=__doc__)
    parser.add_argument("files", nargs="*", help="groups of tests/mutation/critical, or patterns of files; all")
    parser.add_argument("--budget", type=float, default=float("inf"), metavar="MINUTES", help="of a group; no limit")
    parser.add_argument("--sample", type=int, metavar="N", help="so many mutants of each file")
    parser.add_argument("--seed", type=int, default=7, help="which ones")
    parser.add_argument("--resume", action="store_true", help="keep what was tried on the same source")
    parser.add_argument("--survivors", action="store_true", help="try again what survived, nothing else")
    parser.add_argument("--seconds", type=float, default=20, help="of tests for each mutant, the quickest first")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--goal", type=float, default=95, metavar="PERCENT")
    arguments = parser.parse_args(words)
    chosen = [group for group in groups() if _files(group, arguments.files)]
    if not chosen:
        parser.error(f"nothing critical is called {' '.join(arguments.files)}")
    return max([_run(group, arguments) for group in chosen])


def _files(group: Group, wanted: Sequence[str]) -> list[str]:
    named = any(group.name == name for name in wanted) or not wanted
    return [file for file in group.files if named or any(fnmatch(file, f"*{name}*") for name in wanted)]


def _run(group: Group, arguments: argparse.Namespace) -> int:
    files = _files(group, arguments.files)
    lines = line_map(group.files, group.tests, CACHE / f"{group.name}.map.json")
    for test in lines.failed:
        print(f"fails without a mutant, left out: {test}")
    results = Results(CACHE / f"{group.name}.results.json", keep=arguments.resume or arguments.survivors)
    chooser = _Chooser(lines, arguments.seconds)
    trials, judged = [], Counter[str]()
    for mutant in _drawn(files, arguments.sample, arguments.seed):
        if group.why(mutant) is not None:
            judged[mutant.file] += 1
        elif results.wanted(mutant, survivors=arguments.survivors):
            trials.append(chooser.trial(mutant))
    print(f"{group.name}: {len(trials)} mutants of {len(files)} files, seed {arguments.seed}", flush=True)
    left = _try(trials, sorted(lines.modules), results, arguments)
    return _report(group, files, judged, results, left, arguments.goal)


def _drawn(files: Sequence[str], sample: int | None, seed: int) -> Iterator[Mutant]:
    """One of each file, then the next of each: a run that is cut short has tried as many of each."""
    waiting = []
    for file in files:
        of_file = mutants_in(file)
        random.Random(f"{seed} {file}").shuffle(of_file)
        waiting.append(list(reversed(of_file[:sample])))
    while waiting := [of_file for of_file in waiting if of_file]:
        for of_file in waiting:
            yield of_file.pop()


class _Chooser:
    """Which tests try a mutant, and in which order."""

    def __init__(self, lines: LineMap, seconds: float) -> None:
        self._lines = lines
        self._seconds = seconds
        self._by_line = lines.tests_by_line()
        self._order = {test: number for number, test in enumerate(lines.seconds)}
        self._about = lines.about()

    def trial(self, mutant: Mutant) -> Trial:
        imported = set(self._lines.imports.get(mutant.file, []))
        text = (ROOT / mutant.file).read_text()
        warm = mutant.outermost is not None and imported.isdisjoint(mutant.lines)
        warm = warm and not function_code(mutant, text).co_freevars  # a closure cannot be exchanged
        seeing = self._seeing(mutant.file, mutant.lines) or self._seeing(mutant.file, mutant.statement)
        if not seeing:  # it runs at import, or where no trace function sees it
            seeing = {test for test in self._order if mutant.file in self._lines.lines[test]} or set(self._order)
        tests: dict[str, float] = {}
        for test in sorted(seeing, key=lambda test: self._rank(mutant.file, test)):
            if sum(tests.values()) < self._seconds:
                tests[test] = self._lines.seconds[test]
        return Trial(mutant, text, tests, len(seeing), warm)

    def _seeing(self, file: str, lines: range) -> set[str]:
        return {test for line in lines for test in self._by_line.get((file, line), ())} & self._order.keys()

    def _rank(self, file: str, test: str) -> tuple[int, float, int]:
        """Quick ones first, and then by module: those that are most about the file; fixtures are made once."""
        bucket = sum(self._lines.seconds[test] >= limit for limit in _BUCKETS_SECONDS)
        return bucket, -self._about.get((module_of(test), file), 0.0), self._order[test]


class Results:
    """What was tried: by mutant and source, kept on disk after each."""

    def __init__(self, path: Path, *, keep: bool) -> None:
        self._path = path
        self.verdicts: dict[str, list[object]] = {}
        if keep and path.exists():
            self.verdicts = json.loads(path.read_text())

    def wanted(self, mutant: Mutant, *, survivors: bool) -> bool:
        known = self.of(mutant)
        return known[0] == "survived" if known and survivors else not (known or survivors)

    def of(self, mutant: Mutant) -> list[object]:
        """Outcome, last test, how many were tried, how many run the line; empty if it was not tried."""
        return self.verdicts.get(_name(mutant), [])

    def add(self, trial: Trial, verdict: Verdict) -> None:
        self.verdicts[_name(trial.mutant)] = [verdict.outcome, verdict.by, verdict.ran, trial.seeing]
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self.verdicts, indent=0))
        new.replace(self._path)


def _name(mutant: Mutant) -> str:
    return f"{mutant.file} {mutant.key} {mutant.start}"


def _try(trials: Sequence[Trial], modules: Sequence[str], results: Results, arguments: argparse.Namespace) -> int:
    """Returns how many were not tried. Ctrl-C ends it early, too."""
    servers = Servers(trials, modules, arguments.processes)
    began, asked, answered, broken = time.monotonic(), 0, 0, 0
    with suppress(KeyboardInterrupt):
        while answered < len(trials):
            in_time = time.monotonic() - began < 60 * arguments.budget
            while in_time and asked < min(len(trials), answered + arguments.processes):
                servers.ask(asked)
                asked += 1
            if asked == answered:
                break
            verdict = servers.answer()
            answered += 1
            trial = trials[verdict.trial]
            for test in verdict.unfit:
                print(f"fails in a trial without a mutant, left out: {test}", flush=True)
            if verdict.outcome == "broken":
                broken += 1
                continue
            results.add(trial, verdict)
            if verdict.outcome == "survived":
                print(_survivor(trial.mutant, results), flush=True)
            if answered % 100 == 0:
                print(f"-- {answered} of {len(trials)} after {time.monotonic() - began:.0f} s", flush=True)
    servers.close()
    return len(trials) - answered + broken


def _survivor(mutant: Mutant, results: Results) -> str:
    _, _, ran, seeing = results.of(mutant)
    place = f"{mutant.file}:{mutant.lines.start} {mutant.function}"
    return f"{place}  survived {ran} of {seeing} tests\n  - {mutant.before}\n  + {mutant.after}"


def _report(group: Group, files: list[str], judged: Counter[str], results: Results, left: int, goal: float) -> int:
    survivors: list[Mutant] = []
    total = Counter[str]()
    print(f"\n| {group.name} | {' | '.join(COLUMNS)} |\n|{' --- |' * (len(COLUMNS) + 1)}")
    for file in files:
        tried = [(mutant, results.of(mutant)[0]) for mutant in mutants_in(file) if results.of(mutant)]
        tried = [(mutant, outcome) for mutant, outcome in tried if group.why(mutant) is None]
        counts = Counter(str(outcome) for _, outcome in tried)
        survivors += [mutant for mutant, outcome in tried if outcome == "survived"]
        total += counts
        total["judged"] += judged[file]
        if tried or judged[file]:
            print(_row(file.partition("src/")[2] or file, counts, judged[file]))
    print(_row("all", total, total["judged"]), "\n")
    for mutant in survivors:
        print(_survivor(mutant, results))
    if survivors:
        print(f"\nWrite the missing tests, or judge them in tests/mutation/critical/{group.name}.toml:\n")
        print(as_entries(survivors))
    for entry in group.judged_in_vain():
        print(f"judged, but there is no such mutant any more: {entry}")
    if left:
        print(f"{left} were not tried: --resume continues")
    return int(_score(total) < goal)


def _score(counts: Counter[str]) -> float:
    tried = counts["killed"] + counts["timed out"] + counts["survived"]
    return 100 * (1 - counts["survived"] / max(tried, 1))


def _row(name: str, counts: Counter[str], judged: int) -> str:
    tried = counts["killed"] + counts["timed out"] + counts["survived"]
    cells = [name, tried, counts["killed"], counts["timed out"], counts["survived"], judged, f"{_score(counts):.0f} %"]
    return f"| {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
