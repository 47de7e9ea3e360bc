"""What code must keep to so that a simulation can take the place of threads, time and chance in it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeGuard

import pytest
from simulation.order import nodes, taken_from_sets

ROOT = Path(__file__).parents[2]
REPLACED = ("threading", "queue", "time", "random")
"""Modules that a simulation stands in for."""
IMPORT = re.compile(rf"^\s*(import|from) .*\b({'|'.join(REPLACED)})\b", re.MULTILINE)
SIMULATED_FOLDERS = (
    "agent_core/runtime",
    "plugins/memory_buffer/src",
    "plugins/csv_sink/src",
    "plugins/disk_buffer/src",
    "plugins/polling_source/src",
)
"""What runs under simulation. Ruff's part of the rules, in pyproject.toml, names the same."""

Rule = Callable[[ast.Module], list[int]]


def imports_one(text: str) -> bool:
    """To parse all other modules would take longer than the rest of the test."""
    return IMPORT.search(text) is not None


def modules(*folders: str, chosen: Callable[[str], bool] = lambda text: True) -> dict[str, ast.Module]:
    files = sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    texts = {file.relative_to(ROOT).as_posix(): file.read_text() for file in files}
    return {name: ast.parse(text) for name, text in texts.items() if chosen(text) and "/testing/" not in name}


def of_replaced(node: ast.AST) -> TypeGuard[ast.Attribute]:
    """``threading.Lock`` and the like."""
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in REPLACED


def made_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Everything that runs while the module is imported: no bodies of functions, but their default arguments."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.AnnAssign):
            yield from () if node.value is None else ast.walk(node.value)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            for default in (*node.args.defaults, *node.args.kw_defaults):
                yield from () if default is None else ast.walk(default)
        elif isinstance(node, (ast.ClassDef, ast.If, ast.Try, ast.With, ast.For)):
            yield from made_at_import(node)
        elif isinstance(node, (ast.Assign, ast.Expr, ast.Call, ast.keyword)):
            yield from ast.walk(node)


def taken_at_import(tree: ast.Module) -> list[int]:
    return [node.lineno for node in made_at_import(tree) if of_replaced(node)]


def imported_from(tree: ast.Module) -> list[int]:
    return [node.lineno for node in nodes(tree) if isinstance(node, ast.ImportFrom) and node.module in REPLACED]


def waits_by_itself(tree: ast.Module) -> list[int]:
    """Waits that are not the clock's: ``condition.wait``, ``thread.join``, ``lock.acquire(timeout=...)``."""
    return [node.lineno for node in nodes(tree) if isinstance(node, ast.Call) and _waits(node)]


def _waits(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute):
        return False
    receiver = ast.unparse(call.func.value).removeprefix("self.").removeprefix("_")
    match call.func.attr:
        case "wait" | "wait_for":
            return receiver != "clock" and (not receiver.endswith(".clock")) and receiver not in OWN_WAITS
        case "join":
            return "thread" in receiver
        case "acquire":
            return any(keyword.arg == "timeout" for keyword in call.keywords) or len(call.args) > 1
    return False


OWN_WAITS = ("overflow",)
"""Parts whose ``wait`` goes through the clock itself."""
OF_PATHS = (
    "chmod",
    "mkdir",
    "rename",
    "rmdir",
    "touch",
    "unlink",
    "read_bytes",
    "read_text",
    "write_bytes",
    "write_text",
)
"""Methods of Path alone that open a file or change one."""
OF_OS = (
    *("chmod", "fdatasync", "fsync", "ftruncate", "link", "makedirs", "mkdir", "open", "remove", "rename", "renames"),
    *("replace", "rmdir", "symlink", "truncate", "unlink", "utime", "write"),
)
MODE = re.compile(r"[rwxab+t]+")


def touches_files(tree: ast.Module) -> list[int]:
    """Calls that open, make, change, rename, sync or delete a file."""
    return [node.lineno for node in nodes(tree) if isinstance(node, ast.Call) and _touches(node)]


