"""The plugin: registers the extension and checks its part of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent_core.api import ComponentContext, Config, ConfigProblem, ExtensionFactory, hookimpl, load_schema, settings

if TYPE_CHECKING:
    from http_monitor.extension import HttpMonitor


def create(config: Config, context: ComponentContext) -> HttpMonitor:
    """Make the extension; the port is taken in ``open``."""
    from http_monitor.config import HttpMonitorConfig
    from http_monitor.extension import HttpMonitor

    return HttpMonitor(settings(HttpMonitorConfig, config), context)


@hookimpl
def agent_register_extension() -> ExtensionFactory:
    return ExtensionFactory(
        type="http_monitor",
        schema=load_schema("http_monitor"),
        create=create,
        summary="a dashboard, JSON over HTTP and Prometheus metrics of the running agent",
    )


@hookimpl
def agent_check_config(config: Config) -> Sequence[ConfigProblem]:
    from http_monitor.check import check_config

    return check_config(config)
