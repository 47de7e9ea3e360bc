"""YAML -> validated, frozen configuration. No network."""

from agent_core.config.document.placing import place_problems
from agent_core.config.loading import load_config, load_extensions
from agent_core.config.model import (
    AgentConfig,
    BatchConfig,
    BreakerConfig,
    BufferConfig,
    Divert,
    ExtensionConfig,
    FallbackConfig,
    LogConfig,
    LogFileConfig,
    LogFormat,
    PluginsConfig,
    Replay,
    RetryConfig,
    SinkConfig,
    SourceConfig,
    TransformConfig,
)
from agent_core.config.redaction import Redaction
from agent_core.config.schema.merged import merged_schema

__all__ = [
    "AgentConfig",
    "BatchConfig",
    "BreakerConfig",
    "BufferConfig",
    "Divert",
    "ExtensionConfig",
    "FallbackConfig",
    "LogConfig",
    "LogFileConfig",
    "LogFormat",
    "PluginsConfig",
    "Redaction",
    "Replay",
    "RetryConfig",
    "SinkConfig",
    "SourceConfig",
    "TransformConfig",
    "load_config",
    "load_extensions",
    "merged_schema",
    "place_problems",
]
