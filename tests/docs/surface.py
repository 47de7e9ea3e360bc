"""Surface: what people read of tagferry, as texts with a place, for the tests of the vocabulary.

A surface is the YAML's schema, the log's events, the metrics, the HTTP API, the command line, the hooks, the Python
API, the dashboard, or a document. Names of code are said with blanks for underscores, so that ``max_rows`` has the
word ``rows`` in it.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
import types
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from pathlib import Path
from typing import NamedTuple, cast
from urllib.request import urlopen

from http_monitor.plugin import create as create_monitor

from agent_core import api, hookspecs
from agent_core.api import ComponentContext
from agent_core.cli.command_line import build_parser
from agent_core.registry.hookimpls import hook_arguments

ROOT = Path(__file__).parents[2]
SCHEMAS = {"core": ROOT / "agent_core" / "config" / "schema" / "core.schema.json"} | {
    path.parent.name: path for path in sorted(ROOT.glob("plugins/*/src/*/schema.json"))
}
PACKAGES = {"agent_core": ROOT / "agent_core"} | {
    path.name: path for path in sorted(ROOT.glob("plugins/*/src/*")) if path.name.isidentifier()
}
ASSETS = ROOT / "plugins" / "http_monitor" / "src" / "http_monitor" / "assets"
HISTORY = {"CHANGELOG.md"}  # it names what is called differently now
REPLACED = "## Words that are not used"
DOCUMENTS = [
    path
    for pattern in ("*.md", "docs/**/*.md", "deploy/*.md", "plugins/*.md", "plugins/*/*.md", "kits/*/*.md")
    for path in sorted(ROOT.glob(pattern))
    if path.relative_to(ROOT).as_posix() not in HISTORY
]

Node = Mapping[str, object]


class Said(NamedTuple):
    """A text that a person may read, and where."""

    place: str
    text: str


def spoken(name: str) -> str:
    """A name of code as words."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name.replace("_", " "))


def node(value: object) -> Node:
    """A JSON object, or an empty one for anything else."""
    return cast(Node, value) if isinstance(value, dict) else {}


@cache
def schema(name: str) -> Node:
    return node(json.loads(SCHEMAS[name].read_text(encoding="utf-8")))


def schema_texts(name: str) -> Iterator[Said]:
    """Keys, values to choose from and descriptions of one schema."""

    def walk(value: object, place: str) -> Iterator[Said]:
        if isinstance(value, list):
            for item in value:
                yield from walk(item, place)
        for key, inner in node(value).items():
            if key == "properties":
                for known, child in node(inner).items():
                    yield Said(f"{place}.{known}", spoken(known))
                    yield from walk(child, f"{place}.{known}")
            elif key in ("title", "description", "const"):
                yield Said(place, str(inner))
            elif key == "enum" and isinstance(inner, list):
                yield from (Said(place, spoken(str(item))) for item in inner)
            else:
                yield from walk(inner, place)

    yield from walk(schema(name), name)


def has_key(root: Node, path: str) -> bool:
    """True when the schema has the key at ``path``, such as ``sinks[].batch.max_records``."""
    here = [root]
    for part in path.split("."):
        found = [
            node(node(candidate.get("properties")).get(part.removesuffix("[]")))
            for candidate in (resolved for value in here for resolved in alternatives(root, value))
            if part.removesuffix("[]") in node(candidate.get("properties"))
        ]
        if not found:
            return False
        if part.endswith("[]"):
            found = [node(item.get("items")) for value in found for item in alternatives(root, value)]
        here = found
    return True


def alternatives(root: Node, value: Node) -> Iterator[Node]:
    """``value`` itself and all that it may be instead, references followed."""
    yield value
    reference = value.get("$ref")
    if isinstance(reference, str):
        found: Node = root
        for part in reference.removeprefix("#/").split("/"):
            found = node(found.get(part))
        yield from alternatives(root, found)
    for key in ("anyOf", "oneOf", "allOf"):
        several = value.get(key)
        for item in several if isinstance(several, list) else ():
            yield from alternatives(root, node(item))


def table_rows(page: Path) -> Iterator[tuple[str, list[str]]]:
    """Cells of every table of a document, with the place of the row."""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("| ") and not line.startswith("| ---"):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            yield f"{page.relative_to(ROOT).as_posix()}:{number}", [cell.strip() for cell in cells]


def log_texts() -> Iterator[Said]:
    """Events, fields and explanations of the page that a test holds to the code."""
    for place, cells in table_rows(ROOT / "docs" / "log-events.md"):
        yield from (Said(place, spoken(cell)) for cell in cells)


def log_events() -> set[str]:
    return {cells[0] for _, cells in table_rows(ROOT / "docs" / "log-events.md")}


def metric_texts() -> Iterator[Said]:
    """Names, labels and help of the page that a test holds to the collector."""
    for place, cells in table_rows(ROOT / "docs" / "metrics.md"):
        yield from (Said(place, spoken(cell)) for cell in cells)


def metrics() -> set[str]:
    return {cells[0].strip("`") for _, cells in table_rows(ROOT / "docs" / "metrics.md")}


@cache
def openapi() -> Node:
    """The document that the monitor publishes, asked of one that runs."""
    context = ComponentContext("http_monitor", "line-1", Path(), "http_monitor")
    config = {"listen": "127.0.0.1:0", "token": None, "protect": "changes", "allowed_hosts": ()}
    monitor = create_monitor(config, context)
    monitor.open()
    try:
        with urlopen(f"{monitor.address.url.rstrip(chr(47))}/openapi.json", timeout=120) as answer:
            return node(json.load(answer))
    finally:
        monitor.close()


