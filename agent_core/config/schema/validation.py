"""Schema errors in the user's language: what is wrong, where, and the nearest known name.

No message contains the text of a value that came from ``${}`` or belongs to a secret: the first prints as its
template, the second as ``***``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from jsonschema import Draft202012Validator, FormatChecker, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from agent_core.api import ConfigProblem, did_you_mean
from agent_core.api.document import Document, PathKey
from agent_core.api.secret import MASK
from agent_core.config.document.interpolation import without_defaults
from agent_core.config.schema.formats import BYTES, DURATION, PATH, SECRET, parse_bytes, parse_duration

_GLUED: Final = re.compile(r"([\w.-]*[:=]).")
_MAX_SHOWN = 60
_MAX_KNOWN = 12
_MAX_UNKNOWN = 100
MAX_PROBLEMS: Final = 1000
"""More are not of use to anybody."""

_TYPE_NAMES: Final = {
    "object": "a mapping (key: value)",
    "array": "a list",
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "null": "nothing",
}
_FORMAT_NAMES: Final = {
    DURATION: "a duration such as 500ms, 1s or 5m",
    BYTES: "a size such as 1024B, 10MB or 64MiB",
    PATH: "a path",
    SECRET: "text, preferably ${NAME}",
}
_PARSERS: Final[Mapping[str, Callable[[str], float]]] = {DURATION: parse_duration, BYTES: parse_bytes}


def _bound(fits: Callable[[float, float], bool]) -> Callable[..., Iterator[ValidationError]]:
    def check(_: Validator, bound: str, instance: object, schema: Mapping[str, object]) -> Iterator[ValidationError]:
        parse = _PARSERS.get(str(schema.get("format")))
        if parse is None or not isinstance(instance, str):
            return
        try:
            value = parse(instance)
        except ValueError:
            return  # the format itself complains
        if not fits(value, parse(bound)):
            yield ValidationError("out of bounds")

    return check


def _unique(_: Validator, wanted: bool, instance: object, __: Mapping[str, object]) -> Iterator[ValidationError]:
    """As ``uniqueItems``, but not in quadratic time where entries cannot be sorted."""
    if (
        wanted
        and isinstance(instance, list)
        and len({json.dumps(item, sort_keys=True) for item in instance}) < len(instance)
    ):
        yield ValidationError("contains an entry twice")


_FORMATS = FormatChecker(formats=())


@_FORMATS.checks(DURATION, raises=ValueError)
def _is_duration(value: object) -> bool:
    return not isinstance(value, str) or parse_duration(value) >= 0


@_FORMATS.checks(BYTES, raises=ValueError)
def _is_bytes(value: object) -> bool:
    return not isinstance(value, str) or parse_bytes(value) >= 0


@_FORMATS.checks(PATH)
def _is_path(value: object) -> bool:
    return not isinstance(value, str) or ("\0" not in value and bool(value.strip()))


_Validator: type[Validator] = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        "formatMinimum": _bound(lambda value, bound: value >= bound),
        "formatMaximum": _bound(lambda v, bound: v <= bound),
        "uniqueItems": _unique,
    },
)


class Validation:
    """Checks one document. ``templates`` holds, by path, the text as written of each value that came from ``${}``."""

    def __init__(self, document: Document, templates: Mapping[PathKey, str]) -> None:
        self._document = document
        self._templates = templates

    def problems(self, schema: Mapping[str, object], root: object) -> list[ConfigProblem]:
        """Everything in ``root`` that ``schema`` does not allow, each once, but no more than ``MAX_PROBLEMS``."""
        validator = _Validator(dict(schema), format_checker=_FORMATS)
        found: dict[ConfigProblem, None] = {}
        for error in validator.iter_errors(cast(Any, root)):
            for problem in self._translate(error):
                found.setdefault(problem)
            if len(found) >= MAX_PROBLEMS:
                more = f"more than {MAX_PROBLEMS} problems; the others are not shown"
                return [*found, self._document.problem(more, tuple(error.absolute_path))]
        return list(found)

    def _translate(self, error: ValidationError) -> Iterator[ConfigProblem]:
        path: PathKey = tuple(error.absolute_path)
        keyword = str(error.validator)
        if keyword in ("additionalProperties", "unevaluatedProperties", "propertyNames"):
            yield from self._unknown_keys(error, path)
        elif keyword in ("required", "dependentRequired"):
            yield from self._missing_keys(error, path)
        elif keyword in ("anyOf", "oneOf"):
            yield from self._alternatives(error, path)
        else:
            message, hint = self._explain(error, keyword, path)
            yield self._document.problem(message, path, hint)

    def _unknown_keys(self, error: ValidationError, path: PathKey) -> Iterator[ConfigProblem]:
        schema, instance = cast(Mapping[str, object], error.schema), error.instance
        if not isinstance(instance, dict):
            yield self._document.problem("a key here has a name that is not allowed", path)
            return
        properties = schema.get("properties")
        known = list(properties) if isinstance(properties, Mapping) else []
        unknown = [key for key in instance if key not in known]
        if len(unknown) > _MAX_UNKNOWN:
            message = f"{len(unknown)} unknown keys; the first {_MAX_UNKNOWN} are named"
            yield self._document.problem(message, (*path, unknown[_MAX_UNKNOWN]), at_key=True)
        for key in unknown[:_MAX_UNKNOWN]:
            unused = [name for name in known if name not in instance]
            shown, hint = key, _nearest(key, unused, known)
            glued = _GLUED.match(key)
            if glued is not None:  # {password:tiger} is one word
                shown, hint = f"{glued[1]}{MASK}", "write a space after the colon"
            problem = self._document.problem(f"unknown key {shown!r}", (*path, key), hint, at_key=True)
            yield replace(problem, path=(*path, shown))

    def _missing_keys(self, error: ValidationError, path: PathKey) -> Iterator[ConfigProblem]:
        instance = cast(Mapping[str, object], error.instance)
        wanted = cast("list[str] | Mapping[str, list[str]]", error.validator_value)
        if isinstance(wanted, Mapping):
            wanted = [name for key, names in wanted.items() if key in instance for name in names]
        schema = cast(Mapping[str, object], error.schema)
        properties = schema.get("properties")
        for key in wanted:
            if key not in instance:
                about = properties.get(key) if isinstance(properties, Mapping) else None
                yield self._document.problem(f"missing key {key!r}", path, _first_sentence(about), at_key=True)

    def _alternatives(self, error: ValidationError, path: PathKey) -> Iterator[ConfigProblem]:
        branches: dict[object, list[ValidationError]] = {}
        for inner in error.context or ():
            branches.setdefault(inner.schema_path[0], []).append(inner)
        if not branches:
            yield self._document.problem("matches more than one of the alternatives", path)
            return
        # A branch with another type or constant is not what the user meant.
        meant = [inner for inner in branches.values() if not any(_is_about_kind(one, depth=len(path)) for one in inner)]
        if meant:
            for inner in min(meant, key=len):
                yield from self._translate(inner)
            return
        wanted = list(dict.fromkeys(_expected(branch) for branch in cast("list[object]", error.validator_value)))
        shown = self._show(error.instance, path, cast(Mapping[str, object], error.schema))
        yield self._document.problem(f"expected {' or '.join(wanted)}, got {shown}", path)

    def _explain(self, error: ValidationError, keyword: str, path: PathKey) -> tuple[str, str | None]:
        """Message and hint for the keywords that concern one value."""
        schema = cast(Mapping[str, object], error.schema) if isinstance(error.schema, Mapping) else {}
        shown, limit = self._show(error.instance, path, schema), cast(object, error.validator_value)
        match keyword:
            case "type":
                return f"expected {_expected(schema)}, got {shown}", _type_hint(schema, error.instance)
            case "enum":
                known = [
                    value if isinstance(value, str) else json.dumps(value) for value in cast("list[object]", limit)
                ]
                message = f"expected one of {', '.join(known)}, got {shown}"
                return message, did_you_mean(str(error.instance), known)
            case "const":
                return f"expected {json.dumps(limit)}, got {shown}", None
            case "format":
                cause = str(error.cause) if error.cause is not None else f"expected {_expected(schema)}"
                return f"{cause}, got {shown}", None
            case "minimum" | "formatMinimum":
                return f"must be at least {limit}, got {shown}", None
            case "maximum" | "formatMaximum":
                return f"must be at most {limit}, got {shown}", None
            case "exclusiveMinimum":
                return f"must be more than {limit}, got {shown}", None
            case "exclusiveMaximum":
                return f"must be less than {limit}, got {shown}", None
            case "multipleOf":
                return f"must be a multiple of {limit}, got {shown}", None
            case "minLength":
                return ("must not be empty" if limit == 1 else f"must have at least {limit} characters"), None
            case "maxLength":
                return f"must have at most {limit} characters", None
            case "pattern":
                return f"{shown} is not allowed here", f"it must match {limit}"
            case "minItems" | "minProperties":
                return ("must not be empty" if limit == 1 else f"needs at least {limit} entries"), None
            case "maxItems" | "maxProperties":
                return f"takes at most {limit} entries", None
            case "uniqueItems":
                return "contains an entry twice", None
            case "not":
                return f"{shown} is not allowed here", _first_sentence(schema)
            case _:
                return "is not allowed here", _first_sentence(schema)

    def _show(self, value: object, path: PathKey, schema: Mapping[str, object]) -> str:
        """A value as it may be printed."""
        if path in self._templates:
            return without_defaults(self._templates[path])
        if _may_be_secret(schema):
            return MASK
        if isinstance(value, dict):
            return "a mapping"
        if isinstance(value, list):
            return "a list"
        if value is None:
            return "nothing"
        text = json.dumps(value, ensure_ascii=False)
        return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}..."


def _may_be_secret(schema: Mapping[str, object]) -> bool:
    branches = [branch for key in ("anyOf", "oneOf", "allOf") for branch in cast("list[object]", schema.get(key, ()))]
    return schema.get("format") == SECRET or any(
        _may_be_secret(branch) for branch in branches if isinstance(branch, Mapping)
    )


def _is_about_kind(error: ValidationError, depth: int) -> bool:
    """True when the value itself has the wrong type, or a key of it names another alternative."""
    if error.validator == "type":
        return len(error.absolute_path) == depth
    return error.validator in ("const", "enum") and len(error.absolute_path) <= depth + 1


def _expected(schema: object) -> str:
    if not isinstance(schema, Mapping):
        return "something else"
    format_name = _FORMAT_NAMES.get(str(schema.get("format")))
    if format_name is not None:
        return format_name
    if "const" in schema:
        return json.dumps(schema["const"])
    if isinstance(schema.get("enum"), list):
        return "one of " + ", ".join(str(value) for value in cast("list[object]", schema["enum"]))
    types = schema.get("type")
    names = [types] if isinstance(types, str) else types if isinstance(types, list) else []
    return " or ".join(_TYPE_NAMES.get(str(name), str(name)) for name in names) or "something else"


def _type_hint(schema: Mapping[str, object], instance: object) -> str | None:
    if isinstance(instance, bool):
        return "put it in quotes" if schema.get("type") == "string" and "format" not in schema else None
    number = isinstance(instance, (int, float))
    if schema.get("format") == DURATION and number:
        return f"write {instance}s for seconds"
    if schema.get("format") == BYTES and number:
        return f"write {instance}B for bytes"
    if schema.get("type") == "string" and number:
        return "put it in quotes"
    if schema.get("type") == "array" and isinstance(instance, (str, int, float)):
        return "write [...], or one entry per line after -"
    if schema.get("type") == "boolean" and isinstance(instance, str):
        meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(instance.lower())
        return f"write {meant}" if meant else None
    if schema.get("type") in ("integer", "number") and isinstance(instance, str):
        return "write it without quotes" if instance.strip().lstrip("-").isdigit() else None
    return None


def _nearest(key: str, unused: list[str], known: list[str]) -> str | None:
    hint = did_you_mean(key, unused)
    if hint is None and 0 < len(known) <= _MAX_KNOWN:
        return f"known: {', '.join(known)}"
    return hint


def _first_sentence(schema: object) -> str | None:
    description = schema.get("description") if isinstance(schema, Mapping) else None
    if not isinstance(description, str):
        return None
    return description.partition(". ")[0].rstrip(".")
