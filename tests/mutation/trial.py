"""Trial: whether any of the tests that run a line fails when it is mutated.

Nothing on disk changes. A *warm* server has collected all tests; each trial is a fork of it, in which the code object
of one function is exchanged. What runs while a module is imported is tried by a *cold* server: each trial imports
everything, the mutated source in place of the file's. A trial has a session and a temporary folder of its own; a test
that takes far longer than it should is ended by the kernel's alarm.
"""

from __future__ import annotations

import gc
import json
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from importlib.machinery import SourceFileLoader
from itertools import chain, zip_longest
from pathlib import Path
from types import CodeType, FunctionType
from typing import Final

import pytest
from mutation.line_map import ROOT, module_of, options, silence
from mutation.mutants import Mutant

_SECONDS_AT_LEAST: Final = 5.0
_TIMES_AS_LONG: Final = 10.0
_SECOND_LOOK: Final = 6.0
"""A test that ran out of time, or a slow one that failed, is run again with so much more time before it counts."""
_SLOW_SECONDS: Final = 0.1
_FAILED: Final = 3
_BROKEN: Final = 4


@dataclass(frozen=True, slots=True)
class Trial:
    """``tests``: those to run with what each takes, in this order; ``seeing``: how many run the line at all."""

    mutant: Mutant
    text: str
    tests: dict[str, float]
    seeing: int
    warm: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """``killed``, ``timed out``, ``survived`` or ``broken``, after ``ran`` tests, ``by`` the last of them.

    ``broken``: the trial itself failed, for example because the tests have changed since they were collected.
    ``unfit``: tests that fail in a trial without a mutant, too, and count for nothing.
    """

    trial: int
    outcome: str
    by: str
    ran: int
    unfit: list[str]


class Servers:
    """Pairs of a warm and a cold server, for a list of trials. ``close`` waits until they have ended."""

    def __init__(self, trials: Sequence[Trial], modules: Sequence[str], pairs: int) -> None:
        self._trials = trials
        answers_from, answers_to = os.pipe()
        self._idle: dict[bool, list[int]] = {warm: [] for warm in {trial.warm for trial in trials}}
        self._asked: dict[int, int] = {}
        for warm in [*self._idle] * pairs:
            requests_from, requests_to = os.pipe()
            if os.fork() == 0:
                for descriptor in (requests_to, answers_from, *chain.from_iterable(self._idle.values())):
                    os.close(descriptor)
                silence(os.devnull)
                serving = _Serving(trials, requests_from, answers_to)
                with suppress(KeyboardInterrupt):
                    if warm:
                        pytest.main([*options(), *modules], plugins=[serving])
                    else:
                        serving.serve(serving.run_cold)
                os._exit(0)
            os.close(requests_from)
            self._idle[warm].append(requests_to)
        os.close(answers_to)
        self._answers = os.fdopen(answers_from)

    def ask(self, trial: int) -> None:
        """At most as many as there are pairs may be under way."""
        server = self._idle[self._trials[trial].warm].pop()
        self._asked[trial] = server
        os.write(server, f"{trial}\n".encode())

    def answer(self) -> Verdict:
        """Raises SystemExit if the servers have ended."""
        if not (line := self._answers.readline()):
            raise SystemExit("the tests cannot be collected any more; try again")
        verdict = Verdict(**json.loads(line))
        self._idle[self._trials[verdict.trial].warm].append(self._asked.pop(verdict.trial))
        return verdict

    def close(self) -> None:
        for descriptor in (*self._asked.values(), *chain.from_iterable(self._idle.values())):
            os.close(descriptor)
        self._answers.read()
        self._answers.close()


