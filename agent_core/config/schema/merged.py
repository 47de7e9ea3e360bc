"""The one JSON Schema of ``agent.yaml``: the core's own part merged with the fragment of every plugin.

The same document validates the file and is what ``tagferry schema`` prints, so an editor and the agent always agree.
Each plugin's fragment lies under ``$defs`` as ``<kind>.<type>``; ``if``/``then`` on ``type`` leads there. A key marked
``x-plugin-ref`` in a fragment (a device's ``driver``) gets the same treatment: the keys next to it are those of the
host and of the plugin that it names.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Final, cast

from agent_core.api import Factory

Node = dict[str, object]

COMPONENT_KINDS: Final = {
    "source": "source",
    "transform": "transform",
    "buffer": "buffer",
    "sink": "sink",
    "fallback": "sink",
    "extension": "extension",
}
"""The definitions of the core schema that have a ``type``, and the kind of plugin that it names."""

PLUGIN_REF: Final = "x-plugin-ref"


def core_schema() -> Node:
    """The core's own part; a fresh copy."""
    return cast(
        Node, json.loads(files("agent_core.config.schema").joinpath("core.schema.json").read_text(encoding="utf-8"))
    )


def merged_schema(factories: Iterable[Factory[object]]) -> Node:
    """The core's part and a fragment for each factory."""
    by_kind: dict[str, dict[str, Factory[object]]] = {}
    for factory in sorted(factories, key=lambda factory: (factory.kind, factory.type)):
        by_kind.setdefault(factory.kind, {})[factory.type] = factory
    schema = core_schema()
    definitions = cast(Node, schema["$defs"])
    for kind, known in by_kind.items():
        for type_, factory in known.items():
            name = definition_name(kind, type_)
            definitions[name] = _fragment(factory, f"#/$defs/{name}")
    for name in [definition_name(kind, type_) for kind, known in by_kind.items() for type_ in known]:
        _merge_references(definitions[name], by_kind)
    for type_ in by_kind.get("driver", {}):
        _open_up(cast(Node, definitions[definition_name("driver", type_)]))
    for definition, kind in COMPONENT_KINDS.items():
        _select_by_type(cast(Node, definitions[definition]), kind, by_kind.get(kind, {}))
    return schema


def definition_name(kind: str, type_: str) -> str:
    """Where the fragment lies under ``$defs``."""
    return f"{kind}.{type_}"


def _fragment(factory: Factory[object], root: str) -> Node:
    """The plugin's schema, movable: its references start at ``root``."""
    fragment = copy.deepcopy(dict(factory.schema))
    fragment.pop("$schema", None)
    _relocate(fragment, root)
    fragment.setdefault("title", factory.type)
    fragment.setdefault("description", factory.summary)
    return fragment


def _relocate(node: object, root: str) -> None:
    if isinstance(node, dict):
        node.pop("$id", None)
        reference = node.get("$ref")
        if isinstance(reference, str) and reference.startswith("#"):
            node["$ref"] = root + reference[1:]
        for key, value in node.items():
            if key not in ("const", "enum", "default", "examples"):
                _relocate(value, root)
    elif isinstance(node, list):
        for value in node:
            _relocate(value, root)


def _select_by_type(definition: Node, kind: str, factories: Mapping[str, Factory[object]]) -> None:
    properties = cast(Node, definition["properties"])
    name = cast(Node, properties["type"])
    if factories:
        name["enum"] = list(factories)
        name["enumDescriptions"] = [factory.summary for factory in factories.values()]
    branches = []
    for type_, factory in factories.items():
        config: Node = {"$ref": f"#/$defs/{definition_name(kind, type_)}"}
        then: Node = {"properties": {"config": config}}
        required = factory.schema.get("required")
        if isinstance(required, list) and required:
            config["description"] = f"{type_} needs {', '.join(map(str, required))}."
            then["required"] = ["config"]
        branches.append({"if": {"properties": {"type": {"const": type_}}, "required": ["type"]}, "then": then})
    if branches:
        definition["allOf"] = branches


def _merge_references(node: object, by_kind: Mapping[str, Mapping[str, Factory[object]]]) -> None:
    if isinstance(node, list):
        for value in node:
            _merge_references(value, by_kind)
        return
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key not in ("const", "enum", "default", "examples"):
            _merge_references(value, by_kind)
    properties = node.get("properties")
    if not isinstance(properties, dict):
        return
    for key, value in list(properties.items()):
        if isinstance(value, dict) and isinstance(value.get(PLUGIN_REF), str):
            _merge_reference(node, key, value, by_kind.get(value[PLUGIN_REF], {}))


def _merge_reference(host: Node, key: str, reference: Node, factories: Mapping[str, Factory[object]]) -> None:
    """Let ``host`` accept the keys of the plugin that ``key`` names, in addition to its own."""
    if not factories:
        return
    reference["enum"] = list(factories)
    reference["enumDescriptions"] = [factory.summary for factory in factories.values()]
    # The host cannot name the keys of plugins it does not know, so it may say either.
    host_closed = host.get("additionalProperties") is False
    if host_closed:
        del host["additionalProperties"]
    own = cast(Node, host["properties"])
    branches = cast("list[object]", host.setdefault("allOf", []))
    for type_, factory in factories.items():
        condition: Node = {"properties": {key: {"const": type_}}}
        if reference.get("default") != type_:
            condition["required"] = [key]
        then: Node = {"$ref": f"#/$defs/{definition_name(factory.kind, type_)}"}
        if host_closed or factory.schema.get("additionalProperties") is False:
            theirs = cast(Mapping[str, object], factory.schema.get("properties", {}))
            then["properties"] = dict.fromkeys([*own, *theirs], True)
            then["additionalProperties"] = False
        branches.append({"if": condition, "then": then})


def _open_up(fragment: Node) -> None:
    """A driver's keys stand among its host's, so the fragment itself allows others; the host's branch forbids them."""
    if fragment.get("additionalProperties") is False:
        del fragment["additionalProperties"]
