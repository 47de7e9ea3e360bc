"""Document: a YAML file as plain values, and the place in the file of each key and value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from agent_core.api.document.nodes import Pair, PathKey, Position, Refused, position_of, read_nodes
from agent_core.api.document.scalars import NULL, TextLoader, TypedLoader
from agent_core.api.document.values import Values
from agent_core.api.errors import ConfigProblem


@dataclass(slots=True)
class Document:
    """``root`` holds dict, list, str, int, float, bool and None. ``problems`` are those of the YAML itself.

    What an alias or ``<<`` names has the place where it is written.
    """

    file: str
    root: object = None
    problems: list[ConfigProblem] = field(default_factory=list)
    _node: yaml.Node | None = None
    _merged: Mapping[int, Mapping[str, Pair]] = field(default_factory=dict)

    def position(self, path: PathKey) -> Position:
        """The place to show to the user: the scalar itself, else its key, else the nearest thing above."""
        _, key, node = self._find(path)
        if node is None or node is self._node:
            return Position(1, 1)
        if key is not None and not (isinstance(node, yaml.ScalarNode) and node.tag != NULL):
            return position_of(key)
        return position_of(node)

    def key_position(self, path: PathKey) -> Position:
        """The place of the key itself; for a list item, of the item."""
        found, key, _ = self._find(path)
        return position_of(key) if found and key is not None else self.position(path)

    def problem(
        self, message: str, path: PathKey = (), hint: str | None = None, *, at_key: bool = False
    ) -> ConfigProblem:
        """A problem with its place filled in."""
        line, column = self.key_position(path) if at_key else self.position(path)
        return ConfigProblem(message, path, hint, self.file, line, column)

    def _find(self, path: PathKey) -> tuple[bool, yaml.Node | None, yaml.Node | None]:
        """Whether ``path`` is there, and the key and value of the last part of it that is."""
        key: yaml.Node | None = None
        node = self._node
        for part in path:
            if isinstance(node, yaml.MappingNode):
                pair = self._merged.get(id(node), {}).get(str(part))
                if pair is None:
                    return False, key, node
                key, node = pair
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and 0 <= part < len(node.value):
                key, node = None, node.value[part]
            else:
                return False, key, node
        return True, key, node


def read_document(path: Path, *, as_texts: bool = False) -> Document:
    """Read a YAML file. Never raises for what is in the file, or for a file that cannot be read: see ``problems``.

    ``as_texts``: every scalar is the text that was written. Time and memory are limited: 16 MiB, half a million keys
    and values (those behind aliases, too), a depth of 32.
    """
    document = Document(str(path))
    try:
        node = read_nodes(path, TextLoader if as_texts else TypedLoader)
        if node is None:
            hint = "it needs sources: and sinks:"
            document.problems.append(ConfigProblem("the file is empty", (), hint, document.file, 1, 1))
            return document
        values = Values(document.file)
        document.problems = values.problems
        document._node, document._merged = node, values.merged
        document.root = values.build(node)
    except Refused as refused:
        document.problems.append(refused.problem)
    return document