def api_texts() -> Iterator[Said]:
    """Paths, fields and descriptions of the HTTP API."""
    for path in node(openapi().get("paths")):
        yield Said(path, path)

    def walk(value: object, place: str) -> Iterator[Said]:
        if isinstance(value, list):
            for item in value:
                yield from walk(item, place)
        for key, inner in node(value).items():
            if key == "properties":
                for known, child in node(inner).items():
                    yield Said(f"{place}.{known}", spoken(known))
                    yield from walk(child, f"{place}.{known}")
            elif key in ("description", "summary") and isinstance(inner, str):
                yield Said(place, inner)
            else:
                yield from walk(inner, f"{place}/{key}" if place.count("/") < 4 else place)

    yield from walk(openapi(), "openapi")


def api_names() -> set[str]:
    """Every path and every field."""
    return {said.place.rpartition(".")[2] for said in api_texts()} | set(node(openapi().get("paths")))


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every command by what a person types."""
    found: dict[str, argparse.ArgumentParser] = {}

    def walk(parser: argparse.ArgumentParser) -> None:
        found[parser.prog] = parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for inner in action.choices.values():
                    walk(inner)

    walk(build_parser())
    return found


def cli_texts() -> Iterator[Said]:
    """What the help of every command says, an option at a time."""
    for name, parser in parsers().items():
        yield Said(name, f"{parser.description or ''} {parser.epilog or ''}")
        for action in parser._actions:
            place = f"{name} {'/'.join(action.option_strings) or action.dest}"
            names = [*action.option_strings, *([action.metavar] if isinstance(action.metavar, str) else ())]
            yield Said(place, f"{spoken(' '.join(names))} {action.help or ''}")


def options() -> set[str]:
    return {option for parser in parsers().values() for option in re.findall(r"--[a-z][a-z-]+", parser.format_help())}


def hook_texts() -> Iterator[Said]:
    """Arguments and docstrings of the hooks."""
    for name, arguments in hook_arguments().items():
        yield Said(name, " ".join(map(spoken, (name, *arguments))))
        yield Said(name, inspect.getdoc(getattr(hookspecs, name)) or "")


def python_texts() -> Iterator[Said]:
    """Names and docstrings of everything in ``agent_core.api``, with members, parameters and fields."""
    for name in api.__all__:
        thing: object = getattr(api, name)
        yield Said(name, spoken(name))
        if not isinstance(thing, (type, types.FunctionType)):
            continue
        yield Said(name, inspect.getdoc(thing) or "")
        if isinstance(thing, types.FunctionType):
            yield from _parameters(name, thing)
            continue
        members = dict(vars(thing)) | dict.fromkeys(getattr(thing, "__annotations__", ()))
        for member, value in members.items():
            if member.startswith("_"):
                continue
            place = f"{name}.{member}"
            yield Said(place, spoken(member))
            function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if isinstance(function, types.FunctionType):
                yield Said(place, inspect.getdoc(function) or "")
                yield from _parameters(place, function)
            elif isinstance(value, Enum):
                yield Said(place, spoken(str(value.value)))


def _parameters(place: str, function: types.FunctionType) -> Iterator[Said]:
    for parameter in inspect.signature(function).parameters:
        yield Said(f"{place}({parameter})", spoken(parameter))


def message_texts(package: str) -> Iterator[Said]:
    """Texts with a blank in the code: messages, next steps, help. Not docstrings, and what is filled in as ``...``."""
    for path in sorted(PACKAGES[package].rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        taken = {id(statement.value) for statement in ast.walk(tree) if isinstance(statement, ast.Expr)}
        texts: list[tuple[int, str]] = []
        for found in ast.walk(tree):  # what holds others comes first
            if isinstance(found, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "..." for part in found.values]
                taken.update(map(id, found.values))
                texts.append((found.lineno, "".join(map(str, parts))))
            elif isinstance(found, ast.Constant) and isinstance(found.value, str) and id(found) not in taken:
                texts.append((found.lineno, found.value))
        name = path.relative_to(ROOT).as_posix()
        yield from (Said(f"{name}:{number}", text) for number, text in texts if " " in text)


def dashboard_texts() -> Iterator[Said]:
    """What the page shows: text of the HTML, and texts with a blank in the scripts."""
    page = (ASSETS / "index.html").read_text(encoding="utf-8")
    for number, line in enumerate(page.splitlines(), 1):
        shown = re.findall(r">([^<>]+)<", line) + re.findall(r'(?:title|aria-label|placeholder)="([^"]+)"', line)
        yield from (Said(f"index.html:{number}", text) for text in shown)
    for script in sorted(ASSETS.glob("*.js")):
        if script.name.endswith(".min.js"):
            continue
        for number, line in enumerate(script.read_text(encoding="utf-8").splitlines(), 1):
            plain = re.sub(r"\$\{[\w.()\[\], ]*\}", "...", re.sub(r"//.*", "", line))
            for text in re.findall(r'"[^"]*"|`[^`]*`', plain):
                if " " in text:
                    yield Said(f"{script.name}:{number}", text)


def document_texts(page: Path) -> Iterator[Said]:
    """The prose of a document: paragraphs, items of lists and rows of tables, without blocks of code.

    The glossary without the words that it replaces.
    """
    name = page.relative_to(ROOT).as_posix()
    text = page.read_text(encoding="utf-8").partition(REPLACED)[0]
    block: list[str] = []
    start, fenced = 1, False
    for number, line in enumerate([*text.splitlines(), ""], 1):
        fence = line.lstrip().startswith("```")
        fenced = fenced != fence
        code = fence or fenced
        if block and (code or not line.strip() or re.match(r"\s*([*-] |\d+\. |\||#)", line)):
            yield Said(f"{name}:{start}", " ".join(block))
            block = []
        if not code and line.strip():
            start = start if block else number
            block.append(line.strip())
