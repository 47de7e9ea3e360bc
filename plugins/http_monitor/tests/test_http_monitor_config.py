"""Schema, dataclass, sample and plugin say the same; unsafe wishes are found before the start."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import yaml
from http_monitor import plugin
from http_monitor.config import HttpMonitorConfig

from agent_core.api import ComponentContext, ConfigProblem, Secret, load_schema

SCHEMA = cast("dict[str, Any]", load_schema("http_monitor"))
FOLDER = Path(__file__).parents[1]
DEFAULTS = {key: rules["default"] for key, rules in SCHEMA["properties"].items() if "default" in rules}
TOKEN = Secret(lambda: "0123456789abcdef")


def check(*configs: dict[str, object]) -> list[ConfigProblem]:
    entries = [{"type": "http_monitor", "config": DEFAULTS | config} for config in configs]
    return list(plugin.agent_check_config({"extensions": entries}))


def test_the_schema_has_the_fields_of_the_dataclass() -> None:
    assert [field.name for field in dataclasses.fields(HttpMonitorConfig)] == list(SCHEMA["properties"])


def test_every_key_is_described_and_its_default_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for key, rules in SCHEMA["properties"].items():
        assert rules["description"].endswith("."), key
        if "default" in rules:
            jsonschema.validate(rules["default"], rules)


def test_the_sample_is_valid() -> None:
    sample = yaml.safe_load((FOLDER / "sample.yaml").read_text(encoding="utf-8"))
    [extension] = sample["extensions"]
    jsonschema.validate(extension["config"], SCHEMA)


def test_the_factory_makes_a_monitor_without_taking_the_port(tmp_path: Path) -> None:
    factory = plugin.agent_register_extension()
    assert (factory.kind, factory.type) == ("extension", "http_monitor")
    context = ComponentContext("http_monitor", "line-1", tmp_path, "http_monitor")
    first, second = factory.create(DEFAULTS, context), factory.create(DEFAULTS, context)
    first.close()
    second.close()


@pytest.mark.parametrize("listen", ["127.0.0.1:8080", "localhost:8080", "[::1]:8080", "127.3.2.1:1"])
def test_loopback_needs_no_token(listen: str) -> None:
    assert check({"listen": listen}) == []


@pytest.mark.parametrize("listen", ["0.0.0.0:8080", "192.0.2.7:8080", "plant-server:8080", "[::]:8080"])
def test_any_other_address_needs_a_token(listen: str) -> None:
    [problem] = check({"listen": listen})
    assert problem.path == ("extensions", 0, "config", "listen")
    assert "a token is required" in problem.message
    assert not problem.warning
    assert check({"listen": listen, "token": TOKEN}) == []


@pytest.mark.parametrize("listen", ["8080", "127.0.0.1", "127.0.0.1:65536", "http://127.0.0.1:80", "::1:8080", ":80"])
def test_what_is_no_address_is_explained(listen: str) -> None:
    [problem] = check({"listen": listen})
    assert "expected host:port" in problem.message


def test_an_empty_token_is_none() -> None:
    [problem] = check({"token": Secret(lambda: "  ")})
    assert problem.path[-1] == "token"


def test_a_short_token_is_a_warning() -> None:
    [problem] = check({"token": Secret(lambda: "tiger")})
    assert problem.warning
    assert "tiger" not in problem.message


def test_protecting_everything_needs_a_token() -> None:
    [problem] = check({"protect": "everything"})
    assert problem.path[-1] == "protect"


def test_two_monitors_want_two_ports() -> None:
    [problem] = check({"listen": "127.0.0.1:8080"}, {"listen": "127.0.0.1:8080"})
    assert problem.path == ("extensions", 1, "config", "listen")
    assert check({"listen": "127.0.0.1:0"}, {"listen": "127.0.0.1:0"}) == []


def test_other_extensions_are_none_of_its_business() -> None:
    assert list(plugin.agent_check_config({"extensions": [{"type": "other", "config": {}}]})) == []
    assert list(plugin.agent_check_config({})) == []
