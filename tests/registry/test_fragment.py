"""A plugin's schema, before it is merged with the others."""

from __future__ import annotations

import pytest

from agent_core.registry.fragment import fragment_problem


def schema(**properties: object) -> dict[str, object]:
    return {"type": "object", "properties": properties, "$defs": {"name": {"type": "string"}, "any": True}}


@pytest.mark.parametrize(
    "good",
    [
        {"type": "object"},
        schema(a={"$ref": "#/$defs/name"}, b={"$ref": "#"}, c={"$ref": "#/$defs/any"}),
        schema(a={"type": "string", "format": "duration", "default": "1s"}),
        schema(a={"type": "string", "format": "hostname"}),
        schema(driver={"type": "string", "x-plugin-ref": "driver"}),
        schema(a={"type": ["string", "null"], "default": None}),
        schema(a={"type": "string", "default": None}),
        schema(format={"type": "string"}, default={"type": "string"}),
        schema(a={"enum": [{"format": "nonsense"}], "default": {"format": "nonsense"}}),
    ],
)
def test_a_good_schema_has_no_problem(good: dict[str, object]) -> None:
    assert fragment_problem(good) is None


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ({"type": "objekt"}, "is not a JSON Schema, at type: "),
        ({"type": "array"}, 'must describe a mapping ("type": "object")'),
        (schema(a={"minimum": "1"}), "is not a JSON Schema, at properties/a/minimum: "),
        (schema(a={"$ref": "#/$defs/nam"}), "has a $ref that leads nowhere: #/$defs/nam"),
        (schema(a={"$ref": "https://example.invalid/x"}), "has a $ref that leads nowhere: https://example.invalid/x"),
        (schema(a={"items": [1]}), "is not a JSON Schema, at properties/a/items"),
        (schema(a={"oneOf": [{"$ref": "#/nowhere"}]}), "has a $ref that leads nowhere: #/nowhere"),
        (schema(a={"$dynamicRef": "#x"}), "uses $dynamicRef; use $ref and $defs"),
        (schema(a={"type": "string", "format": "secrt"}), "has an unknown format 'secrt'; did you mean secret?"),
        (schema(a={"x-plugin-ref": "drivers"}), "has x-plugin-ref 'drivers', which is not one of source, driver"),
        (schema(a={"type": "integer", "default": "5"}), "has a default that it does not allow: "),
    ],
)
def test_what_would_go_wrong_later_is_refused_when_the_plugin_is_loaded(bad: dict[str, object], problem: str) -> None:
    found = fragment_problem(bad)
    assert found is not None
    assert found.startswith(problem)
