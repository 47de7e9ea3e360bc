"""Observer: hears the agent's events. Every method runs in a data thread and works per batch, never per record."""

from __future__ import annotations

from agent_core.api import (
    AgentView,
    Batch,
    DivertReason,
    DropReason,
    SinkState,
    WriteOutcome,
    hookimpl,
)
from http_monitor.state.journal import EntryKind
from http_monitor.state.monitor_state import MonitorState


class Observer:
    """Hands events on to the parts of the state that remember them."""

    def __init__(self, state: MonitorState) -> None:
        self._state = state

    @hookimpl
    def agent_started(self, agent: AgentView) -> None:
        self._state.started(agent)
        self._state.journal.note(EntryKind.LIFECYCLE, agent.name, "the agent started")

    @hookimpl
    def agent_stopping(self, agent: AgentView, reason: str) -> None:
        self._state.stopping()
        self._state.journal.note(EntryKind.LIFECYCLE, agent.name, f"the agent stops: {reason}")

    @hookimpl
    def agent_batch_collected(self, batch: Batch) -> None:
        self._state.tags.note(batch)

    @hookimpl
    def agent_batch_delivered(
        self, sink_id: str, batch: Batch, outcome: WriteOutcome, elapsed_seconds: float, replayed_file: str | None
    ) -> None:
        self._state.writes.delivered(sink_id, len(batch), elapsed_seconds)
        if replayed_file is not None:
            self._state.replays.wrote(sink_id, replayed_file, outcome)
        if outcome.rejected:
            self._state.journal.rejected(sink_id, batch, outcome)

    @hookimpl
    def agent_batch_failed(self, sink_id: str, batch: Batch, error: BaseException) -> None:
        self._state.writes.failed(sink_id)
        message = str(error)
        if not message.strip():
            message = type(error).__name__
        self._state.journal.note(EntryKind.WRITE_FAILED, sink_id, message, len(batch), merge=True)

    @hookimpl
    def agent_batch_diverted(self, sink_id: str, batch: Batch, reason: DivertReason) -> None:
        message = f"records went to the fallback: {_words(reason)}"
        self._state.journal.note(EntryKind.DIVERTED, sink_id, message, len(batch), merge=True)

    @hookimpl
    def agent_records_dropped(self, component_id: str, count: int, reason: DropReason) -> None:
        self._state.journal.note(
            EntryKind.DROPPED, component_id, f"records were dropped: {_words(reason)}", count, merge=True
        )

    @hookimpl
    def agent_sink_state_changed(self, sink_id: str, old: SinkState, new: SinkState, reason: str) -> None:
        self._state.journal.note(EntryKind.SINK_STATE, sink_id, f"{old} -> {new}: {reason}")


def _words(reason: DivertReason | DropReason) -> str:
    return reason.value.replace("_", " ")
