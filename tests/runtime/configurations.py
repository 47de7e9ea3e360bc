"""Configurations as if they had been loaded: a test replaces what it is about."""

from __future__ import annotations

from pathlib import Path

from agent_core.config import (
    AgentConfig,
    BatchConfig,
    BreakerConfig,
    BufferConfig,
    LogConfig,
    LogFormat,
    PluginsConfig,
    RetryConfig,
    SinkConfig,
)

SINK = SinkConfig(
    id="warehouse",
    type="acme",
    inputs=("line",),
    config={},
    buffer=BufferConfig("acme", {}),
    batch=BatchConfig(10, 0.5),
    retry=RetryConfig(3, 1, 2, 0.2, 60),
    breaker=BreakerConfig(30, 60),
    workers=1,
    write_limit_seconds=60,
    divert=None,
    divert_after_seconds=10,
    fallback=None,
)
AGENT = AgentConfig(
    file=Path("agent.yaml"),
    name="line-1",
    state_dir=Path("state"),
    shutdown_timeout_seconds=30,
    start_timeout_seconds=5,
    plugins=PluginsConfig((), ()),
    log=LogConfig("info", LogFormat.CONSOLE, None),
    sources=(),
    sinks=(),
    extensions=(),
    mapping={},
    warnings=(),
)
