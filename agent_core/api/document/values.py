"""Values: what YAML nodes say, as dict, list, str, int, float, bool and None.

Merge keys (``<<``) and anchors work. What they multiply is counted: a small file that stands for more values than
``MAX_VALUES`` is refused after that many steps.
"""

from __future__ import annotations

import yaml

from agent_core.api.document import nodes
from agent_core.api.document.nodes import Pair, PathKey, Refused, position_of
from agent_core.api.document.scalars import MERGE, SCALARS, scalar_value
from agent_core.api.errors import ConfigProblem

_MAP, _SEQ = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"


class Values:
    """Builds the values of one file. ``problems`` are those that do not keep the rest from being read."""

    def __init__(self, file: str) -> None:
        self.problems: list[ConfigProblem] = []
        self.merged: dict[int, dict[str, Pair]] = {}
        """By the identity of each mapping node met: its pairs, with those behind ``<<``."""
        self._file = file
        self._open: set[int] = set()
        """The identities of the lists and mappings that are being built or merged."""
        self._count = 0

    def build(self, node: yaml.Node, path: PathKey = ()) -> object:
        """Raises Refused when the aliases multiply or nest too much."""
        self._step(node, path)
        if id(node) in self._open:
            self._problem(node, path, "an alias cannot contain itself")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        self._check_tag(node, path)
        pairs = self._pairs(node, path) if isinstance(node, yaml.MappingNode) else {}
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.SequenceNode):
                return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
            return {key: self.build(pair.value, (*path, key)) for key, pair in pairs.items()}
        finally:
            self._open.discard(id(node))

    def _pairs(self, node: yaml.MappingNode, path: PathKey) -> dict[str, Pair]:
        """Each mapping is worked out once, however often it is merged: ``<<`` inside ``<<`` would double each time."""
        known = self.merged.get(id(node))
        if known is not None:
            return known
        found: dict[str, Pair] = {}
        behind: list[yaml.Node] = []
        for key_node, value_node in node.value:
            self._step(key_node, path)
            if key_node.tag == MERGE:
                behind += value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                message = "a key must be a word, not a list or a mapping"
                self._problem(key_node, path, message, "put a value with { in quotes")
                continue
            key = key_node.value
            if key in found:
                first = f"first at line {position_of(found[key].key).line}"
                self._problem(key_node, (*path, key), f"key {key!r} appears twice", first)
                continue
            found[key] = Pair(key_node, value_node)
        self._open.add(id(node))
        try:
            for source in behind:
                self._step(source, path)
                if not isinstance(source, yaml.MappingNode) or id(source) in self._open:
                    self._problem(source, path, "<< must name a mapping")
                    continue
                for key, pair in self._pairs(source, path).items():
                    self._step(source, path)
                    found.setdefault(key, pair)
        finally:
            self._open.discard(id(node))
        self.merged[id(node)] = found
        return found

    def _step(self, node: yaml.Node, path: PathKey) -> None:
        self._count += 1
        if self._count > nodes.MAX_VALUES:
            message = f"the aliases of this file expand to more than {nodes.MAX_VALUES} values"
        elif len(self._open) > nodes.MAX_DEPTH:
            message = f"the aliases of this file make more than {nodes.MAX_DEPTH} nested lists and mappings"
        else:
            return
        line, column = position_of(node)
        raise Refused(ConfigProblem(message, path, None, self._file, line, column))

    def _scalar(self, node: yaml.ScalarNode, path: PathKey) -> object:
        if node.tag == MERGE:
            return str(node.value)
        if node.tag not in SCALARS:
            self._problem(node, path, "a tag (!...) is not allowed here", "put a text that begins with ! in quotes")
            return None
        try:
            return scalar_value(node.tag, node.value)
        except ValueError as error:
            self._problem(node, path, str(error), "put it in quotes if it is a text")
            return None

    def _check_tag(self, node: yaml.Node, path: PathKey) -> None:
        if node.tag != (_SEQ if isinstance(node, yaml.SequenceNode) else _MAP):
            self._problem(node, path, "a tag (!...) is not allowed here", "put a text that begins with ! in quotes")

    def _problem(self, node: yaml.Node, path: PathKey, message: str, hint: str | None = None) -> None:
        line, column = position_of(node)
        if len(self.problems) >= nodes.MAX_PROBLEMS:
            message = f"more than {nodes.MAX_PROBLEMS} problems; the rest of the file is not read"
            raise Refused(ConfigProblem(message, (), None, self._file, line, column))
        self.problems.append(ConfigProblem(message, path, hint, self._file, line, column))
