"""The plugin: registers the source, checks its part of the configuration and converts its catalogues."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from agent_core.api import (
    ComponentContext,
    Config,
    ConfigProblem,
    Conversion,
    ConversionOptions,
    SourceFactory,
    hookimpl,
    load_schema,
)

if TYPE_CHECKING:
    from polling_source.source import PollingSource


def create(config: Config, context: ComponentContext) -> PollingSource:
    """Make the source and its drivers; tag lists are read in ``open``."""
    from polling_source.config import PollingSourceConfig
    from polling_source.source import PollingSource

    return PollingSource(PollingSourceConfig.from_config(config), context)


class Catalogues:
    """A CatalogConverter for tag lists, YAML files and SQLite files."""

    forms: Mapping[str, str] = {
        ".csv": "a tag list",
        ".yaml": "groups, as in agent.yaml",
        ".db": "a plant's SQLite file",
    }

    def convert(self, origin: Path | Config, targets: Sequence[Path], options: ConversionOptions) -> Conversion:
        from polling_source.tags.conversion import convert

        return convert(origin, targets, options)


@hookimpl
def agent_register_source() -> SourceFactory:
    return SourceFactory(
        type="polling_source",
        schema=load_schema("polling_source"),
        create=create,
        summary="polls tags of PLCs in groups, through drivers",
        catalog=Catalogues(),
    )


@hookimpl
def agent_check_config(config: Config) -> Sequence[ConfigProblem]:
    from polling_source.examination.check import check_config

    return check_config(config)
