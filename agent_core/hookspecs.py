"""Every hook, in lifecycle order.

Hooks build parts and announce events; data moves by plain method calls. The register hooks are called once, when a
plugin is loaded. Each observer of a running agent hears its events in order, in a thread of its own: what it does there
holds up nobody. Up to 1,000 events wait for it; when it has made no room for half a second, further ones are dropped
for this observer, logged and counted. One that uses more than 1 ms of CPU time is named in the log, one that raises is
logged and counted.
"""

# A hook that returns something has no body here; pluggy calls only the implementations.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

from collections.abc import Sequence

from agent_core.api.batch import Batch
from agent_core.api.components import Config, DivertReason, DropReason, WriteOutcome
from agent_core.api.control import AgentView, SinkState
from agent_core.api.errors import ConfigProblem
from agent_core.api.plugin.factories import (
    BufferFactory,
    DriverFactory,
    ExtensionFactory,
    SinkFactory,
    SourceFactory,
    TransformFactory,
)
from agent_core.api.plugin.markers import hookspec


@hookspec
def agent_register_source() -> SourceFactory:
    """Provide a source. Called once, when the plugin is loaded."""


@hookspec
def agent_register_driver() -> DriverFactory:
    """Provide a driver for polling sources. Called once, when the plugin is loaded."""


@hookspec
def agent_register_transform() -> TransformFactory:
    """Provide a transform. Called once, when the plugin is loaded."""


@hookspec
def agent_register_buffer() -> BufferFactory:
    """Provide a buffer. Called once, when the plugin is loaded."""


@hookspec
def agent_register_sink() -> SinkFactory:
    """Provide a sink. Called once, when the plugin is loaded."""


@hookspec
def agent_register_extension() -> ExtensionFactory:
    """Provide an extension. Called once, when the plugin is loaded."""


@hookspec(firstresult=True)
def agent_resolve_secret(reference: str) -> str | None:
    """Resolve what stands between ``${`` and ``}`` when the environment, ``.env`` and ``file:`` do not know it.

    Called while the configuration is read, and again each time a Secret is revealed.
    ``reference``: the text without ``${``, ``}`` and ``:-default``. Stops at the first result that is not None.
    """


@hookspec
def agent_check_config(config: Config) -> Sequence[ConfigProblem]:
    """Report what JSON Schema cannot say: no network, no writing; files that the YAML names may be read.

    Called after the schema has passed, before anything is made.
    ``config``: the whole validated configuration, as the YAML nests it.
    """


@hookspec
def agent_started(agent: AgentView) -> None:
    """Every part is open and the sources run. Called once, in a thread of the agent that waits for it."""


@hookspec
def agent_batch_collected(source_id: str, batch: Batch) -> None:
    """A source emitted ``batch``; the transforms have not seen it yet."""


@hookspec
def agent_batch_delivered(
    sink_id: str,
    batch: Batch,
    outcome: WriteOutcome,
    attempt: int,
    elapsed_seconds: float,
    replayed_file: str | None,
) -> None:
    """A write returned, and the ledger has moved the records.

    ``attempt`` counts from 1; ``elapsed_seconds`` is the time of the write that returned. ``replayed_file`` is the
    backup file that the records were read back from, None for live ones.
    """


@hookspec
def agent_batch_failed(
    sink_id: str, batch: Batch, error: BaseException, attempt: int, retry_in_seconds: float | None
) -> None:
    """A write raised. The text of ``error`` has no secret in it.

    ``retry_in_seconds`` is when the same records are tried again, None when they leave for the fallback.
    """


@hookspec
def agent_batch_diverted(sink_id: str, fallback_id: str, batch: Batch, reason: DivertReason) -> None:
    """``batch`` is durable in the fallback."""


@hookspec
def agent_records_dropped(component_id: str, count: int, reason: DropReason) -> None:
    """``count`` records are lost permanently."""


@hookspec
def agent_sink_state_changed(
    sink_id: str, old: SinkState, new: SinkState, reason: str, next_probe_seconds: float | None
) -> None:
    """A sink changed its state; ``reason`` is the error's message, or what ended it."""


@hookspec
def agent_stopping(agent: AgentView, reason: str) -> None:
    """The agent begins to stop; sources still run. Called once, in a thread of the agent. ``reason``: ``SIGTERM`` ...

    The stop waits for it for a twentieth of ``shutdown_timeout``.
    """
