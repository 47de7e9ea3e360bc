"""Schema, dataclass, sample and plugin say the same; unsafe wishes are found before the start."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import Encoding, PrivateFormat
from http_monitor import plugin
from http_monitor.config import HttpMonitorConfig, Tls

from agent_core.api import ComponentContext, ConfigProblem, Secret, load_schema

SCHEMA = cast("dict[str, Any]", load_schema("http_monitor"))
FOLDER = Path(__file__).parents[1]
DEFAULTS = {key: rules["default"] for key, rules in SCHEMA["properties"].items() if "default" in rules}
TOKEN = Secret(lambda: "0123456789abcdef")


def alone(token: str) -> dict[str, object]:
    return {"token": Secret(lambda: token)}


def named(*tokens: tuple[str, str]) -> dict[str, object]:
    entries = [
        {"name": name, "token": Secret(lambda text=text: text), "role": "read"}  # type: ignore[misc]
        for name, text in tokens
    ]
    return {"tokens": entries}


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


@pytest.mark.parametrize("short", ["tiger", "fifteen-letters"])
def test_a_token_that_can_be_guessed_is_refused(short: str) -> None:
    for config, key in ((alone(short), "token"), (named(("kim", short)), "token")):
        [problem] = check(config)
        assert not problem.warning
        assert problem.path[-1] == key
        assert f"has only {len(short)} characters" in problem.message
        assert short not in problem.message + str(problem.hint)


@pytest.mark.parametrize("text", ["sixteen letters €", "two\nlines of a token"])
def test_a_token_that_no_header_can_carry_is_refused(text: str) -> None:
    [problem] = check(alone(text))
    assert "no header can carry" in problem.message


def test_each_token_has_a_name_and_a_text_of_its_own() -> None:
    first, second = "first-token-of-all", "second-token-of-all"
    assert check(named(("kim", first), ("wall", second))) == []
    assert [problem.path[-1] for problem in check(named(("kim", first), ("kim", second)))] == ["name"]
    [problem] = check(named(("kim", first), ("wall", first)))
    assert problem.message == "kim has the same token"
    assert [problem.path[-1] for problem in check(named(("loopback", first)))] == ["name"]
    assert len(check(alone(first) | named(("kim", first)))) == 1


@pytest.mark.parametrize(
    "more", [{"allowed_hosts": ["monitor.plant"]}, {"trusted_proxies": ["127.0.0.1"]}, {"root_path": "/line-1"}]
)
def test_a_proxy_without_a_token_is_a_warning_and_no_outage_of_the_agent(more: dict[str, object]) -> None:
    [problem] = check(more)
    assert problem.warning
    assert "every call is refused" in problem.message
    assert check(more | {"token": TOKEN}) == check(more | {"public_reading": True}) == []


def test_showing_everything_to_everybody_has_to_be_said() -> None:
    assert check({"listen": "0.0.0.0:8080", "public_reading": True}) == []
    [problem] = check({"token": TOKEN, "protect": "everything", "public_reading": True})
    assert problem.path[-1] == "public_reading"


@pytest.mark.parametrize("text", ["proxy.plant", "10.0.0.1/24", "10.0.0", ""])
def test_a_trusted_proxy_is_an_address_or_a_network(text: str) -> None:
    [problem] = check({"token": TOKEN, "trusted_proxies": ["10.0.0.0/24", text]})
    assert problem.path[-2:] == ("trusted_proxies", 1)
    assert "expected an address or a network" in problem.message


@pytest.mark.parametrize("text", ["line-1", "/", "/a b", "/../x", "//x", "/api", "/api/line-1", "/metrics/"])
def test_a_root_path_is_a_path_and_none_of_the_monitor(text: str) -> None:
    [problem] = check({"token": TOKEN, "root_path": text})
    assert problem.path[-1] == "root_path"


def test_the_files_of_tls_are_examined(tmp_path: Path, certificate: Tls, another_certificate: Tls) -> None:
    def problems(certificate: Path, key: Path) -> list[str]:
        return [problem.message for problem in check({"tls": {"certificate": certificate, "key": key}})]

    assert problems(certificate.certificate, certificate.key) == []
    [missing] = problems(tmp_path / "none.pem", certificate.key)
    assert f"the certificate {tmp_path / 'none.pem'} cannot be read: No such file" in missing
    [mixed] = problems(certificate.certificate, another_certificate.key)
    assert "are not a certificate and its unencrypted key" in mixed
    assert "key values mismatch" in mixed
    locked = tmp_path / "locked.pem"
    key = serialization.load_pem_private_key(certificate.key.read_bytes(), None)
    protection = serialization.BestAvailableEncryption(b"a passphrase")
    locked.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection))
    [encrypted] = problems(certificate.certificate, locked)
    assert "unencrypted" in encrypted


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_a_key_that_everybody_can_read_is_a_warning(certificate: Tls) -> None:
    certificate.key.chmod(0o644)
    [problem] = check({"tls": {"certificate": certificate.certificate, "key": certificate.key}})
    assert problem.warning
    assert problem.path[-1] == "key"


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
