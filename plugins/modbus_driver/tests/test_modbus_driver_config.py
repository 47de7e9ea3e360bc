"""The schema, the typed configuration and the factory agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import cast

import pytest
from modbus_driver.config import ModbusDriverConfig
from modbus_driver.plugin import agent_register_driver

from agent_core.api import BlockDriver, ComponentContext, load_schema, settings


def test_the_typed_configuration_has_the_keys_of_the_schema() -> None:
    properties = cast("dict[str, dict[str, object]]", load_schema("modbus_driver")["properties"])
    assert [field.name for field in fields(ModbusDriverConfig)] == list(properties)
    assert all(description.get("description") for description in properties.values())


def test_the_factory_makes_a_block_driver_without_touching_the_network(
    tmp_path: Path, config: Mapping[str, object]
) -> None:
    context = ComponentContext("PLC01", "agent", tmp_path, "modbus_driver")
    driver = agent_register_driver().create(config, context)
    assert isinstance(driver, BlockDriver)
    assert (driver.word_order, driver.byte_order) == ("big", "big")


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("10.0.0.7:5020", ("10.0.0.7", 5020)),
        ("plc.example", ("plc.example", 502)),
        ("[fe80::1]:5020", ("fe80::1", 5020)),
        ("[fe80::1]", ("fe80::1", 502)),
    ],
)
def test_an_address_is_a_host_and_a_port(config: Mapping[str, object], address: str, endpoint: tuple[str, int]) -> None:
    assert settings(ModbusDriverConfig, {**config, "address": address}).endpoint == endpoint
