"""Schema, dataclass, sample and plugin say the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml
from csv_sink import plugin
from csv_sink.config import CsvSinkConfig

from agent_core.api import ComponentContext, load_schema

SCHEMA = cast("dict[str, Any]", load_schema("csv_sink"))
FOLDER = Path(__file__).parents[1]


def test_the_schema_has_the_fields_of_the_dataclass() -> None:
    fields = [field.name.removesuffix("_bytes").removesuffix("_seconds") for field in dataclasses.fields(CsvSinkConfig)]
    assert fields == list(SCHEMA["properties"])


def test_every_key_is_described_and_has_a_default() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for key, rules in SCHEMA["properties"].items():
        assert rules["description"].endswith("."), key
        jsonschema.validate(rules["default"], rules)


def test_the_sample_is_valid() -> None:
    sample = yaml.safe_load((FOLDER / "sample.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(sample["sinks"][0]["fallback"]["config"], SCHEMA)


def test_the_factory_makes_a_sink_without_touching_the_disk(tmp_path: Path) -> None:
    factory = plugin.agent_register_sink()
    assert (factory.kind, factory.type) == ("sink", "csv_sink")
    config: dict[str, object] = {"directory": tmp_path / "backup", "max_file_size": 1 << 26, "max_file_age": 60.0}
    config |= {"min_free_disk": 0, "done_retention": 86_400.0}
    context = ComponentContext("warehouse", "line-1", tmp_path, "csv_sink")
    sink = factory.create(config, context)
    assert not sink.idempotent
    assert list(tmp_path.iterdir()) == []
