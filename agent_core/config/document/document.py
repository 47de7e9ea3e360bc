"""Document: a YAML file as plain values, and the place in the file of each key and value.

YAML is read by the core schema of YAML 1.2 (https://yaml.org/spec/1.2.2/#103-core-schema): ``off``, ``yes``, ``1:30``
and dates are text, so no setting becomes a boolean or a number unexpectedly. Merge keys (``<<``) and
anchors work; ``.inf`` and ``.nan`` are text, since no setting uses them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, Final, NamedTuple, cast

import yaml

from agent_core.api import ConfigProblem
from agent_core.config.document.syntax import syntax_problem

PathKey = tuple[str | int, ...]

MAX_VALUES: Final = 1_000_000
"""Aliases multiply; a file that expands beyond this is a mistake or an attack ("billion laughs")."""

MAX_DEPTH: Final = 100
"""PyYAML's fast composer recurses in C without a limit: a deeper file would crash the process."""

_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""YAML 1.2, 5.1. Checked here because libyaml counts bytes where a reader counts characters."""

_STR, _MAP, _SEQ = "tag:yaml.org,2002:str", "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"
_NULL, _BOOL = "tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"
_INT, _FLOAT, _MERGE = "tag:yaml.org,2002:int", "tag:yaml.org,2002:float", "tag:yaml.org,2002:merge"

# libyaml when PyYAML was built with it: ten times faster on a file that lists thousands of tags.
_BaseLoader: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_BaseLoader):  # type: ignore[misc, valid-type]
    """Composes nodes only; Document builds the values."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own interface


for _tag, _pattern, _first in (
    (_NULL, r"^(?:~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    (_BOOL, r"^(?:true|True|TRUE|false|False|FALSE)$", list("tTfF")),
    (_INT, r"^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$", list("-+0123456789")),
    (_FLOAT, r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$", list("-+.0123456789")),
    (_MERGE, r"^<<$", ["<"]),
):
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), _first)


class Position(NamedTuple):
    """From 1."""

    line: int
    column: int


@dataclass(slots=True)
class Document:
    """``root`` holds dict, list, str, int, float, bool and None. ``problems`` are those of the YAML itself."""

    file: str
    root: object = None
    problems: list[ConfigProblem] = field(default_factory=list)
    keys: dict[PathKey, Position] = field(default_factory=dict)
    values: dict[PathKey, Position] = field(default_factory=dict)

    def position(self, path: PathKey) -> Position:
        """The place to show to the user: the scalar itself, else its key, else the nearest thing above."""
        while path:
            if path in self.values and not isinstance(self._at(path), (dict, list, NoneType)):
                return self.values[path]
            found = self.keys.get(path) or self.values.get(path)
            if found is not None:
                return found
            path = path[:-1]
        return Position(1, 1)

    def key_position(self, path: PathKey) -> Position:
        """The place of the key itself; for a list item, of the item."""
        return self.keys.get(path) or self.position(path)

    def problem(
        self, message: str, path: PathKey = (), hint: str | None = None, *, at_key: bool = False
    ) -> ConfigProblem:
        """A problem with its place filled in."""
        line, column = self.key_position(path) if at_key else self.position(path)
        return ConfigProblem(message, path, hint, self.file, line, column)

    def _at(self, path: PathKey) -> object:
        value: Any = self.root
        for part in path:
            try:
                value = value[part]
            except (KeyError, IndexError, TypeError):
                return None
        return cast(object, value)


def read_document(path: Path) -> Document:
    """Read a YAML file. Never raises for what is in the file, or for a file that cannot be read: see ``problems``."""
    document = Document(str(path))
    text = _read_text(path, document)
    if text is None:
        return document
    unprintable = _UNPRINTABLE.search(text)
    if unprintable is not None:
        before = text[: unprintable.start()]
        document.problems.append(
            ConfigProblem(
                f"the character U+{ord(unprintable[0]):04X} is not allowed in YAML",
                file=document.file,
                line=before.count("\n") + 1,
                column=len(before) - before.rfind("\n"),
            )
        )
        return document
    try:
        too_deep = _first_too_deep(text)
        if too_deep is not None:
            document.problems.append(
                ConfigProblem(
                    f"more than {MAX_DEPTH} nested lists and mappings",
                    file=document.file,
                    line=too_deep.line,
                    column=too_deep.column,
                )
            )
            return document
        node = _compose(text)
    except yaml.MarkedYAMLError as error:
        document.problems.append(syntax_problem(document.file, error, text))
        return document
    if node is None:
        document.problems.append(
            ConfigProblem(
                "the file is empty", hint="it needs sources: and sinks:", file=document.file, line=1, column=1
            )
        )
        return document
    document.root = _Builder(document).build(node, ())
    return document


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return cast("yaml.Node | None", loader.get_single_node())
    finally:
        loader.dispose()


