"""AgentConfig: the validated configuration, frozen.

The schema fills in the defaults; nothing here has one. The keys are those of the YAML, with units in the names of
times and sizes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agent_core.api import Config, ConfigProblem


class LogFormat(StrEnum):
    """``log: {format: ...}``."""

    CONSOLE = "console"
    JSON = "json"


class Divert(StrEnum):
    """When records leave the buffer for the fallback while the sink is not up."""

    AFTER_RETRIES = "after_retries"
    UNDER_PRESSURE = "under_pressure"


class Replay(StrEnum):
    """Whether the core writes a fallback's backlog into the sink automatically."""

    AUTOMATIC = "automatic"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class LogFileConfig:
    """``keep`` is how many rotated files are kept next to the current one."""

    path: Path
    max_size_bytes: int
    keep: int


@dataclass(frozen=True, slots=True)
class LogConfig:
    """``level`` is debug, info, warning or error. ``file`` gets what standard error gets."""

    level: str
    format: LogFormat
    file: LogFileConfig | None


@dataclass(frozen=True, slots=True)
class PluginsConfig:
    """``enabled`` are loaded although no component uses them; ``disabled`` are never loaded."""

    enabled: tuple[str, ...]
    disabled: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TransformConfig:
    """One entry of a source's ``transforms``."""

    type: str
    config: Config


@dataclass(frozen=True, slots=True)
class SourceConfig:
    """One entry of ``sources``. ``stale_after`` None: the source says how long it may be silent, or its rhythm."""

    id: str
    type: str
    config: Config
    transforms: tuple[TransformConfig, ...]
    stale_after_seconds: float | None


@dataclass(frozen=True, slots=True)
class BufferConfig:
    """The buffer of one sink."""

    type: str
    config: Config


@dataclass(frozen=True, slots=True)
class BatchConfig:
    """How many records one write takes."""

    max_records: int
    max_wait_seconds: float


@dataclass(frozen=True, slots=True)
class RetryConfig:
    """``max_retries`` counts the attempts after the first; the delays are before jitter (a share, 0.2 is +-20 %)."""

    max_retries: int
    initial_delay_seconds: float
    multiplier: float
    jitter: float
    max_delay_seconds: float


@dataclass(frozen=True, slots=True)
class BreakerConfig:
    """How often a sink that is not up is probed."""

    probe_interval_seconds: float
    throttled_interval_seconds: float


@dataclass(frozen=True, slots=True)
class FallbackConfig:
    """The sink that takes what its owner cannot; ``replay_rate`` is in records per second."""

    type: str
    config: Config
    replay: Replay
    replay_rate: int


@dataclass(frozen=True, slots=True)
class SinkConfig:
    """One entry of ``sinks``.

    ``inputs`` holds the ids of its sources: all of them when the YAML names none. ``buffer`` is its own or the
    default. ``divert`` is None when the YAML leaves it to the buffer's durability. A write under way for longer than
    ``write_limit`` hangs; ``divert_after`` bounds the wait in memory while the sink fails or a write hangs.
    """

    id: str
    type: str
    inputs: tuple[str, ...]
    config: Config
    buffer: BufferConfig
    batch: BatchConfig
    retry: RetryConfig
    breaker: BreakerConfig
    workers: int
    write_limit_seconds: float
    divert: Divert | None
    divert_after_seconds: float
    fallback: FallbackConfig | None


@dataclass(frozen=True, slots=True)
class ExtensionConfig:
    """One entry of ``extensions``; without an ``id`` it is named after its type."""

    id: str
    type: str
    config: Config


@dataclass(frozen=True, slots=True)
class AgentConfig:
    """One whole ``agent.yaml``.

    ``file`` is its absolute path. ``mapping`` is what ``agent_check_config`` saw: the YAML's own nesting, validated
    and converted. ``warnings`` stop nothing; the caller of ``load_config`` shows them.
    """

    file: Path
    name: str
    state_dir: Path
    shutdown_timeout_seconds: float
    start_timeout_seconds: float
    plugins: PluginsConfig
    log: LogConfig
    sources: tuple[SourceConfig, ...]
    sinks: tuple[SinkConfig, ...]
    extensions: tuple[ExtensionConfig, ...]
    mapping: Config
    warnings: tuple[ConfigProblem, ...]
