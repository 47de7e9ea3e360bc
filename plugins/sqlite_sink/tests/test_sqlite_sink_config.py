"""Schema, dataclass, sample and plugin say the same."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml
from sqlite_sink import plugin
from sqlite_sink.config import Journal, OnConflict, SqliteSinkConfig, Synchronous

from agent_core.api import ComponentContext, load_schema

SCHEMA = cast("dict[str, Any]", load_schema("sqlite_sink"))
FOLDER = Path(__file__).parents[1]


def test_the_schema_has_the_fields_of_the_dataclass() -> None:
    fields = [field.name for field in dataclasses.fields(SqliteSinkConfig)]
    assert fields == list(SCHEMA["properties"])


def test_the_choices_of_the_schema_are_those_of_the_enums() -> None:
    for key, enum in (("journal", Journal), ("synchronous", Synchronous), ("on_conflict", OnConflict)):
        assert SCHEMA["properties"][key]["enum"] == list(enum)


def test_every_key_is_described_and_has_a_default() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for key, rules in SCHEMA["properties"].items():
        assert rules["description"].endswith("."), key
        jsonschema.validate(rules["default"], rules)


def test_the_sample_is_valid() -> None:
    sample = yaml.safe_load((FOLDER / "sample.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(sample["sinks"][0]["config"], SCHEMA)


def test_table_names_that_are_no_identifiers_are_refused() -> None:
    valid = jsonschema.Draft202012Validator(SCHEMA).is_valid
    for name in ('a"b', "a b", "1a", "", "sqlite_master", "a;b", "표", "x" * 64):
        assert not valid({"table": name})
    assert valid({"table": "TAG_DATA_2"})


def test_the_factory_makes_a_sink_without_touching_the_disk(tmp_path: Path) -> None:
    factory = plugin.agent_register_sink()
    assert (factory.kind, factory.type) == ("sink", "sqlite_sink")
    config = {key: rules["default"] for key, rules in SCHEMA["properties"].items()}
    config |= {"path": tmp_path / "sub" / "data.db", "busy_timeout": 5.0}
    context = ComponentContext("local", "line-1", tmp_path, logging.getLogger("sqlite_sink"))
    sink = factory.create(config, context)
    assert sink.idempotent
    assert list(tmp_path.iterdir()) == []
