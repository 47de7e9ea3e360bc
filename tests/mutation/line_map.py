"""Line map: which test runs which lines of the critical files, and how long it takes.

It is made by running the tests once under a trace function, in a forked process, and kept in the cache. When only
modules of tests have changed, only these are run again.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Generator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
_OWN: Final = "tests/mutation/"
_OPTIONS: Final = ("-q", "-s", "-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:xdist")

Lines = dict[str, list[int]]
"""The lines of each file, by its path from the root."""


@dataclass(slots=True)
class LineMap:
    """``seconds`` of each test that passed, in their order; ``imports``: lines that run outside of any test."""

    digest: str
    modules: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, Lines] = field(default_factory=dict)
    imports: Lines = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def tests_by_line(self) -> dict[tuple[str, int], list[str]]:
        tests: dict[tuple[str, int], list[str]] = {}
        for test, files in self.lines.items():
            for file, lines in files.items():
                for line in lines:
                    tests.setdefault((file, line), []).append(test)
        return tests

    def about(self) -> dict[tuple[str, str], float]:
        """By test module and file: the share of the file in the lines that the module runs."""
        ran: dict[str, dict[str, set[int]]] = {}
        for test, files in self.lines.items():
            of_module = ran.setdefault(module_of(test), {})
            for file, lines in files.items():
                of_module.setdefault(file, set()).update(lines)
        totals = {module: sum(map(len, of_module.values())) for module, of_module in ran.items()}
        return {(module, file): len(ran[module][file]) / totals[module] for module in ran for file in ran[module]}


def module_of(test: str) -> str:
    """The file that a test is in."""
    return test.partition("::")[0]


def line_map(files: Iterable[str], tests: Iterable[str], cache: Path) -> LineMap:
    """Raises SystemExit with what pytest said when it could not run."""
    modules = {path: _digest([path]) for path in sorted(_test_modules(tests))}
    folders = (ROOT / name for name in ("agent_core", "kits", "plugins", "tests"))
    paths = {_from_root(path) for folder in folders for path in folder.rglob("*.py") if path.name[:5] != "test_"}
    digest = _digest(sorted(path for path in paths if not path.startswith(_OWN)))
    known = LineMap(digest)
    if cache.exists():
        kept = LineMap(**json.loads(cache.read_text()))
        known = kept if kept.digest == digest else known
    changed = [path for path, now in modules.items() if known.modules.get(path) != now]
    stale = {path for path in known.modules if modules.get(path) != known.modules[path]}
    for name in ("seconds", "lines"):
        of_test = getattr(known, name)
        setattr(known, name, {test: what for test, what in of_test.items() if module_of(test) not in stale})
    known.failed = [test for test in known.failed if module_of(test) not in stale]
    known.modules = modules
    if changed:
        print(f"running the tests of {len(changed)} modules once, to see which lines each runs ...", flush=True)
        cache.parent.mkdir(parents=True, exist_ok=True)
        said = cache.with_suffix(".log")
        if (pid := os.fork()) == 0:
            silence(said)
            code = pytest.main([*options(), *changed], plugins=[_Tracer(set(files), known)])
            cache.write_text(json.dumps({name: getattr(known, name) for name in LineMap.__dataclass_fields__}))
            os._exit(int(code))
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            raise SystemExit(f"pytest ended with {code}:\n{said.read_text()[-3000:]}")
        known = LineMap(**json.loads(cache.read_text()))
    return known


def options() -> list[str]:
    """A plugin's own pyproject.toml would make its folder the root, and all its tests would have other names."""
    config = ROOT / "pyproject.toml"
    return [*_OPTIONS, f"--rootdir={ROOT}", *(["-c", str(config)] if config.exists() else [])]


def _test_modules(tests: Iterable[str]) -> Iterable[str]:
    for test in tests:
        for path in [ROOT / test] if test.endswith(".py") else (ROOT / test).rglob("test_*.py"):
            yield _from_root(path)


def _from_root(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _digest(paths: Iterable[str]) -> str:
    return hashlib.blake2b(b"".join((ROOT / path).read_bytes() for path in paths), digest_size=8).hexdigest()


def silence(said: Path | str) -> None:
    """Standard input is empty; what is printed goes to that file."""
    for descriptor, name, flags in ((0, os.devnull, os.O_RDONLY), (1, said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)):
        os.dup2(os.open(name, flags, 0o600), descriptor)
    os.dup2(1, 2)


class _Tracer:
    """A plugin of pytest."""

    def __init__(self, files: set[str], known: LineMap) -> None:
        self._known = known
        self._names: dict[str, str | None] = {}
        self._files = {str((ROOT / file).resolve()): file for file in files}
        self._now: set[tuple[str, int]] = set()
        self._trace()

    def _trace(self) -> None:
        threading.settrace(self._call)
        sys.settrace(self._call)

    def _call(self, frame: FrameType, event: str, argument: object) -> Any:
        path = frame.f_code.co_filename
        try:
            name = self._names[path]
        except KeyError:
            name = self._names[path] = self._files.get(os.path.realpath(path))
        return None if name is None else self._line

    def _line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            self._now.add((frame.f_code.co_filename, frame.f_lineno))
        return self._line

    def _take(self) -> Lines:
        taken, self._now = self._now, set()
        lines: Lines = {}
        for path, line in sorted(taken):
            lines.setdefault(self._names[path] or path, []).append(line)
        return lines

    def pytest_collection_finish(self) -> None:
        for file, lines in self._take().items():
            self._known.imports[file] = sorted({*self._known.imports.get(file, []), *lines})

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._now = set()
        self._trace()
        result = yield
        self._known.lines[item.nodeid] = self._take()
        return result

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        seconds = self._known.seconds
        if not report.passed or report.nodeid in self._known.failed:
            seconds.pop(report.nodeid, None)
            if report.failed:
                self._known.failed.append(report.nodeid)
        elif report.when == "setup" or report.nodeid in seconds:
            seconds[report.nodeid] = round(seconds.get(report.nodeid, 0.0) + report.duration, 4)
