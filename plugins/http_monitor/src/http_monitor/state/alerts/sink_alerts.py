"""Alerts of one sink: its state, its writes, its buffer, and what became of its records."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

from agent_core.api import Severity, SinkState, SinkStatus
from http_monitor.state.alerts.alert import Alert, Grown, reasons, sentence, short
from http_monitor.state.storage import StorageSnapshot

FILL_WARNING_PCT: Final = 70.0
FILL_CRITICAL_PCT: Final = 95.0
OLDEST_ROW_WARNING_SECONDS: Final = 60.0
SLOW_WRITE_SECONDS: Final = 10.0
"""A write under way for longer is worth a look, or earlier when records leave for the fallback earlier. One that is
longer than its limit makes the sink ``down``."""

_SINK_STATES: Final[Mapping[SinkState, tuple[Severity, str, str]]] = {
    SinkState.RETRYING: (
        Severity.WARNING,
        "a write failed and will be retried",
        "Nothing to do yet: the records wait in the buffer.",
    ),
    SinkState.DOWN: (
        Severity.CRITICAL,
        "writes fail",
        "Fix what the error says. The agent retries automatically; Try now does it at once.",
    ),
    SinkState.THROTTLED: (
        Severity.CRITICAL,
        "the destination accepts no records for now",
        "Free space there or make it writable, as the error says. The agent retries automatically, slowly.",
    ),
    SinkState.LOCKED_OUT: (
        Severity.CRITICAL,
        "the account or its rights are refused",
        "Check password, account and rights (tagferry doctor says which). A new password needs no restart: Try now.",
    ),
    SinkState.MISCONFIGURED: (
        Severity.CRITICAL,
        "the destination cannot be used as configured",
        "Compare the destination with the YAML (tagferry doctor shows the difference).",
    ),
    SinkState.PAUSED: (
        Severity.WARNING,
        "paused by an operator; nothing is written",
        "Resume it before the buffer is full.",
    ),
}


_STEP_OF_THE_ERROR: Final = frozenset(
    {SinkState.DOWN, SinkState.THROTTLED, SinkState.LOCKED_OUT, SinkState.MISCONFIGURED}
)
"""In these states somebody has to act, and the error's own next step is more precise than that of the state."""


