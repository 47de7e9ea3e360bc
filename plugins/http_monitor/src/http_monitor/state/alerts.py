"""Alerts: what is wrong now, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agent_core.api import AgentStatus, GroupState, GroupStatus, Severity, SinkState, SinkStatus
from http_monitor.state.growth import Growth
from http_monitor.state.storage import StorageSnapshot

FILL_WARNING_PCT: Final = 70.0
FILL_CRITICAL_PCT: Final = 95.0
OLDEST_ROW_WARNING_SECONDS: Final = 60.0
DISK_WARNING_PCT: Final = 10.0
DISK_CRITICAL_PCT: Final = 3.0
MAX_ERROR_CHARACTERS: Final = 160
DISK_ENOUGH_BYTES: Final = 20 * 10**9
"""Enough on any disk: with this much free there is no alert, however small the share."""


@dataclass(frozen=True, slots=True)
class Alert:
    """``code`` is stable, for scripts; ``subject`` is the id of a sink or a group, or the agent's name.

    A critical alert makes health answer 503.
    """

    severity: Severity
    code: str
    subject: str
    message: str
    next_step: str
    since_seconds: float = 0.0


_SINK_STATES: Final[Mapping[SinkState, tuple[Severity, str, str]]] = {
    SinkState.RETRYING: (
        Severity.WARNING,
        "a write failed and will be retried",
        "Nothing to do yet: the records wait in the buffer.",
    ),
    SinkState.DOWN: (
        Severity.CRITICAL,
        "writes fail",
        "Check that the server runs and can be reached from here; see the error. The agent retries automatically.",
    ),
    SinkState.THROTTLED: (
        Severity.CRITICAL,
        "the destination accepts no records for now",
        "Free space there or make it writable, as the error says. The agent retries automatically, slowly.",
    ),
    SinkState.LOCKED_OUT: (
        Severity.CRITICAL,
        "the account or its rights are refused",
        "Check password, account and rights (tagferry doctor says which). A new password needs no restart.",
    ),
    SinkState.MISCONFIGURED: (
        Severity.CRITICAL,
        "the destination cannot be used as configured",
        "Compare address, table and columns with the YAML (tagferry doctor shows the difference).",
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


class AlertBoard:
    """Judges snapshots and remembers when each alert began. Used from one thread at a time."""

    def __init__(self) -> None:
        self._growth = Growth()
        self._since: dict[tuple[str, str], float] = {}

    def judge(
        self, status: AgentStatus, groups: Sequence[GroupStatus], storage: StorageSnapshot, now_seconds: float
    ) -> tuple[Alert, ...]:
        """The alerts that stand now, critical alerts first. ``now_seconds`` is monotonic."""

        def grown(counter: str, total: int) -> int:
            return self._growth.update(counter, total, now_seconds)

        found: list[Alert] = []
        for sink in status.sinks:
            found.extend(_sink_alerts(sink, storage, grown))
        for group in groups:
            found.extend(_group_alerts(group, grown))
        found.extend(_disk_alerts(status.name, storage))
        self._since = {
            key: self._since.get(key, now_seconds) for key in ((alert.code, alert.subject) for alert in found)
        }
        standing = [
            Alert(
                alert.severity,
                alert.code,
                alert.subject,
                alert.message,
                alert.next_step,
                now_seconds - self._since[alert.code, alert.subject],
            )
            for alert in found
        ]
        return tuple(sorted(standing, key=lambda alert: alert.severity is not Severity.CRITICAL))


Grown = Callable[[str, int], int]
"""``(counter, total)`` -> by how much it grew within the last five minutes."""


def _sink_alerts(sink: SinkStatus, storage: StorageSnapshot, grown: Grown) -> Iterator[Alert]:
    id_, ledger = sink.sink_id, sink.ledger
    known = _SINK_STATES.get(sink.state)
    if known is not None:
        severity, message, next_step = known
        error = sink.last_error or ""
        if sink.next_step and sink.state in _STEP_OF_THE_ERROR:
            error, next_step = error.removesuffix(f" ({sink.next_step})"), _sentence(sink.next_step)
        detail = f": {_short(error)}" if error and sink.state is not SinkState.PAUSED else ""
        yield Alert(severity, f"sink_{sink.state}", id_, f"{message}{detail}", next_step)
    for advice in sink.advice:
        step = _sentence(advice.next_step or "see the documentation of the sink")
        yield Alert(Severity.WARNING, "sink_advice", id_, f"{advice.subject}: {advice.message}", step)
    fill = 100.0 * sink.buffer.pending_records / max(1, sink.buffer.capacity_records)
    overflow = grown(f"overflow {id_}", overflow_count(sink))
    dropped = grown(f"dropped {id_}", ledger.dropped)
    rejected = grown(f"rejected {id_}", ledger.rejected)
    if fill >= FILL_WARNING_PCT:
        severity = Severity.CRITICAL if fill >= FILL_CRITICAL_PCT else Severity.WARNING
        yield Alert(
            severity,
            "buffer_filling",
            id_,
            f"the buffer is {fill:.0f} % full ({sink.buffer.pending_records:,} records)",
            "Bring the destination back, or give the buffer enough capacity for such outages.",
        )
    if dropped:
        yield Alert(
            Severity.CRITICAL,
            "records_dropped",
            id_,
            f"{dropped:,} records were dropped in the last 5 minutes ({_reasons(ledger.dropped_by_reason)})",
            "Give the sink a fallback, such as csv_sink, or free space on the disk that its fallback writes to.",
        )
    if overflow:
        yield Alert(
            Severity.WARNING,
            "buffer_overflow",
            id_,
            f"{overflow:,} records did not fit into the buffer in the last 5 minutes",
            "If there is a fallback, they are in it and will be replayed. Raise the capacity or the number of workers.",
        )
    if rejected:
        yield Alert(
            Severity.WARNING,
            "records_rejected",
            id_,
            f"{rejected:,} records were rejected for their content in the last 5 minutes",
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


def _group_alerts(group: GroupStatus, grown: Grown) -> Iterator[Alert]:
    missed = grown(f"missed {group.source_id} {group.group_id}", group.missed)
    error = _short(group.last_error)
    detail = f": {error}" if error else ""
    if group.state is GroupState.STOPPED:
        yield Alert(
            Severity.WARNING,
            "group_stopped",
            group.group_id,
            "stopped by an operator",
            "Start it again when it may poll.",
        )
    elif group.state is GroupState.BACKING_OFF:
        yield Alert(
            Severity.CRITICAL,
            "device_away",
            group.group_id,
            f"{group.device_id} does not answer{detail}",
            "Check the device's power, its cable and its address. The agent retries automatically.",
        )
    elif group.stale:
        yield Alert(
            Severity.CRITICAL,
            "group_stale",
            group.group_id,
            f"no good poll for longer than its limit{detail}",
            "Check the device and the addresses of the group's tags.",
        )
    elif missed:
        yield Alert(
            Severity.WARNING,
            "polls_missed",
            group.group_id,
            f"{missed:,} polls were skipped in the last 5 minutes",
            f"A poll takes {_milliseconds(group.last_duration_seconds)}: lengthen the interval or poll fewer tags.",
        )


def _disk_alerts(name: str, storage: StorageSnapshot) -> Iterator[Alert]:
    free, total = storage.disk_free_bytes, storage.disk_total_bytes
    if free is None or not total or free >= DISK_ENOUGH_BYTES or 100.0 * free / total >= DISK_WARNING_PCT:
        return
    share = 100.0 * free / total
    severity = Severity.CRITICAL if share < DISK_CRITICAL_PCT else Severity.WARNING
    yield Alert(
        severity,
        "disk_low",
        name,
        f"{share:.1f} % of the disk is free ({free / 1e9:.1f} GB)",
        "Free space: backup files and buffers need it while the destination is away.",
    )


def overflow_count(sink: SinkStatus) -> int:
    """Records that did not fit into the sink's buffer since the start, wherever they went."""
    ledger = sink.ledger
    return ledger.dropped_by_reason.get("buffer_full", 0) + ledger.diverted_by_reason.get("buffer_full", 0)


def _reasons(reasons: Mapping[str, int]) -> str:
    return ", ".join(reason for reason, count in sorted(reasons.items()) if count)


def _sentence(step: str) -> str:
    return step[:1].upper() + step[1:].rstrip(".:") + "."


def _milliseconds(seconds: float | None) -> str:
    return "too long" if seconds is None else f"{seconds * 1000:.0f} ms"


def _short(error: str | None) -> str:
    """An error's message on one line, shortened: all of it is in the log and on the sink or group itself."""
    text = " ".join((error or "").split())
    return text if len(text) <= MAX_ERROR_CHARACTERS else f"{text[:MAX_ERROR_CHARACTERS]}..."
