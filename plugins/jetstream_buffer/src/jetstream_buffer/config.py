"""JetstreamBufferConfig: the buffer's own keys; those of server and stream are jetstream_sink's too."""

from __future__ import annotations

from dataclasses import dataclass

from agent_core.api import Config, settings
from jetstream_buffer.jetstream.config import ServerConfig, StreamSettings
from jetstream_buffer.jetstream.consumer import ConsumerSettings


@dataclass(frozen=True, slots=True)
class _Own:
    stream: StreamSettings
    consumer: ConsumerSettings
    capacity_records: int


@dataclass(frozen=True, slots=True)
class JetstreamBufferConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults."""

    server: ServerConfig
    stream: StreamSettings
    consumer: ConsumerSettings
    capacity_records: int

    @classmethod
    def of(cls, config: Config) -> JetstreamBufferConfig:
        """From the ``config:`` mapping. Raises ConfigError for what its schema cannot say."""
        own = settings(_Own, config)
        return cls(ServerConfig.of(config), own.stream, own.consumer, own.capacity_records)
