"""What the YAML may say, and what is refused before anything is opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import jetstream_buffer
import pytest
from jetstream_buffer.jetstream.config import ServerConfig, StreamSettings, TimeoutsConfig, TlsConfig
from jetstream_sink.config import JetstreamSinkConfig
from jetstream_sink.plugin import agent_register_sink

from agent_core.api import Config, ConfigError, Secret

SECRET = Secret(lambda: "x")
TLS = {"handshake_first": True}
STREAM = {"name": "S", "prefix": "s", "replicas": 1, "duplicate_window": 3600.0}


def config(**keys: object) -> Config:
    timeouts = {"login": 5.0, "answer": 5.0}
    given = {"servers": ("nats://127.0.0.1:4222",), "timeouts": timeouts, "stream": STREAM}
    return {**given, "repeats": "recognised_downstream", **keys}


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        ({"servers": ("nats://kim:secret@127.0.0.1:4222",)}, "use password:"),
        ({"servers": ("tls://127.0.0.1:4222",)}, "a server decides whether tls:// is TLS"),
        ({"user": "kim"}, "belong together"),
        ({"password": SECRET}, "belong together"),
        ({"user": "kim", "password": SECRET, "nkey": SECRET}, "password and nkey are two ways to log in"),
        ({"user": "kim", "password": SECRET, "tls": {"handshake_first": False}}, "without handshake_first"),
        ({"tls": {**TLS, "certificate": Path("c.pem")}}, "certificate and key belong together"),
    ],
)
def test_what_the_schema_cannot_say_is_refused(keys: Mapping[str, object], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        JetstreamSinkConfig.of(config(**keys))


def test_a_signature_needs_no_handshake_first() -> None:
    made = JetstreamSinkConfig.of(config(nkey=SECRET, tls={"handshake_first": False}))
    assert made.server.signs


@pytest.mark.parametrize(
    ("server", "tls", "in_clear"),
    [("127.0.0.1", False, False), ("localhost", False, False), ("10.0.0.5", False, True), ("10.0.0.5", True, False)],
)
def test_records_in_clear_are_seen(server: str, tls: bool, in_clear: bool) -> None:
    made = JetstreamSinkConfig.of(config(servers=(f"nats://{server}:4222",), tls=TLS if tls else None))
    assert made.server.in_clear is in_clear


def test_both_ends_of_a_stream_have_the_same_keys_for_it() -> None:
    other = json.loads((Path(jetstream_buffer.__file__).parent / "schema.json").read_text(encoding="utf-8"))
    own = agent_register_sink().schema["properties"]
    assert isinstance(own, dict)
    shared = {key: value for key, value in own.items() if key != "repeats"}
    assert {key: value for key, value in other["properties"].items() if key not in ("consumer", "capacity")} == shared
    assert {field.name.removesuffix("_seconds") for field in fields(ServerConfig)} == {*shared} - {"stream"}
    for kind, key in ((StreamSettings, "stream"), (TimeoutsConfig, "timeouts"), (TlsConfig, "tls")):
        names = {field.name.removesuffix("_seconds") for field in fields(kind)}
        assert names == set(shared[key]["properties"]), key
