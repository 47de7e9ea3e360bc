"""Observer: the extension's ears. Every method runs in a data thread and works per batch, never per value."""

from __future__ import annotations

from typing import Protocol

from agent_core.api import (
    AgentView,
    Batch,
    DivertReason,
    DropReason,
    SinkState,
    WriteOutcome,
    hookimpl,
)
from http_monitor.state.journal import EntryKind, Journal
from http_monitor.state.tag_table import TagTable
from http_monitor.state.write_stats import WriteStats


class Lifecycle(Protocol):
    """Who wants to know that the agent runs, stops, or has written back rows of a backup."""

    def started(self, agent: AgentView) -> None: ...
    def stopping(self) -> None: ...
    def replayed(self, sink_id: str, outcome: WriteOutcome) -> None: ...


class Observer:
    """Hands events on to what remembers them."""

    def __init__(self, lifecycle: Lifecycle, tags: TagTable, writes: WriteStats, journal: Journal) -> None:
        self._lifecycle = lifecycle
        self._tags = tags
        self._writes = writes
        self._journal = journal

    @hookimpl
    def agent_started(self, agent: AgentView) -> None:
        self._lifecycle.started(agent)
        self._journal.note(EntryKind.LIFECYCLE, agent.name, "the agent started")

    @hookimpl
    def agent_stopping(self, agent: AgentView, reason: str) -> None:
        self._lifecycle.stopping()
        self._journal.note(EntryKind.LIFECYCLE, agent.name, f"the agent stops: {reason}")

    @hookimpl
    def agent_batch_collected(self, batch: Batch) -> None:
        self._tags.note(batch)

    @hookimpl
    def agent_batch_delivered(
        self, sink_id: str, batch: Batch, outcome: WriteOutcome, elapsed_seconds: float, replayed_file: str | None
    ) -> None:
        self._writes.delivered(sink_id, len(batch), elapsed_seconds)
        if replayed_file is not None:
            self._lifecycle.replayed(sink_id, outcome)
        if outcome.rejected:
            self._journal.rejected(sink_id, batch, outcome)

    @hookimpl
    def agent_batch_failed(self, sink_id: str, batch: Batch, error: BaseException) -> None:
        self._writes.failed(sink_id)
        message = " ".join(str(error).split()) or type(error).__name__
        self._journal.note(EntryKind.WRITE_FAILED, sink_id, message, len(batch), merge=True)

    @hookimpl
    def agent_batch_diverted(self, sink_id: str, batch: Batch, reason: DivertReason) -> None:
        message = f"rows went to the fallback: {_words(reason)}"
        self._journal.note(EntryKind.DIVERTED, sink_id, message, len(batch), merge=True)

    @hookimpl
    def agent_records_dropped(self, component_id: str, count: int, reason: DropReason) -> None:
        self._journal.note(EntryKind.DROPPED, component_id, f"rows were lost: {_words(reason)}", count, merge=True)

    @hookimpl
    def agent_sink_state_changed(self, sink_id: str, old: SinkState, new: SinkState, reason: str) -> None:
        self._journal.note(EntryKind.SINK_STATE, sink_id, f"{old} -> {new}: {' '.join(reason.split())}")


def _words(reason: DivertReason | DropReason) -> str:
    return reason.value.replace("_", " ")
