"""The plugin: registers the sink and checks its part of the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent_core.api import (
    ComponentContext,
    Config,
    ConfigError,
    ConfigProblem,
    SinkFactory,
    hookimpl,
    load_schema,
    settings,
)
from oracle_sink.session.latch import Latches

if TYPE_CHECKING:
    from oracle_sink.sink import OracleSink


@hookimpl
def agent_register_sink() -> SinkFactory:
    latches = Latches()  # shared by all sinks that this factory makes: one log-in attempt for all of an account

    def create(config: Config, context: ComponentContext) -> OracleSink:
        """Make the sink; the database is touched in ``open``."""
        from oracle_sink.checks import sink_problems
        from oracle_sink.config import OracleSinkConfig
        from oracle_sink.sink import OracleSink

        typed = settings(OracleSinkConfig, config)
        if problems := list(sink_problems(typed)):
            raise ConfigError(problems)
        return OracleSink(typed, context, latches.of(typed.dsn, typed.user, context.state_dir))

    return SinkFactory(
        type="oracle_sink",
        schema=load_schema("oracle_sink"),
        create=create,
        summary="writes into an Oracle table with array DML; each record has its own outcome",
    )


@hookimpl
def agent_check_config(config: Config) -> Sequence[ConfigProblem]:
    from oracle_sink.checks import problems

    return problems(config)
