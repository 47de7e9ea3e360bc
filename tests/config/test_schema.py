"""The merged schema: one document that validates and that editors read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import cast

import pytest
from config.conftest import VALID, Yaml
from config.installed import MODBUS, POLLING, Installed
from jsonschema import Draft202012Validator

from agent_core.config import merged_schema
from agent_core.config.schema.applicable import SchemaWalk
from agent_core.config.schema.merged import core_schema


@pytest.fixture
def merged() -> dict[str, object]:
    return merged_schema(Installed().factories)


def nodes(schema: object) -> Iterator[Mapping[str, object]]:
    if isinstance(schema, Mapping):
        yield schema
        for value in schema.values():
            yield from nodes(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from nodes(value)


def test_it_is_a_json_schema_and_every_reference_in_it_leads_somewhere(merged: dict[str, object]) -> None:
    Draft202012Validator.check_schema(merged)
    walk = SchemaWalk(merged)
    references = [node["$ref"] for node in nodes(merged) if isinstance(node.get("$ref"), str)]
    assert len(references) > 10
    for reference in references:
        assert isinstance(walk.follow(cast(str, reference)), Mapping)


def test_nothing_in_it_depends_on_where_a_plugin_published_its_schema(merged: dict[str, object]) -> None:
    assert not [node for node in nodes(merged) if "$id" in node]
    assert [node for node in nodes(merged) if "$schema" in node] == [merged]


def test_merging_changes_no_plugins_own_schema() -> None:
    before = json.dumps([POLLING, MODBUS])
    merged_schema(Installed().factories)
    assert json.dumps([POLLING, MODBUS]) == before


def test_every_key_of_the_core_has_a_description() -> None:
    for node in nodes(core_schema()):
        properties = node.get("properties")
        if isinstance(properties, Mapping):
            for key, value in properties.items():
                described = "description" in value or value.get("$ref") == "#/$defs/id"
                assert described, key


def test_editors_are_offered_the_types_with_their_summaries(merged: dict[str, object]) -> None:
    sink_type = SchemaWalk(merged).follow("#/$defs/sink/properties/type")
    assert isinstance(sink_type, Mapping)
    assert sink_type["enum"] == ["csv_sink", "database_sink"]
    assert sink_type["enumDescriptions"] == ["writes files", "writes rows"]


def test_without_plugins_the_core_schema_remains() -> None:
    assert merged_schema([]) == core_schema()


def test_the_printed_schema_alone_accepts_and_refuses_what_the_agent_does(merged: dict[str, object]) -> None:
    """Another tool's validator, with nothing but the document: no driver keys leak, none are missing."""
    validator = Draft202012Validator(merged)
    device: dict[str, object] = {"id": "A", "driver": "modbus_driver", "address": "h:502"}
    document = {
        "sources": [{"id": "s", "type": "polling_source", "config": {"devices": [device]}}],
        "sinks": [{"id": "k", "type": "csv_sink"}],
    }
    assert list(validator.iter_errors(document)) == []
    for key, value in (("adress", "x"), ("seed", 1), ("unit_id", 999), ("timeout", 5)):
        device[key] = value
        assert list(validator.iter_errors(document)), key
        del device[key]
    device["driver"] = "simulator_driver"
    assert list(validator.iter_errors(document)), "address is no key of the simulator"
    del device["address"]
    assert list(validator.iter_errors(document)) == []


def test_a_host_may_close_its_mapping_or_leave_it_open(yaml: Yaml) -> None:
    """Both ways of writing a plugin reference end in the same check."""
    closed = json.loads(json.dumps(POLLING))
    closed["properties"]["devices"]["items"]["additionalProperties"] = False
    text = VALID.replace('"127.0.0.1:5020"', '"h:1", adress: 2')
    wanted = ["agent.yaml:6:62: sources[0].config.devices[0].adress: unknown key 'adress' "]
    for schema in (POLLING, closed):
        found = yaml.problems(text, Installed.with_source(schema))
        assert [problem[: len(wanted[0])] for problem in found] == wanted


def test_a_reference_with_a_default_applies_when_the_key_is_missing(yaml: Yaml) -> None:
    schema = json.loads(json.dumps(POLLING))
    item = schema["properties"]["devices"]["items"]
    item["properties"]["driver"]["default"] = "modbus_driver"
    item["required"] = ["id"]
    installed = Installed.with_source(schema)
    text = VALID.replace("driver: modbus_driver, ", "")
    devices = cast("tuple[Mapping[str, object], ...]", yaml.load(text, installed).sources[0].config["devices"])
    assert dict(devices[0]) == {
        "id": "PLC01",
        "driver": "modbus_driver",
        "address": "127.0.0.1:5020",
        "timeout": 2.0,
        "unit_id": 1,
    }
    assert "modbus_driver" in installed.loaded
