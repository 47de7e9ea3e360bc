"""What code must keep to so that a simulation can take the place of threads, time and chance in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeGuard

import pytest

ROOT = Path(__file__).parents[2]
REPLACED = ("threading", "queue", "time", "random")
"""Modules that a simulation stands in for."""
IMPORT = re.compile(rf"^\s*(import|from) .*\b({'|'.join(REPLACED)})\b", re.MULTILINE)
THROUGH_THE_CLOCK = (
    "agent_core/runtime",
    "plugins/memory_buffer/src",
    "plugins/csv_sink/src",
    "plugins/disk_buffer/src",
    "plugins/polling_source/src",
)
"""Where waiting and time come from a Clock."""


def modules(*folders: str) -> dict[str, ast.Module]:
    """Those that import one of these modules; to parse all others would take longer than the rest of the test."""
    files = sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    texts = {file.relative_to(ROOT).as_posix(): file.read_text() for file in files}
    return {name: ast.parse(text) for name, text in texts.items() if IMPORT.search(text) and "/testing/" not in name}


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
    return [node.lineno for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module in REPLACED]


def real_time(tree: ast.Module) -> list[int]:
    return [node.lineno for node in ast.walk(tree) if of_replaced(node) and ast.unparse(node).startswith("time.")]


EVERYWHERE = modules("agent_core", *(str(path.relative_to(ROOT)) for path in ROOT.glob("plugins/*/src")))


def test_threads_queues_time_and_chance_are_imported_as_modules_so_that_they_can_be_replaced() -> None:
    found = {name: lines for name, tree in EVERYWHERE.items() if (lines := imported_from(tree))}
    assert not found, "write `import threading`, never `from threading import Lock`"


def test_no_lock_is_made_and_no_function_of_time_is_kept_while_a_module_is_imported() -> None:
    found = {name: lines for name, tree in EVERYWHERE.items() if (lines := taken_at_import(tree))}
    assert not found, "a lock, or a default such as `now=time.monotonic`, would stay the real one"


def test_waiting_and_time_go_through_the_clock() -> None:
    found = {name: lines for name, tree in modules(*THROUGH_THE_CLOCK).items() if (lines := real_time(tree))}
    assert not found, "take the time from the Clock, and wait with it"


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
        ("import time\ndef f():\n    time.sleep(1)", real_time),
    ],
)
def test_each_rule_sees_what_breaks_it(source: str, rule: Callable[[ast.Module], list[int]]) -> None:
    assert rule(ast.parse(source))


def test_types_and_locks_of_an_object_break_no_rule() -> None:
    source = "class A:\n    lock: threading.Lock\n    def __init__(self):\n        self.x = threading.Lock()"
    assert not taken_at_import(ast.parse(source))
