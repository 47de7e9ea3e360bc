"""The rules for a plugin's schema, so that it can be merged into one document and means what its author intended.

JSON Schema ignores a format that it does not know, so a misspelt ``secret`` would print a password; and a reference to
another document would be fetched from the network while a configuration is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from agent_core.api import did_you_mean
from agent_core.registry.catalog import KINDS

CONVERTED_FORMATS: Final = ("duration", "bytes", "path", "secret")
ANNOTATION_FORMATS: Final = (
    "date",
    "date-time",
    "email",
    "hostname",
    "idn-email",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
)
"""The other formats of JSON Schema 2020-12 (validation, section 7.3); editors know them, the agent does not check."""

_DATA_KEYWORDS: Final = ("const", "default", "enum", "examples")


def fragment_problem(schema: Mapping[str, object]) -> str | None:
    """What is wrong with the schema of a component's ``config:``, in one sentence; None when it is valid."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        at = "/".join(str(part) for part in error.absolute_path) or "its top"
        return f"is not a JSON Schema, at {at}: {error.message}"
    if schema.get("type") != "object":
        return 'must describe a mapping ("type": "object")'
    return next((problem for node in _nodes(schema) for problem in _of_node(node, schema)), None)


def _of_node(node: Mapping[str, object], root: Mapping[str, object]) -> Iterator[str]:
    reference = node.get("$ref")
    if isinstance(reference, str) and not _leads_somewhere(reference, root):
        yield f"has a $ref that leads nowhere: {reference} (it must begin with #/ and stay inside the schema)"
    for keyword in ("$dynamicRef", "$anchor"):
        if keyword in node:
            yield f"uses {keyword}; use $ref and $defs"
    name = node.get("format")
    if isinstance(name, str) and name not in CONVERTED_FORMATS and name not in ANNOTATION_FORMATS:
        hint = did_you_mean(name, (*CONVERTED_FORMATS, *ANNOTATION_FORMATS))
        yield f"has an unknown format {name!r}" + (f"; {hint}" if hint else "")
    kind = node.get("x-plugin-ref")
    if kind is not None and kind not in KINDS:
        yield f"has x-plugin-ref {kind!r}, which is not one of {', '.join(KINDS)}"
    if "default" in node and node["default"] is not None and "$ref" not in node:
        error = next(Draft202012Validator(dict(node)).iter_errors(cast("dict[str, object]", node["default"])), None)
        if error is not None:
            yield f"has a default that it does not allow: {error.message}"


def _nodes(schema: object) -> Iterator[Mapping[str, object]]:
    if isinstance(schema, Mapping):
        yield schema
        for key, value in schema.items():
            if key in ("properties", "patternProperties", "$defs", "dependentSchemas") and isinstance(value, Mapping):
                for inner in value.values():
                    yield from _nodes(inner)
            elif key not in _DATA_KEYWORDS:
                yield from _nodes(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _nodes(value)


def _leads_somewhere(reference: str, root: Mapping[str, object]) -> bool:
    if reference != "#" and not reference.startswith("#/"):
        return False
    node: object = root
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(node, Mapping) or name not in node:
            return False
        node = node[name]
    return isinstance(node, (Mapping, bool))
