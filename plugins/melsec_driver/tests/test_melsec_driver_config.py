"""The schema, the typed configuration and the factory agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import cast

import pytest
from melsec_driver.config import MelsecDriverConfig
from melsec_driver.plugin import agent_register_driver

from agent_core.api import Area, BlockDriver, ComponentContext, load_schema, settings


def test_the_typed_configuration_has_the_keys_of_the_schema() -> None:
    properties = cast("dict[str, dict[str, object]]", load_schema("melsec_driver")["properties"])
    assert [field.name for field in fields(MelsecDriverConfig)] == list(properties)
    assert all(description.get("description") for description in properties.values())


def test_the_factory_makes_a_block_driver_without_touching_the_network(
    tmp_path: Path, config: Mapping[str, object]
) -> None:
    context = ComponentContext("PLC01", "agent", tmp_path, "melsec_driver")
    driver = agent_register_driver().create(config, context)
    assert isinstance(driver, BlockDriver)
    assert (driver.word_order, driver.byte_order) == ("little", "big")


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("10.0.0.7:5007", ("10.0.0.7", 5007)),
        ("plc.example:1025", ("plc.example", 1025)),
        ("[fe80::1]:5007", ("fe80::1", 5007)),
    ],
)
def test_an_address_is_a_host_and_a_port(config: Mapping[str, object], address: str, endpoint: tuple[str, int]) -> None:
    assert settings(MelsecDriverConfig, {**config, "address": address}).endpoint == endpoint


@pytest.mark.parametrize(
    ("changes", "words", "bits"),
    [
        ({}, 960, 7168),
        ({"data_code": "ascii"}, 960, 3584),
        ({"plc_series": "iqf"}, 960, 3584),
        ({"plc_series": "iqf", "data_code": "ascii"}, 480, 1792),
        ({"max_words": 100}, 100, 7168),
    ],
)
def test_the_limits_follow_the_series_and_the_code(
    tmp_path: Path, config: Mapping[str, object], changes: Mapping[str, object], words: int, bits: int
) -> None:
    context = ComponentContext("PLC01", "agent", tmp_path, "melsec_driver")
    create = agent_register_driver().create
    by_words = create({**config, **changes}, context)
    by_bits = create({**config, **changes, "bit_access": "bits"}, context)
    assert isinstance(by_words, BlockDriver)
    assert isinstance(by_bits, BlockDriver)
    assert by_words.area("D") == by_words.area("M") == Area(16, words, 64)
    assert by_bits.area("D") == Area(16, words, 64)
    assert by_bits.area("M") == Area(1, bits, 1024)