class _Serving:
    """In a server: forks each trial, watches and repeats it. In the trial: runs it. A plugin of pytest in both."""

    def __init__(self, trials: Sequence[Trial], requests: int, answers: int) -> None:
        self._trials = trials
        self._requests = requests
        self._answers = answers
        self._failed = False
        self._fit: set[str] = set()
        self._unfit: set[str] = set()
        self._functions: dict[tuple[str, str, int], list[FunctionType]] = {}
        self._run: Callable[[pytest.Session], None] | None = None

    def serve(self, run: Callable[[Trial, dict[str, float], float, int], None]) -> None:
        with os.fdopen(self._requests) as requests:
            while line := requests.readline():
                verdict = self._outcome(int(line), run)
                os.write(self._answers, json.dumps(asdict(verdict)).encode() + b"\n")

    def _outcome(self, number: int, run: Callable[[Trial, dict[str, float], float, int], None]) -> Verdict:
        trial = self._trials[number]
        tests = [(name, seconds) for name, seconds in trial.tests.items() if name not in self._unfit]
        start, suspect, unfit = 0, -1, list[str]()
        while start < len(tests):
            scale = _SECOND_LOOK if suspect == start else 1.0
            outcome, at = _attempt(lambda told: run(trial, dict(tests[start:]), scale, told))  # noqa: B023 - at once
            if outcome in ("survived", "broken"):
                return Verdict(number, outcome, "", len(tests), unfit)
            start += at
            name, seconds = tests[start]
            if start != suspect and (outcome == "timed out" or seconds >= _SLOW_SECONDS):
                suspect = start
            elif self._is_fit(trial, name, seconds, run):
                return Verdict(number, outcome, name, start + 1, unfit)
            else:
                unfit.append(name)
                start += 1
        return Verdict(number, "survived", "", len(tests), unfit)

    def _is_fit(
        self, trial: Trial, name: str, seconds: float, run: Callable[[Trial, dict[str, float], float, int], None]
    ) -> bool:
        """Whether the test passes in a trial without a mutant: tried once, when it first kills one."""
        if name not in self._fit:
            same = replace(trial.mutant, new=trial.text[trial.mutant.start : trial.mutant.end])
            unchanged = replace(trial, mutant=same)
            outcome, _ = _attempt(lambda told: run(unchanged, {name: seconds}, _SECOND_LOOK, told))
            (self._fit if outcome == "survived" else self._unfit).add(name)
        return name in self._fit

    # --- in the trial

    def run_cold(self, trial: Trial, tests: dict[str, float], scale: float, told: int) -> None:
        _mutate_import(trial)
        self._run = lambda session: self._run_tests(session, tests, scale, told)
        pytest.main([*options(), *dict.fromkeys(map(module_of, tests))], plugins=[self])

    def _run_warm(
        self, session: pytest.Session, trial: Trial, tests: dict[str, float], scale: float, told: int
    ) -> None:
        assert trial.mutant.outermost is not None
        _mutate_import(trial)  # a test may be what imports the module
        code = function_code(trial.mutant, trial.mutant.source(trial.text))
        for function in self._functions.get((_path(trial), *trial.mutant.outermost), []):
            function.__code__ = code
        self._run_tests(session, tests, scale, told)

    def _run_tests(self, session: pytest.Session, tests: dict[str, float], scale: float, told: int) -> None:
        items = {item.nodeid: item for item in session.items}
        if not items.keys() >= tests.keys():  # a module cannot be imported with the mutant, or the tests have changed
            os._exit(_FAILED if session.testsfailed else _BROKEN)
        wanted = [items[test] for test in tests]
        for number, (item, following) in enumerate(zip_longest(wanted, wanted[1:])):
            os.pwrite(told, f"{number} ".encode(), 0)
            seconds = max(_SECONDS_AT_LEAST, _TIMES_AS_LONG * tests[item.nodeid]) * scale
            signal.setitimer(signal.ITIMER_REAL, seconds)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failed:
                os._exit(_FAILED)
        os.pwrite(told, b"survived", 0)
        os._exit(0)

    # --- hooks of pytest

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed |= report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if self._run is not None:
            self._run(session)
        names = {Path(trial.mutant.file).name for trial in self._trials}
        for function in gc.get_objects():
            if isinstance(function, FunctionType):
                code = function.__code__
                path = code.co_filename
                if path.rpartition(os.sep)[2] in names:
                    key = os.path.realpath(path), code.co_qualname, code.co_firstlineno
                    self._functions.setdefault(key, []).append(function)
        gc.freeze()
        self.serve(lambda trial, tests, scale, told: self._run_warm(session, trial, tests, scale, told))
        return True


def function_code(mutant: Mutant, source: str) -> CodeType:
    """The code object of the outermost function in that source of the file."""
    module = compile(source, str(ROOT / mutant.file), "exec", dont_inherit=True)
    return next(code for code in _codes(module) if (code.co_qualname, code.co_firstlineno) == mutant.outermost)


def _path(trial: Trial) -> str:
    return os.path.realpath(ROOT / trial.mutant.file)


def _mutate_import(trial: Trial) -> None:
    original = SourceFileLoader.get_code

    def get_code(loader: SourceFileLoader, name: str) -> CodeType | None:
        if os.path.realpath(loader.path) != _path(trial):
            return original(loader, name)
        return compile(trial.mutant.source(trial.text), str(loader.path), "exec", dont_inherit=True)

    setattr(SourceFileLoader, "get_code", get_code)  # noqa: B010 - mypy: a method is replaced


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _attempt(run: Callable[[int], None]) -> tuple[str, int]:
    """Outcome, and which test it was."""
    with _folder() as folder:
        told = os.open(folder / "told", os.O_CREAT | os.O_RDWR)
        os.pwrite(told, b"0 ", 0)
        if (pid := os.fork()) == 0:
            os.setsid()
            os.environ["TMPDIR"] = tempfile.tempdir = str(folder)
            try:
                run(told)
            finally:
                os._exit(_FAILED)
        try:
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        finally:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)
        word = os.pread(told, 8, 0)
        os.close(told)
    if word == b"survived":
        return "survived", 0
    if status == _BROKEN:
        return "broken", 0
    return "timed out" if status == -signal.SIGALRM else "killed", int(word.split()[0])


@contextmanager
def _folder() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mutant-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
