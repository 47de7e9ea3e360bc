"""What the YAML may say of the buffer's own; the keys of server and stream are tested with jetstream_sink."""

from __future__ import annotations

from pathlib import Path

import pytest
from jetstream_buffer.config import JetstreamBufferConfig
from jetstream_buffer.jetstream.consumer import ConsumerSettings
from jetstream_buffer.plugin import agent_register_buffer, create

from agent_core.api import ComponentContext, Config, ConfigError

CONFIG: Config = {
    "servers": ("nats://127.0.0.1:4222",),
    "timeouts": {"login": 5.0, "answer": 5.0},
    "stream": {"name": "S", "prefix": "s", "replicas": 1, "duplicate_window": 3600.0},
    "consumer": {"name": "writers", "ack_wait": 30.0, "max_ack_pending": 10_000},
    "capacity": 10_000,
}


def test_the_keys_are_read() -> None:
    made = JetstreamBufferConfig.of(CONFIG)
    assert made.consumer == ConsumerSettings("writers", 30.0, 10_000)
    assert (made.capacity_records, made.stream.max_bytes, made.server.monitor) == (10_000, None, None)


def test_what_the_schema_cannot_say_is_refused() -> None:
    with pytest.raises(ConfigError, match="belong together"):
        JetstreamBufferConfig.of({**CONFIG, "user": "kim"})


def test_it_is_shared_and_create_connects_to_nothing(tmp_path: Path) -> None:
    factory = agent_register_buffer()
    assert (factory.type, factory.shared) == ("jetstream_buffer", True)
    buffer = create(CONFIG, ComponentContext("warehouse", "line-1", tmp_path, "jetstream_buffer"))
    assert (buffer.durable, buffer.blocks, buffer.lease(1, 0.0)) == (True, False, None)
    buffer.close()
