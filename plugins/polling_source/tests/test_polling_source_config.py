"""The schema, the typed configuration, the sample and the factory agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import cast

import pytest
from polling_source.config import (
    DEVICE_KEYS,
    NO_PACE,
    BackoffConfig,
    CatalogConfig,
    DeviceConfig,
    GroupConfig,
    PaceConfig,
    PollingSourceConfig,
    TriggerConfig,
)
from polling_source.plugin import agent_register_source, create
from polling_source.tags.csv_tags import COLUMNS
from polling_source.tags.tag import FIELDS, REQUIRED

from agent_core.api import ComponentContext, ConfigError, load_schema

Node = Mapping[str, object]


def properties(*path: str) -> Node:
    node = load_schema("polling_source")
    for key in path:
        node = cast(Node, node[key])
    return cast(Node, node["properties"])


def test_the_typed_configuration_has_the_keys_of_the_schema() -> None:
    assert [field.name for field in fields(PollingSourceConfig)] == list(properties())
    assert [field.name for field in fields(GroupConfig)] == list(properties("properties", "groups", "items"))
    assert [field.name for field in fields(BackoffConfig)] == list(properties("properties", "backoff"))
    assert [field.name for field in fields(CatalogConfig)] == list(properties("properties", "catalog"))
    trigger = properties("properties", "groups", "items", "properties", "trigger")
    assert [field.name for field in fields(TriggerConfig)] == list(trigger)
    pace = [field.name for field in fields(PaceConfig)]
    device = [field.name for field in fields(DeviceConfig) if field.name not in ("settings", "pace")] + pace
    assert device == list(DEVICE_KEYS) == list(properties("properties", "devices", "items"))


def test_a_tag_in_the_yaml_has_the_columns_of_a_tag_list() -> None:
    tag = cast(Node, properties("properties", "groups", "items")["tags"])
    assert tuple(cast(Node, cast(Node, tag["items"])["properties"])) == FIELDS
    assert tuple(cast("list[str]", cast(Node, tag["items"])["required"])) == REQUIRED
    assert (*FIELDS, "group") == COLUMNS


def test_every_key_says_what_it_means() -> None:
    def visit(node: object) -> None:
        if isinstance(node, dict):
            for name, value in cast(Node, node.get("properties", {})).items():
                assert cast(Node, value).get("description"), name
            for value in node.values():
                visit(value)

    visit(load_schema("polling_source"))


def test_a_driver_that_is_not_loaded_is_named(tmp_path: Path) -> None:
    assert agent_register_source().type == "polling_source"
    context = ComponentContext("line1", "agent", tmp_path, "polling_source")
    config = {
        "devices": [
            {
                "id": "PLC01",
                "driver": "modbus_drivr",
                "allow_writes": False,
                "connections": 1,
                **asdict(NO_PACE),
            }
        ],
        "groups": [],
        "wrong_tags": "refuse",
        "bad_records": "none",
        "backoff": {"initial": 1.0, "max": 2.0},
        "refused_retry": 60.0,
        "max_groups": 10,
    }
    with pytest.raises(ConfigError, match="there is no driver 'modbus_drivr'"):
        create(config, context)