def sink_alerts(sink: SinkStatus, storage: StorageSnapshot, grown: Grown, *, stopping: bool) -> Iterator[Alert]:
    """What is wrong with one sink. While the agent stops, workers that have ended are no fault."""
    id_, ledger = sink.sink_id, sink.ledger
    known = _SINK_STATES.get(sink.state)
    if known is not None:
        severity, message, next_step = known
        error = sink.last_error or ""
        if sink.next_step and sink.state in _STEP_OF_THE_ERROR:
            error, next_step = error.removesuffix(f" ({sink.next_step})"), sentence(sink.next_step)
        detail = f": {short(error)}" if error and sink.state is not SinkState.PAUSED else ""
        yield Alert(severity, f"sink_{sink.state}", id_, f"{message}{detail}", next_step)
    for advice in sink.advice:
        step = sentence(advice.next_step or "see the documentation of the sink")
        severity = Severity.CRITICAL if advice.severity is Severity.CRITICAL else Severity.WARNING
        yield Alert(severity, "sink_advice", id_, f"{advice.subject}: {advice.message}", step)
    yield from _write_alerts(sink, stopping=stopping)
    fill = 100.0 * sink.buffer.pending_records / max(1, sink.buffer.capacity_records)
    overflow = grown(f"overflow {id_}", ledger.diverted_by_reason.get("buffer_full", 0))
    dropped = grown(f"dropped {id_}", ledger.dropped)
    rejected = grown(f"rejected {id_}", ledger.rejected)
    if fill >= FILL_WARNING_PCT:
        severity = Severity.CRITICAL if fill >= FILL_CRITICAL_PCT else Severity.WARNING
        yield Alert(
            severity,
            "buffer_filling",
            id_,
            f"the buffer is {fill:.0f} % full ({_records(sink.buffer.pending_records)})",
            "Bring the destination back, or give the buffer enough capacity for such outages.",
        )
    if dropped:
        yield Alert(
            Severity.CRITICAL,
            "records_dropped",
            id_,
            f"{_records(dropped)} dropped in the last 5 minutes ({reasons(ledger.dropped_by_reason)})",
            "Give the sink a fallback, such as csv_sink, or free space on the disk that its fallback writes to.",
        )
    if overflow:
        yield Alert(
            Severity.WARNING,
            "buffer_overflow",
            id_,
            f"{_records(overflow)} did not fit into the buffer in the last 5 minutes and went into files",
            "They are written back later. If it happens often, raise the capacity or the number of workers.",
        )
    if rejected:
        yield Alert(
            Severity.WARNING,
            "records_rejected",
            id_,
            f"{_records(rejected)} rejected for {'its' if rejected == 1 else 'their'} content in the last 5 minutes",
            "The dashboard shows the reason for each record: fix the cause, then replay the file there.",
        )
    oldest = sink.buffer.oldest_age_seconds
    if oldest >= OLDEST_ROW_WARNING_SECONDS and sink.state is SinkState.UP:
        yield Alert(
            Severity.WARNING,
            "sink_behind",
            id_,
            f"the oldest record has waited {oldest:.0f} s although the sink is up",
            "The sink is slower than the sources: raise max_records of its batch, or the number of workers.",
        )
    waiting = [file for file in storage.backlog.get(id_, ()) if not file.rejected]
    refusal = sink.replay.refusal if sink.replay else None
    if waiting and sink.state is SinkState.UP and (refusal or not (sink.replay and sink.replay.automatic)):
        yield Alert(
            Severity.WARNING,
            "backlog_waits",
            id_,
            f"{len(waiting):,} backup {'file waits' if len(waiting) == 1 else 'files wait'} and nothing replays "
            f"{'it' if len(waiting) == 1 else 'them'}",
            f"{refusal}." if refusal else "Replay on the dashboard, or set replay: automatic in the fallback.",
        )
    if not ledger.balanced:
        yield Alert(
            Severity.CRITICAL,
            "ledger_unbalanced",
            id_,
            "the ledger does not balance: this is a defect of the agent",
            "Keep the log and report it. Compare the table with the tags before you trust the counts.",
        )


def _write_alerts(sink: SinkStatus, *, stopping: bool) -> Iterator[Alert]:
    if sink.workers_running == 0 and sink.state is not SinkState.DOWN and not stopping:
        yield Alert(
            Severity.CRITICAL,
            "sink_without_worker",
            sink.sink_id,
            "no worker is left to write to it",
            "Restart the agent; its log says why they ended.",
        )
    elif (sink.write_seconds or 0.0) >= _slow_write_seconds(sink) and sink.state is not SinkState.DOWN:
        yield Alert(
            Severity.WARNING,
            "write_hangs",
            sink.sink_id,
            f"a write has not returned for {sink.write_seconds:.0f} s",
            "Look for locks, load or a network that swallows answers. Beyond its limit the sink counts as down.",
        )


def _slow_write_seconds(sink: SinkStatus) -> float:
    diverts_after = math.inf if sink.divert_after_seconds is None else sink.divert_after_seconds
    return min(SLOW_WRITE_SECONDS, max(1.0, diverts_after))


def _records(number: int) -> str:
    return "1 record" if number == 1 else f"{number:,} records"


def overflow_count(sink: SinkStatus) -> int:
    """Records that did not fit into the sink's buffer since the start, wherever they went."""
    ledger = sink.ledger
    return ledger.dropped_by_reason.get("buffer_full", 0) + ledger.diverted_by_reason.get("buffer_full", 0)
