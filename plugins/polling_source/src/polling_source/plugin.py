"""The plugin: registers the source and checks its part of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent_core.api import ComponentContext, Config, ConfigProblem, SourceFactory, hookimpl, load_schema

if TYPE_CHECKING:
    from polling_source.source import PollingSource


def create(config: Config, context: ComponentContext) -> PollingSource:
    """Make the source and its drivers; tag lists are read in ``open``."""
    from polling_source.config import PollingSourceConfig
    from polling_source.source import PollingSource

    return PollingSource(PollingSourceConfig.from_config(config), context)


@hookimpl
def agent_register_source() -> SourceFactory:
    return SourceFactory(
        type="polling_source",
        schema=load_schema("polling_source"),
        create=create,
        summary="polls tags of PLCs in groups, through drivers",
    )


@hookimpl
def agent_check_config(config: Config) -> Sequence[ConfigProblem]:
    from polling_source.check import check_config

    return check_config(config)
