"""LogCall: a logging call as it stands in the source, and whether it keeps the convention."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeGuard

from agent_core.cli.logging.format import FIXED_KEYS

ROOT = Path(__file__).parents[2]
LEVELS = ("debug", "info", "warning", "error", "critical")
REFUSED = ("exception", "log", "warn", "fatal")
"""Methods of the standard library's loggers that a Log does not have."""

# A module that is handed its Log -> the name of the one that it is handed.
HANDED = {
    "agent_core/runtime/delivery/carrier.py": "agent_core.delivery",
    "agent_core/runtime/delivery/delivery.py": "agent_core.delivery",
    "agent_core/runtime/delivery/diverter.py": "agent_core.delivery",
    "agent_core/runtime/delivery/watch.py": "agent_core.delivery",
    "agent_core/runtime/delivery/workers.py": "agent_core.delivery",
    "agent_core/runtime/replay/file_replay.py": "agent_core.replay",
    "agent_core/runtime/replay/rejected.py": "agent_core.replay",
    "agent_core/runtime/replay/replayer.py": "agent_core.replay",
    "agent_core/runtime/replay/writer.py": "agent_core.replay",
}

_LOG = re.compile(r"_*([a-z]+_)*log(ger)?", re.IGNORECASE)
_EVENT = re.compile(r"[a-z][a-z0-9-]*(,? [a-z][a-z0-9-]*)*")
_STEERING = ("every", "exc_info")
"""Keywords of a ``Log`` that are not fields."""


@dataclass(frozen=True, slots=True)
class LogCall:
    """One call."""

    place: str
    logger: str
    event: str
    level: str
    fields: tuple[str, ...]


def sources() -> list[Path]:
    """All code that is shipped."""
    mechanism = ROOT / "agent_core" / "api" / "log.py"
    return sorted({*ROOT.glob("agent_core/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")} - {mechanism})


@cache
def log_calls(path: Path, source: str | None = None) -> tuple[list[LogCall], list[str]]:
    """The calls of one file that keep the convention, and what is wrong with the others, each with its line."""
    file = path.relative_to(ROOT).as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8") if source is None else source)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    limited = {id(inner) for node in ast.walk(tree) if _is_limit(node) for inner in ast.walk(node)}
    found: list[LogCall] = []
    wrong: list[str] = []
    for node in ast.walk(tree):
        if _is_method(node) and id(node) not in called:
            wrong.append(f"{file}:{node.lineno}: a logging method is handed on, so nobody can tell what it will say")
        if not isinstance(node, ast.Call) or not _is_method(node.func):
            continue
        place = f"{file}:{node.lineno}"
        if id(node) in limited:
            wrong.append(f"{place}: a RateLimit stands around it: use every=")
            continue
        try:
            found.append(LogCall(place, _logger(file, tree), _event(node), node.func.attr, _fields(node)))
        except ValueError as error:
            wrong.append(f"{place}: {error}")
    return found, wrong


def _is_method(node: ast.AST) -> TypeGuard[ast.Attribute]:
    if not isinstance(node, ast.Attribute) or node.attr not in (*LEVELS, *REFUSED):
        return False
    holder = node.value
    name = holder.attr if isinstance(holder, ast.Attribute) else holder.id if isinstance(holder, ast.Name) else ""
    return name == "logging" or _LOG.fullmatch(name) is not None


def _is_limit(node: ast.AST) -> bool:
    """True for an ``if`` that asks a RateLimit."""
    return isinstance(node, ast.If) and any(
        isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "allow"
        for part in ast.walk(node.test)
    )


def _event(call: ast.Call) -> str:
    """Raises ValueError for anything but one literal event."""
    method = call.func
    assert _is_method(method)
    if isinstance(method.value, ast.Name) and method.value.id == "logging":
        raise ValueError("the root logger belongs to nobody: use a Log")
    if method.attr not in LEVELS:
        raise ValueError(f"a Log has no {method.attr}(): call {', '.join(LEVELS)}")
    event = call.args[0] if call.args else None
    if not isinstance(event, ast.Constant) or not isinstance(event.value, str):
        raise ValueError("the event is not a literal text: put what varies into fields")
    if not _EVENT.fullmatch(event.value) or len(call.args) > 1:
        raise ValueError(f"{event.value!r} is not an event, in a few lower-case words; facts are fields: name=value")
    return event.value


def _fields(call: ast.Call) -> tuple[str, ...]:
    """Their names. Raises ValueError."""
    names = [keyword.arg for keyword in call.keywords]
    if None in names:
        raise ValueError("fields are handed over as **mapping, so nobody can tell their names")
    fields = [name for name in names if name is not None and name not in _STEERING]
    if taken := sorted(set(fields) & set(FIXED_KEYS)):
        raise ValueError(f"{taken[0]} is a key of every line: call the field something else")
    return (*fields, *(("repeated",) if "every" in names else ()))


def _logger(file: str, tree: ast.Module) -> str:
    """The name in the log. Raises ValueError for a module whose logger nobody has named."""
    if file.startswith("plugins/"):
        return file.split("/")[1]
    for name in _names_of_logs(tree):
        if isinstance(name, ast.Constant):
            return str(name.value)
        if ast.unparse(name) == "__name__":
            return file.removesuffix(".py").replace("/", ".")
    if file not in HANDED:
        raise ValueError("whose Log is this? name it in HANDED of tests/docs/log_call.py")
    return HANDED[file]


def _names_of_logs(tree: ast.Module) -> Iterator[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "Log" and node.args:
            yield node.args[0]
