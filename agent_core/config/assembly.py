"""From the frozen mapping to AgentConfig."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from agent_core.api import Config, ConfigProblem
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

T = TypeVar("T")


def assemble(file: Path, mapping: Config, warnings: Iterable[ConfigProblem]) -> AgentConfig:
    """The typed form of ``mapping``, which has passed the schema and all checks."""
    agent, plugins, log = (_mapping(mapping, key) for key in ("agent", "plugins", "log"))
    sources = tuple(_source(entry) for entry in _mappings(mapping, "sources"))
    return AgentConfig(
        file=file,
        name=_get(agent, "name", str),
        state_dir=_get(agent, "state_dir", Path),
        shutdown_timeout_seconds=_get(agent, "shutdown_timeout", float),
        plugins=PluginsConfig(_texts(plugins, "enabled"), _texts(plugins, "disabled")),
        log=_log(log),
        sources=sources,
        sinks=tuple(_sink(entry, mapping, sources) for entry in _mappings(mapping, "sinks")),
        extensions=assemble_extensions(mapping),
        mapping=mapping,
        warnings=tuple(warnings),
    )


def _log(entry: Config) -> LogConfig:
    file: LogFileConfig | None = None
    if "file" in entry:
        settings = _mapping(entry, "file")
        file = LogFileConfig(_get(settings, "path", Path), _get(settings, "max_size", int), _get(settings, "keep", int))
    return LogConfig(_get(entry, "level", str), LogFormat(_get(entry, "format", str)), file)


def _source(entry: Config) -> SourceConfig:
    return SourceConfig(
        id=_get(entry, "id", str),
        type=_get(entry, "type", str),
        config=_mapping(entry, "config"),
        transforms=tuple(
            TransformConfig(_get(transform, "type", str), _mapping(transform, "config"))
            for transform in _mappings(entry, "transforms")
        ),
    )


def _sink(entry: Config, root: Config, sources: Sequence[SourceConfig]) -> SinkConfig:
    buffer = _mapping(entry if "buffer" in entry else root, "buffer")
    batch, retry, breaker = (_mapping(entry, key) for key in ("batch", "retry", "breaker"))
    return SinkConfig(
        id=_get(entry, "id", str),
        type=_get(entry, "type", str),
        inputs=_texts(entry, "inputs") if "inputs" in entry else tuple(source.id for source in sources),
        config=_mapping(entry, "config"),
        buffer=BufferConfig(_get(buffer, "type", str), _mapping(buffer, "config")),
        batch=BatchConfig(_get(batch, "max_records", int), _get(batch, "max_wait", float)),
        retry=RetryConfig(
            max_retries=_get(retry, "max_retries", int),
            initial_delay_seconds=_get(retry, "initial_delay", float),
            multiplier=_get(retry, "multiplier", float),
            jitter=_get(retry, "jitter", float),
            max_delay_seconds=_get(retry, "max_delay", float),
        ),
        breaker=BreakerConfig(_get(breaker, "probe_interval", float), _get(breaker, "throttled_interval", float)),
        workers=_get(entry, "workers", int),
        divert=Divert(_get(entry, "divert", str)) if "divert" in entry else None,
        fallback=_fallback(_mapping(entry, "fallback")) if "fallback" in entry else None,
    )


def _fallback(entry: Config) -> FallbackConfig:
    return FallbackConfig(
        type=_get(entry, "type", str),
        config=_mapping(entry, "config"),
        replay=Replay(_get(entry, "replay", str)),
        replay_rate=_get(entry, "replay_rate", int),
    )


def assemble_extensions(root: Config) -> tuple[ExtensionConfig, ...]:
    """The typed form of ``extensions:``; the other sections may be missing."""
    entries = _mappings(root, "extensions")
    taken = {
        str(entry["id"])
        for key in ("sources", "sinks", "extensions")
        for entry in _mappings(root, key)
        if "id" in entry
    }
    extensions = []
    for entry in entries:
        type_ = _get(entry, "type", str)
        id_, number = str(entry.get("id", type_)), 1
        while "id" not in entry and id_ in taken:
            number += 1
            id_ = f"{type_}-{number}"
        taken.add(id_)
        extensions.append(ExtensionConfig(id_, type_, _mapping(entry, "config")))
    return tuple(extensions)


def _get(mapping: Config, key: str, wanted: type[T]) -> T:
    value = mapping[key]
    assert isinstance(value, wanted), f"{key} is {type(value).__name__}, not {wanted.__name__}"
    return value


def _mapping(mapping: Config, key: str) -> Config:
    value = mapping[key]
    assert isinstance(value, Mapping)
    return value


def _mappings(mapping: Config, key: str) -> Sequence[Config]:
    value = mapping.get(key, ())
    assert isinstance(value, tuple)
    return value


def _texts(mapping: Config, key: str) -> tuple[str, ...]:
    return tuple(str(text) for text in _get(mapping, key, tuple))
