"""Nodes: the text of a YAML file as PyYAML's nodes, refused before it costs more than the limits allow."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import yaml

from agent_core.api.document.syntax import syntax_problem
from agent_core.api.errors import ConfigProblem
from agent_core.api.files.whole_file import read_whole

PathKey = tuple[str | int, ...]

MAX_BYTES: Final = 16 * 1024 * 1024
MAX_VALUES: Final = 500_000
"""Of keys and values: as many as 60,000 tags have. Aliases multiply them ("billion laughs")."""

MAX_DEPTH: Final = 32
"""PyYAML's fast composer recurses in C without a limit: a deeper file would crash the process. What is done per value
is done per level above it, too, and no setting is even half as deep."""

MAX_PROBLEMS: Final = 1000
"""More are not of use to anybody."""

_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""YAML 1.2, 5.1. Checked here because libyaml counts bytes where a reader counts characters."""


class Position(NamedTuple):
    """From 1."""

    line: int
    column: int


class Refused(Exception):
    """The file is not read any further."""

    def __init__(self, problem: ConfigProblem) -> None:
        super().__init__(str(problem))
        self.problem = problem


class Pair(NamedTuple):
    """A key of a mapping and its value."""

    key: yaml.ScalarNode
    value: yaml.Node


Merged = Mapping[int, Mapping[str, Pair]]
"""By the identity of a mapping node: its pairs, with those behind ``<<``."""


def position_of(node: yaml.Node | yaml.Event) -> Position:
    """Where it begins."""
    mark = node.start_mark
    assert mark is not None
    return Position(mark.line + 1, mark.column + 1)


def read_nodes(path: Path, loader: type[yaml.SafeLoader]) -> yaml.Node | None:
    """The root node; None for a file without any. Raises Refused, also for a file that cannot be read."""
    text = _read_text(path)
    unprintable = _UNPRINTABLE.search(text)
    if unprintable is not None:
        before = text[: unprintable.start()]
        where = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
        raise _refused(path, f"the character U+{ord(unprintable[0]):04X} is not allowed in YAML", where)
    try:
        _check_limits(path, text, loader)
        composer = loader(text)
        try:
            return composer.get_single_node()
        finally:
            composer.dispose()
    except yaml.MarkedYAMLError as error:
        raise Refused(syntax_problem(str(path), error, text)) from error


def _check_limits(path: Path, text: str, loader: type[yaml.SafeLoader]) -> None:
    """Events cost no memory, so they are counted before nodes are made of them."""
    depth = count = 0
    for event in yaml.parse(text, loader):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            continue
        if not isinstance(event, yaml.NodeEvent):
            continue
        count += 1
        if count > MAX_VALUES:
            step = "put the tags in a CSV file: tags_from: FILE"
            raise _refused(path, f"more than {MAX_VALUES} keys and values", position_of(event), step)
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _refused(path, f"more than {MAX_DEPTH} nested lists and mappings", position_of(event))


def _refused(path: Path, message: str, where: Position | None = None, hint: str | None = None) -> Refused:
    line, column = (None, None) if where is None else where
    return Refused(ConfigProblem(message, hint=hint, file=str(path), line=line, column=column))


def _read_text(path: Path) -> str:
    try:
        data = read_whole(path, MAX_BYTES)
    except FileNotFoundError:
        raise _refused(path, "no such file", hint="give its path: tagferry check FILE") from None
    except IsADirectoryError:
        raise _refused(path, "this is a folder, not a file") from None
    except OSError as error:
        raise _refused(path, f"the file cannot be read: {error.strerror or error}") from None
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused(path, "the file is UTF-16", Position(1, 1), "save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line_start = before.rfind(b"\n") + 1
        column = len(before[line_start:].decode("utf-8", "replace")) + 1
        where = Position(before.count(b"\n") + 1, column)
        message = f"the file is not UTF-8: byte 0x{error.object[error.start]:02x}"
        raise _refused(path, message, where, "save it as UTF-8") from None
