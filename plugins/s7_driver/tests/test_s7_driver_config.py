"""The schema, the typed configuration and the factory agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import cast

import pytest
from s7_driver.config import S7DriverConfig
from s7_driver.plugin import agent_register_driver

from agent_core.api import Area, BlockDriver, ComponentContext, load_schema, settings


def test_the_typed_configuration_has_the_keys_of_the_schema() -> None:
    properties = cast("dict[str, dict[str, object]]", load_schema("s7_driver")["properties"])
    assert [field.name for field in fields(S7DriverConfig)] == list(properties)
    assert all(description.get("description") for description in properties.values())


def test_the_factory_makes_a_block_driver_without_touching_the_network(
    tmp_path: Path, config: Mapping[str, object]
) -> None:
    context = ComponentContext("PLC01", "agent", tmp_path, "s7_driver")
    driver = agent_register_driver().create({**config, "pdu_size": 480, "max_gap": 5}, context)
    assert isinstance(driver, BlockDriver)
    assert (driver.word_order, driver.byte_order) == ("big", "big")
    assert driver.area("DB10") == driver.area("M") == Area(unit_bits=8, max_units=462, max_gap_units=5)
    assert driver.area("DB10 STRING") == Area(unit_bits=8, max_units=254, max_gap_units=0)


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [("10.0.0.7:1102", ("10.0.0.7", 1102)), ("plc.example", ("plc.example", 102))],
)
def test_an_address_is_a_host_and_a_port(config: Mapping[str, object], address: str, endpoint: tuple[str, int]) -> None:
    assert settings(S7DriverConfig, {**config, "address": address}).endpoint == endpoint


@pytest.mark.parametrize(
    ("changes", "remote_tsap"),
    [
        ({}, 0x0101),
        ({"slot": 2}, 0x0102),
        ({"rack": 1, "slot": 3, "connection_type": "op"}, 0x0223),
        ({"slot": 0, "connection_type": "basic"}, 0x0300),
    ],
)
def test_rack_slot_and_type_name_the_cpu(
    config: Mapping[str, object], changes: Mapping[str, object], remote_tsap: int
) -> None:
    assert settings(S7DriverConfig, {**config, **changes}).remote_tsap == remote_tsap
