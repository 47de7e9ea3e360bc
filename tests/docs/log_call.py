"""LogCall: a logging call as it stands in the source, and whether its message keeps the convention."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

from agent_core.cli.logging.event import PLACEHOLDER
from agent_core.cli.logging.format import FIXED_KEYS

ROOT = Path(__file__).parents[2]
LEVELS = {name: name for name in ("debug", "info", "warning", "error", "critical")} | {"exception": "error"}
REFUSED = ("log", "warn", "fatal")
"""Methods whose level cannot be read from the source, or that are old names."""

# A module that is handed its logger -> the name of the one that it is handed.
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

_LOGGER = re.compile(r"_*(\w+_)?log(ger)?", re.IGNORECASE)
_WORD = r"[a-z][a-z0-9-]*"
_FIELD = rf"(?P<name>[a-z][a-z0-9_]*)={PLACEHOLDER.pattern}(?P<unit>[a-zA-Z/]*)"
_PLAIN_FIELD = re.sub(r"\?P<\w+>", "", _FIELD)
_MESSAGE = re.compile(
    rf"(?P<event>{_WORD}(?: {_WORD})*): (?P<fields>{_PLAIN_FIELD}(?: {_PLAIN_FIELD})*)(?P<repeats>%s)?(?:; [^%]+)?"
)
_EVENT = re.compile(rf"{_WORD}(?: {_WORD})*")
_STEERING = ("every", "exc_info")
"""Keywords of a ``Log`` that are no fields."""


@dataclass(frozen=True, slots=True)
class LogCall:
    """One call. ``fields`` are written as the page writes them: ``rows``, ``retry_in (s)``."""

    place: str
    logger: str
    event: str
    level: str
    fields: tuple[str, ...]


def sources() -> list[Path]:
    """All code that is shipped."""
    mechanism = ROOT / "agent_core" / "api" / "log.py"
    return sorted({*ROOT.glob("agent_core/**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")} - {mechanism})


def log_calls(path: Path, source: str | None = None) -> tuple[list[LogCall], list[str]]:
    """The calls of one file that keep the convention, and what is wrong with the others, each with its line."""
    file = path.relative_to(ROOT).as_posix()
    tree = ast.parse(path.read_text(encoding="utf-8") if source is None else source)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    found: list[LogCall] = []
    wrong: list[str] = []
    for node in ast.walk(tree):
        if _is_method(node) and id(node) not in called:
            wrong.append(f"{file}:{node.lineno}: a logging method is handed on, so nobody can tell what it will say")
        if not isinstance(node, ast.Call) or not _is_method(node.func):
            continue
        place = f"{file}:{node.lineno}"
        try:
            event, level, fields = _message(node)
            found.append(LogCall(place, _logger(file, tree), event, level, fields))
        except ValueError as error:
            wrong.append(f"{place}: {error}")
    return found, wrong


def _is_method(node: ast.AST) -> TypeGuard[ast.Attribute]:
    if not isinstance(node, ast.Attribute) or node.attr not in (*LEVELS, *REFUSED):
        return False
    holder = node.value
    name = holder.attr if isinstance(holder, ast.Attribute) else holder.id if isinstance(holder, ast.Name) else ""
    return name == "logging" or _LOGGER.fullmatch(name) is not None


def _message(call: ast.Call) -> tuple[str, str, tuple[str, ...]]:
    """Event, level and fields. Raises ValueError."""
    method = call.func
    assert _is_method(method)
    if isinstance(method.value, ast.Name) and method.value.id == "logging":
        raise ValueError("the root logger belongs to nobody: use the component's")
    if method.attr not in LEVELS:
        raise ValueError(f"{method.attr}() hides the level: call debug, info, warning, error, exception or critical")
    template = call.args[0] if call.args else None
    if not isinstance(template, ast.Constant) or not isinstance(template.value, str):
        raise ValueError("the message is not a literal text: put what varies into the arguments")
    if _EVENT.fullmatch(template.value) and len(call.args) == 1:
        return template.value, LEVELS[method.attr], _keywords(call)
    matched = _MESSAGE.fullmatch(template.value)
    if matched is None:
        raise ValueError(f'{template.value!r} is not "event: field=%s field=%ds%s; what to do"')
    arguments = call.args[1:]
    placeholders = [found for found in PLACEHOLDER.finditer(template.value) if found["kind"] != "%"]
    if len(arguments) != len(placeholders) or any(isinstance(argument, ast.Starred) for argument in arguments):
        raise ValueError(f"{len(placeholders)} placeholders, {len(arguments)} arguments")
    fields = list(_fields(matched["fields"]))
    is_repeats = bool(arguments) and isinstance(arguments[-1], ast.Name) and arguments[-1].id == "repeats"
    if is_repeats != bool(matched["repeats"]):
        raise ValueError("the last %s, behind the fields, is for `repeats`, what RateLimit.allow returned, alone")
    if is_repeats:
        fields.append("repeated")
    names = [field.partition(" ")[0] for field in fields]
    if len(names) != len(set(names)):
        raise ValueError("a field is there twice")
    if taken := sorted(set(names) & set(FIXED_KEYS)):
        raise ValueError(f"{taken[0]} is a key of every line: call the field something else")
    return matched["event"], LEVELS[method.attr], tuple(fields)


def _keywords(call: ast.Call) -> tuple[str, ...]:
    """The fields of an event that is written with a ``Log``. Raises ValueError."""
    names = [keyword.arg for keyword in call.keywords]
    if None in names:
        raise ValueError("fields are handed over as **mapping, so nobody can tell their names")
    fields = [name for name in names if name is not None and name not in _STEERING]
    if taken := sorted(set(fields) & set(FIXED_KEYS)):
        raise ValueError(f"{taken[0]} is a key of every line: call the field something else")
    return (*fields, *(("repeated",) if "every" in names else ()))


def _fields(text: str) -> Iterator[str]:
    for found in re.finditer(_FIELD, text):
        yield found["name"] + (f" ({found['unit']})" if found["unit"] else "")


def _logger(file: str, tree: ast.Module) -> str:
    """The name in the log. Raises ValueError for a module whose logger nobody has named."""
    if file.startswith("plugins/"):
        return file.split("/")[1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in ("logging.getLogger", "Log") and node.args:
            name = node.args[0]
            if isinstance(name, ast.Constant):
                return str(name.value)
            if ast.unparse(name) == "__name__":
                return file.removesuffix(".py").replace("/", ".")
    if file not in HANDED:
        raise ValueError("whose logger is this? name it in HANDED of tests/docs/log_call.py")
    return HANDED[file]
