"""The plugin: registers the sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_core.api import ComponentContext, Config, SinkFactory, hookimpl, load_schema, settings

if TYPE_CHECKING:
    from sqlite_sink.sink import SqliteSink


def create(config: Config, context: ComponentContext) -> SqliteSink:
    """Make the sink; the database is touched in ``open``."""
    from sqlite_sink.config import SqliteSinkConfig
    from sqlite_sink.sink import SqliteSink

    return SqliteSink(settings(SqliteSinkConfig, config), context)


@hookimpl
def agent_register_sink() -> SinkFactory:
    return SinkFactory(
        type="sqlite_sink",
        schema=load_schema("sqlite_sink"),
        create=create,
        summary="writes into a table of a SQLite file, which any SQLite browser can open",
    )
