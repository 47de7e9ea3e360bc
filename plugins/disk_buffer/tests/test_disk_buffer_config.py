"""The configuration: schema.json, DiskBufferConfig and the factory say the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import jsonschema
import pytest
from disk_buffer.config import DiskBufferConfig, WhenFull
from disk_buffer.plugin import agent_register_buffer

from agent_core.api import ComponentContext

FACTORY = agent_register_buffer()


def properties() -> Mapping[str, Mapping[str, object]]:
    found = FACTORY.schema["properties"]
    assert isinstance(found, Mapping)
    return found


def test_the_dataclass_has_the_fields_of_the_schema() -> None:
    fields = [field.name for field in dataclasses.fields(DiskBufferConfig)]
    assert fields == [
        "directory", "capacity_records", "max_bytes", "when_full", "block_limit_seconds", "sync_interval_seconds",
        "memory_records",
    ]  # fmt: skip
    assert list(properties()) == [
        "directory", "capacity", "max_bytes", "when_full", "block_limit", "sync_interval", "memory"
    ]  # fmt: skip


def test_every_key_is_optional_and_explained() -> None:
    for key, schema in properties().items():
        assert "default" in schema or key == "directory", key
        assert schema["description"], key


def test_the_schema_is_a_valid_schema_and_refuses_what_makes_no_sense() -> None:
    validator = jsonschema.Draft202012Validator(FACTORY.schema)
    validator.check_schema(FACTORY.schema)
    assert validator.is_valid({})
    assert validator.is_valid({"capacity": 1, "when_full": "block", "block_limit": "500ms"})
    for wrong in ({"capacity": 0}, {"capacity": 1.5}, {"when_full": "explode"}, {"capasity": 10}):
        assert not validator.is_valid(wrong), wrong


@pytest.mark.parametrize("when_full", list(WhenFull))
def test_the_factory_makes_a_buffer_as_configured(when_full: WhenFull) -> None:
    context = ComponentContext("warehouse", "line-1", Path(), "disk_buffer")
    config = {
        "capacity": 7, "max_bytes": 2**20, "when_full": when_full.value, "block_limit": 0.5, "sync_interval": 0.0,
        "memory": 3,
    }  # fmt: skip
    buffer = FACTORY.create(config, context)
    assert FACTORY.type == "disk_buffer"
    assert buffer.stats().capacity_records == 7
    assert buffer.blocks is (when_full is WhenFull.BLOCK)
    assert buffer.durable
