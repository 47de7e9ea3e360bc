"""The configuration: schema.json, SimulatorDriverConfig and the factory say the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import jsonschema
from simulator_driver.config import SimulatorDriverConfig
from simulator_driver.driver import SimulatorDriver
from simulator_driver.plugin import agent_register_driver

from agent_core.api import ComponentContext

FACTORY = agent_register_driver()


def properties() -> Mapping[str, Mapping[str, object]]:
    found = FACTORY.schema["properties"]
    assert isinstance(found, Mapping)
    return found


def test_the_dataclass_has_the_fields_of_the_schema() -> None:
    assert [field.name for field in dataclasses.fields(SimulatorDriverConfig)] == list(properties())


def test_every_key_is_optional_and_explained() -> None:
    for key, schema in properties().items():
        assert "default" in schema, key
        assert schema["description"], key


def test_the_schema_is_a_valid_schema_and_refuses_what_makes_no_sense() -> None:
    validator = jsonschema.Draft202012Validator(FACTORY.schema)
    validator.check_schema(FACTORY.schema)
    assert validator.is_valid({})
    assert validator.is_valid({"address": "10.0.0.1:502", "timeout": "1s", "seed": 7, "latency": "20ms"})
    for wrong in ({"seed": "seven"}, {"seed": 1.5}, {"unit_id": 1}):
        assert not validator.is_valid(wrong), wrong


def test_the_factory_makes_a_driver() -> None:
    context = ComponentContext("line1", "line-1", Path(), "simulator_driver")
    driver = FACTORY.create({"address": "", "timeout": 2.0, "seed": 1, "latency": 0.0}, context)
    assert FACTORY.type == "simulator_driver"
    assert isinstance(driver, SimulatorDriver)
