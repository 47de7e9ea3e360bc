"""SchemaWalk: which parts of a schema speak about a given value.

To fill in defaults, convert formats and find the plugins that a config names, one has to know which subschemas apply
to a value: through ``$ref``, ``allOf``, ``if``/``then``/``else`` and the matching branches of ``anyOf``
and ``oneOf``. JSON Schema validators do not say.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import unquote

from jsonschema import Draft202012Validator

Subschema = Mapping[str, object]


class SchemaWalk:
    """Looks at one schema document; ``$ref`` is followed inside the document only."""

    def __init__(self, schema: Subschema) -> None:
        self.root = schema
        self._validator = Draft202012Validator(dict(schema))

    def of(self, schema: object, value: object) -> list[Subschema]:
        """``schema`` and everything inside it that applies to ``value`` itself (not to its children)."""
        found: list[Subschema] = []
        self._collect(schema, value, found)
        return found

    def again(self, subschemas: list[Subschema], value: object) -> list[Subschema]:
        """As ``of``, for a value that has changed since ``subschemas`` were found."""
        found: list[Subschema] = []
        for subschema in subschemas:
            self._collect(subschema, value, found)
        return found

    def property(self, subschemas: list[Subschema], key: str, value: object) -> list[Subschema]:
        """What applies to ``value`` under ``key`` of a mapping to which ``subschemas`` apply."""
        found: list[Subschema] = []
        for subschema in subschemas:
            properties = subschema.get("properties")
            if isinstance(properties, Mapping) and key in properties:
                self._collect(properties[key], value, found)
            else:
                self._collect(subschema.get("additionalProperties"), value, found)
        return found

    def item(self, subschemas: list[Subschema], index: int, value: object) -> list[Subschema]:
        """What applies to ``value`` at ``index`` of a list to which ``subschemas`` apply."""
        found: list[Subschema] = []
        for subschema in subschemas:
            prefix = subschema.get("prefixItems")
            if isinstance(prefix, list) and index < len(prefix):
                self._collect(prefix[index], value, found)
            else:
                self._collect(subschema.get("items"), value, found)
        return found

    def defaults(self, subschemas: list[Subschema], value: Mapping[str, object]) -> Iterator[tuple[str, object]]:
        """The keys that ``value`` lacks and that have a default."""
        for subschema in subschemas:
            properties = subschema.get("properties")
            if isinstance(properties, Mapping):
                for key, inner in properties.items():
                    if key not in value and isinstance(inner, Mapping):
                        for candidate in self.of(inner, None):
                            if "default" in candidate:
                                yield key, candidate["default"]
                                break

    def follow(self, reference: str) -> object:
        """What ``#/...`` points to. Raises KeyError when it points nowhere."""
        node: object = self.root
        for part in reference.removeprefix("#").strip("/").split("/"):
            if not part:
                continue
            name = unquote(part).replace("~1", "/").replace("~0", "~")
            node = node[int(name)] if isinstance(node, list) else cast(Subschema, node)[name]
        return node

    def _collect(self, schema: object, value: object, found: list[Subschema]) -> None:
        if not isinstance(schema, Mapping) or any(schema is known for known in found):
            return
        found.append(schema)
        reference = schema.get("$ref")
        if isinstance(reference, str):
            self._collect(self.follow(reference), value, found)
        for inner in _list(schema.get("allOf")):
            self._collect(inner, value, found)
        if "if" in schema:
            self._collect(schema.get("then" if self._fits(schema["if"], value) else "else"), value, found)
        for keyword in ("anyOf", "oneOf"):
            for inner in _list(schema.get(keyword)):
                if self._fits(inner, value):
                    self._collect(inner, value, found)

    def _fits(self, schema: object, value: object) -> bool:
        return bool(self._validator.evolve(schema=schema).is_valid(value))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []
