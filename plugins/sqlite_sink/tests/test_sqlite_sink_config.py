"""Schema, dataclass, sample and plugin say the same."""

from __future__ import annotations

import dataclasses
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import jsonschema
import yaml
from sqlite_sink import plugin
from sqlite_sink.config import Journal, OnConflict, SqliteSinkConfig, Synchronous

from agent_core.api import BAD, GOOD, Batch, ComponentContext, Origin, load_schema
from agent_core.testing.clock import START_NS

SCHEMA = cast("dict[str, Any]", load_schema("sqlite_sink"))
FOLDER = Path(__file__).parents[1]


def test_the_schema_has_the_fields_of_the_dataclass() -> None:
    fields = [
        field.name.removesuffix("_bytes").removesuffix("_seconds") for field in dataclasses.fields(SqliteSinkConfig)
    ]
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


def test_table_names_that_are_not_identifiers_are_refused() -> None:
    valid = jsonschema.Draft202012Validator(SCHEMA).is_valid
    for name in ('a"b', "a b", "1a", "", "sqlite_master", "a;b", "표", "x" * 64):
        assert not valid({"table": name})
    assert valid({"table": "TAG_DATA_2"})


def test_the_factory_makes_a_sink_without_touching_the_disk(tmp_path: Path) -> None:
    factory = plugin.agent_register_sink()
    assert (factory.kind, factory.type) == ("sink", "sqlite_sink")
    config = {key: rules["default"] for key, rules in SCHEMA["properties"].items()}
    config |= {"path": tmp_path / "sub" / "data.db", "busy_timeout": 5.0}
    context = ComponentContext("local", "line-1", tmp_path, "sqlite_sink")
    sink = factory.create(config, context)
    assert sink.idempotent
    assert list(tmp_path.iterdir()) == []


def test_the_queries_of_the_readme_run(tmp_path: Path) -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    queries = readme.partition("```sql\n")[2].partition("```")[0].split(";\n")[:-1]
    factory = plugin.agent_register_sink()
    config = {key: rules["default"] for key, rules in SCHEMA["properties"].items()}
    config |= {"path": tmp_path / "data.db", "busy_timeout": 5.0}
    sink = factory.create(config, ComponentContext("local", "line-1", tmp_path, "sqlite_sink"))
    sink.open()
    batch = Batch.of(Origin("line1", "PLC01", "G"), ("TEMP_1", "RUN"), (21.5, None), START_NS, bytes((GOOD, BAD)))
    sink.write(batch)
    sink.close()
    with closing(sqlite3.connect(tmp_path / "data.db")) as connection:
        found = [connection.execute(query).fetchall() for query in queries]
    stamp = "2026-01-01T00:00:00.000000000Z"
    assert found[0] == [("RUN", None, stamp, "BAD"), ("TEMP_1", 21.5, stamp, "GOOD")]
    assert found[1] == [(stamp, 21.5)]
    assert len(found) == 5
