"""From a validated document to what ``create`` gets: defaults filled in, formats converted, everything frozen."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from agent_core.api import PluginError, Secret
from agent_core.api.document import PathKey, parse_scalar
from agent_core.config.schema.applicable import SchemaWalk, Subschema
from agent_core.config.schema.formats import BYTES, DURATION, PATH, SECRET, parse_bytes, parse_duration

SecretMaker = Callable[[PathKey, str], Secret]


def adapt(walk: SchemaWalk, root: object, interpolated: Mapping[PathKey, str]) -> object:
    """The form of ``root`` that is validated: with two allowances.

    A key without a value (``transforms:`` and nothing after it) is an empty list or mapping where the schema wants one.
    A text that came from ``${}`` becomes the number or boolean that the schema wants, since YAML could not see it.
    """

    def visit(value: object, subschemas: list[Subschema], path: PathKey) -> object:
        if not subschemas:  # nothing is said about it, nor about what is inside
            return value
        if isinstance(value, dict):
            return {
                key: visit(inner, walk.property(subschemas, key, inner), (*path, key)) for key, inner in value.items()
            }
        if isinstance(value, list):
            return [visit(item, walk.item(subschemas, index, item), (*path, index)) for index, item in enumerate(value)]
        types = _types(subschemas)
        if value is None and types in ({"object"}, {"array"}):
            return {} if types == {"object"} else []
        if path in interpolated and isinstance(value, str) and types and "string" not in types:
            return parse_scalar(value)
        return value

    return visit(root, walk.of(walk.root, root), ())


def convert(walk: SchemaWalk, root: object, folder: Path, make_secret: SecretMaker) -> object:
    """The frozen form of a valid ``root``. ``folder`` is where relative paths start.

    Raises PluginError when a plugin's schema has a default that is not what its own format says.
    """

    def visit(value: object, subschemas: list[Subschema], path: PathKey) -> object:
        if isinstance(value, Mapping):
            filled = dict(value)
            for key, default in walk.defaults(subschemas, value):
                filled.setdefault(key, copy.deepcopy(default))
            # A default may decide an `if`.
            subschemas = walk.again(subschemas, filled)
            return MappingProxyType(
                {
                    key: visit(inner, walk.property(subschemas, key, inner), (*path, key))
                    for key, inner in filled.items()
                }
            )
        if isinstance(value, list):
            return tuple(
                visit(item, walk.item(subschemas, index, item), (*path, index)) for index, item in enumerate(value)
            )
        if isinstance(value, str):
            return _format(value, subschemas, path)
        return _number(value, subschemas)

    def _format(value: str, subschemas: list[Subschema], path: PathKey) -> object:
        formats = {subschema.get("format") for subschema in subschemas}
        if SECRET in formats:
            return make_secret(path, value)
        try:
            if DURATION in formats:
                return parse_duration(value)
            if BYTES in formats:
                return parse_bytes(value)
        except ValueError as error:  # the text is a default: what the user wrote has been checked
            dotted = ".".join(map(str, path))
            raise PluginError(f"the default {value!r} of {dotted} in a plugin's schema: {error}") from error
        if PATH in formats:
            return folder / value
        return value

    return visit(root, walk.of(walk.root, root), ())


def _number(value: object, subschemas: list[Subschema]) -> object:
    """JSON Schema's integer is a number without a fraction, so 500.0 passes; Python code wants 500."""
    types = _types(subschemas)
    if isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer() and "integer" in types:
        return int(value)
    if isinstance(value, int) and types == {"number"}:
        return float(value)
    return value


def _types(subschemas: list[Subschema]) -> set[str]:
    """The types that every subschema that names one allows."""
    allowed: set[str] | None = None
    for subschema in subschemas:
        named = subschema.get("type")
        if named is None:
            continue
        names = (
            {named} if isinstance(named, str) else {str(name) for name in named} if isinstance(named, list) else set()
        )
        allowed = names if allowed is None else allowed & names
    return allowed or set()
