"""JetstreamSinkConfig: the sink's own keys; those of server and stream are jetstream_buffer's too."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from jetstream_buffer.jetstream.config import ServerConfig, StreamSettings

from agent_core.api import Config, settings


class Repeats(StrEnum):
    """Whether a record that is published twice is one in the end."""

    RECOGNISED_DOWNSTREAM = "recognised_downstream"
    NOT_RECOGNISED = "not_recognised"


@dataclass(frozen=True, slots=True)
class _Own:
    stream: StreamSettings
    repeats: Repeats


@dataclass(frozen=True, slots=True)
class JetstreamSinkConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults."""

    server: ServerConfig
    stream: StreamSettings
    repeats: Repeats

    @classmethod
    def of(cls, config: Config) -> JetstreamSinkConfig:
        """From the ``config:`` mapping. Raises ConfigError for what its schema cannot say."""
        own = settings(_Own, config)
        return cls(ServerConfig.of(config), own.stream, own.repeats)
