"""Schema, dataclass, sample and plugin say the same."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import yaml
from oracle_sink import plugin
from oracle_sink.config import OnConflict, OracleSinkConfig, PoolConfig, ThickConfig, TimeoutsConfig
from oracle_sink.table.identifiers import TableName, parse_column, parse_table
from oracle_sink.table.mapping import RecordField

from agent_core.api import ComponentContext, Secret, load_schema

SCHEMA = cast("dict[str, Any]", load_schema("oracle_sink"))
PROPERTIES: dict[str, Any] = SCHEMA["properties"]
FOLDER = Path(__file__).parents[1]


def names(dataclass: type) -> list[str]:
    return [field.name.removesuffix("_seconds") for field in dataclasses.fields(dataclass)]


def test_the_schema_has_the_fields_of_the_dataclasses() -> None:
    assert names(OracleSinkConfig) == list(PROPERTIES)
    assert names(PoolConfig) == list(PROPERTIES["pool"]["properties"])
    assert names(TimeoutsConfig) == list(PROPERTIES["timeouts"]["properties"])
    assert names(ThickConfig) == list(PROPERTIES["thick"]["properties"])


def test_the_choices_of_the_schema_are_those_of_the_enums() -> None:
    assert PROPERTIES["on_conflict"]["enum"] == list(OnConflict)
    short, long = PROPERTIES["columns"]["additionalProperties"]["oneOf"][:2]
    assert short["enum"] == long["properties"]["field"]["enum"] == list(RecordField)


def test_every_key_is_described_and_every_optional_one_has_a_default() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for key, rules in PROPERTIES.items():
        assert rules["description"].endswith("."), key
        if key not in SCHEMA["required"]:
            jsonschema.validate(rules["default"], rules)
        for inner, inner_rules in rules.get("properties", {}).items():
            assert inner_rules["description"].endswith("."), (key, inner)
            assert rules["default"] is None or rules["default"][inner] == inner_rules["default"]


def test_the_sample_is_valid() -> None:
    sample = yaml.safe_load((FOLDER / "sample.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(sample["sinks"][0]["config"], SCHEMA)


@pytest.mark.parametrize(
    "spec",
    ["value", {"field": "timestamp", "time_zone": "Asia/Seoul"}, {"constant": 7}, {"expression": "SYSDATE"}],
)
def test_a_column_is_a_field_a_constant_or_an_expression(spec: object) -> None:
    jsonschema.validate({"dsn": "d", "user": "u", "password": "p", "columns": {"A": spec}}, SCHEMA)


@pytest.mark.parametrize(
    "spec", ["tag", {"constant": 1, "expression": "SYSDATE"}, {}, {"constant": None}, {"time_zone": "UTC"}, 7]
)
def test_a_column_is_nothing_else(spec: object) -> None:
    valid = jsonschema.Draft202012Validator(SCHEMA).is_valid
    assert not valid({"dsn": "d", "user": "u", "password": "p", "columns": {"A": spec}})


@pytest.mark.parametrize(
    ("text", "table", "sql"),
    [
        ("tag_data", TableName(None, "TAG_DATA"), '"TAG_DATA"'),
        ("plant.TAG_DATA", TableName("PLANT", "TAG_DATA"), '"PLANT"."TAG_DATA"'),
        ('plant."Mixed case.x"', TableName("PLANT", "Mixed case.x"), '"PLANT"."Mixed case.x"'),
        ("태그_데이터", TableName(None, "태그_데이터"), '"태그_데이터"'),
        ("A$#1", TableName(None, "A$#1"), '"A$#1"'),
    ],
)
def test_names_are_read_as_the_database_reads_them(text: str, table: TableName, sql: str) -> None:
    assert parse_table(text) == table
    assert parse_table(text).sql == sql


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1A",
        "A B",
        "A;DROP TABLE B",
        'A"',
        '"A',
        '""',
        "A.B.C",
        "A.",
        ".A",
        "A@LINK",
        "A--",
        '"A\x00"',
        "X" * 129,
        "A'",
    ],
)
def test_what_is_not_a_name_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"name|parts|bytes"):
        parse_table(text)
    with pytest.raises(ValueError, match=r"name|parts|bytes"):
        parse_column(text)


@pytest.mark.parametrize(
    ("text", "written"),
    [("Mixed q", "'\"Mixed q\"'"), ("1A", "'\"1A\"'"), ("a.b c", "'\"Mixed case\"'"), ("", "'\"Mixed case\"'")],
)
def test_a_name_that_needs_quotes_is_shown_as_yaml_has_it(text: str, written: str) -> None:
    with pytest.raises(ValueError, match="double quotes") as raised:
        parse_table(text)
    assert str(raised.value).endswith(f"in YAML {written}")
    assert yaml.safe_load(written) == written[1:-1]
    parse_table(yaml.safe_load(written))


def test_the_factory_makes_sinks_without_a_network(tmp_path: Path) -> None:
    factory = plugin.agent_register_sink()
    assert (factory.kind, factory.type) == ("sink", "oracle_sink")
    defaults = {key: rules["default"] for key, rules in PROPERTIES.items() if "default" in rules}
    seconds = {"connect": 5.0, "login": 15.0, "call": 10.0, "wait": 5.0}
    pool = {"min": 2, "max": 5, "max_age": 3600.0}
    converted = {"timeouts": seconds, "pool": pool, "max_future": 86400.0, "login_interval": 30.0}
    config = defaults | converted | {"dsn": "nowhere/x", "user": "u", "password": Secret(lambda: "p")}
    context = ComponentContext("warehouse", "line-1", tmp_path, "oracle_sink")
    sink = factory.create(config, context)
    assert not sink.idempotent
    sink.close()
    sink.close()
