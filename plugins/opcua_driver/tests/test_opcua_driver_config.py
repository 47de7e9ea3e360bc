"""The schema, the typed configuration and the factory agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import cast

import pytest
from jsonschema import Draft202012Validator
from opcua_driver.config import OpcuaDriverConfig
from opcua_driver.plugin import agent_register_driver

from agent_core.api import BitWriter, ComponentContext, ItemDriver, load_schema


def test_the_typed_configuration_has_the_keys_of_the_schema() -> None:
    properties = cast("dict[str, dict[str, object]]", load_schema("opcua_driver")["properties"])
    assert [field.name for field in fields(OpcuaDriverConfig)] == list(properties)
    assert all(description.get("description") for description in properties.values())


def test_the_factory_makes_an_item_driver_without_touching_the_network(
    tmp_path: Path, config: Mapping[str, object]
) -> None:
    context = ComponentContext("PLC01", "agent", tmp_path, "opcua_driver")
    driver = agent_register_driver().create(config, context)
    assert isinstance(driver, ItemDriver)
    assert isinstance(driver, BitWriter)
    assert driver.max_items == 1000


@pytest.mark.parametrize(
    ("config", "valid"),
    [
        ({"address": "opc.tcp://plc:4840"}, True),
        ({"address": "opc.tcp://plc:4840/path/to"}, True),
        ({"address": "opc.tcp://[fe80::1]:4840"}, True),
        ({"address": "opc.tcp://plc"}, False),
        ({"address": "http://plc:4840"}, False),
        ({"address": "opc.tcp://user:secret@plc:4840"}, False),
        ({"address": "opc.tcp://plc:4840", "security_policy": "none"}, True),
        ({"address": "opc.tcp://plc:4840", "security_policy": "Basic256Sha256"}, False),
        (
            {
                "address": "opc.tcp://plc:4840",
                "security_policy": "Basic256Sha256",
                "certificate": "own.pem",
                "private_key": "own.key",
                "server_certificate": "plc.der",
            },
            True,
        ),
    ],
)
def test_the_schema_knows_what_belongs_together(config: Mapping[str, object], valid: bool) -> None:
    assert Draft202012Validator(dict(load_schema("opcua_driver"))).is_valid(config) is valid