def _touches(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id in ("open", "FileIO")
    if not isinstance(call.func, ast.Attribute):
        return False
    match ast.unparse(call.func.value), call.func.attr:
        case "os", method:
            return method in OF_OS
        case (("shutil" | "tempfile" | "io"), _):
            return True
        case "disk", _:
            return False
        case _, "open":
            modes = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
            return any(isinstance(mode, ast.Constant) and MODE.fullmatch(str(mode.value)) for mode in modes)
    return call.func.attr in OF_PATHS


def made_randomness(tree: ast.Module) -> list[int]:
    """Calls that make a generator of random numbers."""
    calls = (node for node in nodes(tree) if isinstance(node, ast.Call))
    return [call.lineno for call in calls if ast.unparse(call.func) == "random.Random"]


def of_ruff(source: str, file: str) -> list[str]:
    """The lines that ruff finds under the rule of what is banned."""
    ruff = [str(Path(sys.executable).with_name("ruff")), "check", "--select", "TID251", "--output-format", "concise"]
    ended = subprocess.run(
        [*ruff, "--stdin-filename", file, "-"], input=source, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert not ended.stderr
    return [line.split(":")[1] for line in ended.stdout.splitlines() if "TID251" in line]


EVERYWHERE = modules(
    "agent_core", *(str(path.relative_to(ROOT)) for path in ROOT.glob("plugins/*/src")), chosen=imports_one
)
SIMULATED = modules(*SIMULATED_FOLDERS)


SEAMS: dict[Rule, tuple[str, ...]] = defaultdict(
    tuple,
    {
        touches_files: (
            "plugins/csv_sink/src/csv_sink/files/disk.py",
            "agent_core/runtime/examination/surroundings.py",
        ),
        made_randomness: ("agent_core/runtime/delivery/sink_context.py",),
    },
)
"""Where it is done for all others; and the doctor, who tries what an agent that is not running would do."""


def of(trees: dict[str, ast.Module], *folders: str) -> dict[str, ast.Module]:
    return {name: tree for name, tree in trees.items() if name.startswith(folders)}


@pytest.mark.parametrize(
    ("rule", "trees", "instead"),
    [
        (imported_from, EVERYWHERE, "write `import threading`, never `from threading import Lock`"),
        (
            taken_at_import,
            EVERYWHERE,
            "make it in a function: a lock, or a default such as `now=time.monotonic`, would stay the real one",
        ),
        (waits_by_itself, SIMULATED, "wait with the Clock; a thread says when it ends"),
        (taken_from_sets, SIMULATED, "sort it, or use a dict, which keeps its order"),
        (touches_files, of(SIMULATED, "agent_core/runtime"), "open and change files through agent_core.api.files"),
        (touches_files, of(SIMULATED, "plugins/csv_sink"), "open and change files through csv_sink.files.disk"),
        (made_randomness, SIMULATED, "use the randomness of the SinkContext"),
    ],
)
def test_code_under_simulation_keeps_to_the_rules(rule: Rule, trees: dict[str, ast.Module], instead: str) -> None:
    found = {name: lines for name, tree in trees.items() if name not in SEAMS[rule] and (lines := rule(tree))}
    assert not found, instead


def test_each_seam_still_does_what_the_others_may_not() -> None:
    for rule, names in SEAMS.items():
        for name in names:
            assert rule(SIMULATED[name]), f"{name} needs no exception any more"


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("from threading import Lock", imported_from),
        ("import threading\nLOCK = threading.Lock()", taken_at_import),
        ("import threading\nclass A:\n    lock: threading.Lock = threading.Lock()", taken_at_import),
        ("import threading\nclass A:\n    lock: object = field(default_factory=threading.Lock)", taken_at_import),
        ("import time\ndef wait(now=time.monotonic): ...", taken_at_import),
        ("import time\nclass A:\n    def wait(self, *, now=time.monotonic): ...", taken_at_import),
        ("import time\nif True:\n    START = time.time()", taken_at_import),
        ("self._changed.wait(5)", waits_by_itself),
        ("self._thread.join(5)", waits_by_itself),
        ("worker_thread.join()", waits_by_itself),
        ("lock.acquire(timeout=5)", waits_by_itself),
        ("lock.acquire(True, 5)", waits_by_itself),
        ("for x in {1, 2}: ...", taken_from_sets),
        ("for x in set(found): ...", taken_from_sets),
        ("known = set(found)\nnames = [name for name in known]", taken_from_sets),
        ("def f(known: frozenset[str]):\n    return ', '.join(known)", taken_from_sets),
        ("class A:\n    def f(self):\n        self.x: set[int] = set()\n        return list(self.x)", taken_from_sets),
        ("class A:\n    def f(self):\n        self.x: set[int] = set()\n        return self.x.pop()", taken_from_sets),
        ("texts = {x: str(x) for x in a.keys() - {b}}", taken_from_sets),
        ("def known() -> set[str]: ...\nnames = [*known()]", taken_from_sets),
        ("path.open('rb')", touches_files),
        ("path.open(mode='ab')", touches_files),
        ("open(path)", touches_files),
        ("os.replace(path, target)", touches_files),
        ("os.fsync(descriptor)", touches_files),
        ("path.unlink(missing_ok=True)", touches_files),
        ("shutil.rmtree(folder)", touches_files),
        ("self._dice = random.Random()", made_randomness),
    ],
)
def test_each_rule_sees_what_breaks_it(source: str, rule: Rule) -> None:
    assert rule(ast.parse(source))


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("class A:\n    lock: threading.Lock\n    def f(self):\n        self.x = threading.Lock()", taken_at_import),
        ("self._clock.wait(self._changed, 5)", waits_by_itself),
        ("', '.join(names)", waits_by_itself),
        ("lock.acquire(blocking=False)", waits_by_itself),
        ("for x in sorted({1, 2}): ...", taken_from_sets),
        ("few = len(set(found)) < 3 and any(x > 2 for x in {1, 2})", taken_from_sets),
        ("names = {name for name in set(found)}", taken_from_sets),
        ("self._sink.open()\nself._sink.open(self, failed.append)", touches_files),
        ("text.replace('a', 'b')\npath.stat()", touches_files),
    ],
)
def test_no_rule_sees_what_is_right(source: str, rule: Rule) -> None:
    assert not rule(ast.parse(source))


def test_ruff_bans_time_and_chance_that_no_seed_decides_where_the_agent_is_simulated_and_nowhere_else() -> None:
    source = "import random\nimport datetime\nimport secrets\nrandom.random()\ndatetime.datetime.now()\nimport time\n"
    assert of_ruff(source, "plugins/csv_sink/src/csv_sink/files/example.py") == ["3", "4", "5", "6"]
    assert not of_ruff(source, "agent_core/cli/example.py")
    names = ",".join(f"{folder}/**" for folder in SIMULATED_FOLDERS)
    assert f'"!{{{names}}}" = ["TID251"]' in (ROOT / "pyproject.toml").read_text()