def _first_too_deep(text: str) -> Position | None:
    if sum(map(text.count, ("[", "{", "- ", "? ", ":"))) <= MAX_DEPTH:
        return None
    depth = 0
    for event in yaml.parse(text, _Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                return _position(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return None


def parse_scalar(text: str) -> object:
    """What ``text`` would be as an unquoted YAML scalar."""
    for tag, pattern in _Loader.yaml_implicit_resolvers.get(text[:1], ()):
        if pattern.match(text):
            return _scalar(tag, text)
    return text


class _Builder:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._open: list[yaml.Node] = []
        self._count = 0

    def build(self, node: yaml.Node, path: PathKey) -> object:
        document = self._document
        document.values.setdefault(path, _position(node))
        self._count += 1
        if self._count > MAX_VALUES:
            if self._count == MAX_VALUES + 1:
                self._problem(node, path, f"the aliases of this file expand to more than {MAX_VALUES} values")
            return None
        if any(node is above for above in self._open):
            self._problem(node, path, "an alias cannot contain itself")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._open.append(node)
        try:
            if isinstance(node, yaml.SequenceNode):
                self._check_tag(node, path, _SEQ)
                return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
            assert isinstance(node, yaml.MappingNode)
            self._check_tag(node, path, _MAP)
            return self._mapping(node, path)
        finally:
            self._open.pop()

    def _mapping(self, node: yaml.MappingNode, path: PathKey) -> dict[str, object]:
        result: dict[str, object] = {}
        first: dict[str, Position] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged.append(value_node)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem(
                    key_node, path, "a key must be a word, not a list or a mapping", "put a value with { in quotes"
                )
                continue
            key = key_node.value
            where = _position(key_node)
            if key in first:
                self._problem(key_node, (*path, key), f"key {key!r} appears twice", f"first at line {first[key].line}")
                continue
            first[key] = where
            self._document.keys[(*path, key)] = where
            result[key] = self.build(value_node, (*path, key))
        for value_node in merged:
            self._merge(value_node, path, result)
        return result

    def _merge(self, node: yaml.Node, path: PathKey, result: dict[str, object]) -> None:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for source in sources:
            if not isinstance(source, yaml.MappingNode) or any(source is above for above in self._open):
                self._problem(source, path, "<< must name a mapping")
                continue
            inner = _Builder(Document(self._document.file))
            inner._open, inner._count = self._open, self._count
            values = inner._mapping(source, path)
            self._count = inner._count
            self._document.problems.extend(inner._document.problems)
            for key, value in values.items():
                if key not in result:
                    result[key] = value
                    self._adopt(inner._document, (*path, key))

    def _adopt(self, other: Document, path: PathKey) -> None:
        for mine, theirs in ((self._document.keys, other.keys), (self._document.values, other.values)):
            mine.update({known: where for known, where in theirs.items() if known[: len(path)] == path})

    def _scalar(self, node: yaml.ScalarNode, path: PathKey) -> object:
        if node.tag == _MERGE:
            return str(node.value)
        if node.tag not in (_STR, _NULL, _BOOL, _INT, _FLOAT):
            self._problem(node, path, f"unknown tag {_tag_name(node)}", "only plain values are allowed")
            return None
        try:
            return _scalar(node.tag, node.value)
        except ValueError:
            self._problem(node, path, "this number cannot be read")
            return None

    def _check_tag(self, node: yaml.Node, path: PathKey, wanted: str) -> None:
        if node.tag != wanted:
            self._problem(node, path, f"unknown tag {_tag_name(node)}", "only plain values are allowed")

    def _problem(self, node: yaml.Node, path: PathKey, message: str, hint: str | None = None) -> None:
        line, column = _position(node)
        self._document.problems.append(ConfigProblem(message, path, hint, self._document.file, line, column))


def _scalar(tag: str, text: str) -> object:
    if tag == _NULL:
        return None
    if tag == _BOOL:
        return text.lower() == "true"
    if tag == _INT:
        return int(text, 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10)
    if tag == _FLOAT:
        return float(text)
    return text


def _position(node: yaml.Node | yaml.Event) -> Position:
    mark = node.start_mark
    assert mark is not None
    return Position(mark.line + 1, mark.column + 1)


def _tag_name(node: yaml.Node) -> str:
    return str(node.tag).replace("tag:yaml.org,2002:", "!!")


def _read_text(path: Path, document: Document) -> str | None:
    def problem(message: str, line: int | None = None, column: int | None = None, hint: str | None = None) -> None:
        document.problems.append(ConfigProblem(message, hint=hint, file=document.file, line=line, column=column))

    try:
        data = path.read_bytes()
    except FileNotFoundError:
        problem("no such file", hint="give its path: tagferry check FILE")
        return None
    except IsADirectoryError:
        problem("this is a folder, not a file")
        return None
    except OSError as error:
        problem(f"the file cannot be read: {error.strerror or error}")
        return None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        problem("the file is UTF-16", 1, 1, "save it as UTF-8")
        return None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line_start = before.rfind(b"\n") + 1
        column = len(before[line_start:].decode("utf-8", "replace")) + 1
        problem(
            f"the file is not UTF-8: byte 0x{error.object[error.start]:02x}",
            before.count(b"\n") + 1,
            column,
            "save it as UTF-8",
        )
        return None
