"""The plugin: registers the sink."""

from __future__ import annotations

from typing import TYPE_CHECKING

from agent_core.api import ComponentContext, Config, SinkFactory, hookimpl, load_schema
from oracle_sink.latch import Latches

if TYPE_CHECKING:
    from oracle_sink.sink import OracleSink


@hookimpl
def agent_register_sink() -> SinkFactory:
    latches = Latches()  # shared by all sinks that this factory makes

    def create(config: Config, context: ComponentContext) -> OracleSink:
        """Make the sink; the database is touched in ``open``."""
        from oracle_sink.config import OracleSinkConfig
        from oracle_sink.sink import OracleSink

        typed = OracleSinkConfig.from_config(config)
        return OracleSink(typed, context, latches.of(typed.dsn, typed.user))

    return SinkFactory(
        type="oracle_sink",
        schema=load_schema("oracle_sink"),
        create=create,
        summary="writes into an Oracle table with array DML, each row with an outcome of its own",
    )
