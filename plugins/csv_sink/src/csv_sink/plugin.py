"""The plugin: registers the sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_core.api import ComponentContext, Config, SinkFactory, hookimpl, load_schema, settings
from csv_sink.backup import CsvBackups

if TYPE_CHECKING:
    from csv_sink.sink import CsvSink


def create(config: Config, context: ComponentContext) -> CsvSink:
    """Make the sink; the disk is touched in ``open``."""
    from csv_sink.config import CsvSinkConfig
    from csv_sink.sink import CsvSink

    return CsvSink(settings(CsvSinkConfig, config), context)


@hookimpl
def agent_register_sink() -> SinkFactory:
    return SinkFactory(
        type="csv_sink",
        schema=load_schema("csv_sink"),
        create=create,
        summary="keeps records in CSV files that a spreadsheet can open and `tagferry replay` reads back exactly",
        backup_reader=CsvBackups(),
    )
