"""What happened: events, and records that a sink refused for their content."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from http_monitor.answers.model import Answer, Text, iso_time
from http_monitor.answers.tags import TagValue, tag_value
from http_monitor.state.journal import EntryKind, JournalEntry, RejectedRecord
from http_monitor.state.monitor_state import MonitorState


class EventAnswer(Answer):
    """One event, or several similar ones within a minute."""

    kind: str = Field(
        description="sink_state, write_failed, diverted, dropped, replay, device, source_state, operator_action "
        "or lifecycle."
    )
    subject: str = Field(description="Id of the sink or group, or the agent's name.")
    message: Text = Field(description="What happened.")
    first_time: str | None = Field(description="When it first happened (UTC, ISO 8601).")
    last_time: str | None = Field(description="When it last happened (UTC, ISO 8601).")
    count: int = Field(description="How often it happened.")
    records: int = Field(description="How many records it concerned.")


class EventList(Answer):
    """The last events, newest first."""

    events: tuple[EventAnswer, ...] = Field(description="At most 200 since the start.")


class RejectedRecordAnswer(Answer):
    """One record that a sink refused for its content."""

    time: str | None = Field(description="When it was refused (UTC, ISO 8601).")
    sink_id: str = Field(description="The sink that refused it.")
    tag: str = Field(description="The tag's name.")
    value: TagValue = Field(description="The value.")
    timestamp: str | None = Field(description="The value's time (UTC, ISO 8601).")
    source_id: str = Field(description="Where it came from: the source.")
    group_id: str = Field(description="Where it came from: the group.")
    code: Text = Field(description="The backend's own code, such as ORA-12899.")
    message: Text = Field(description="The backend's message.")


class RejectedRecords(Answer):
    """The last rejected records, newest first; the files of the fallback have all of them."""

    total: int = Field(description="Records rejected since the start, by all sinks, replay included.")
    records: tuple[RejectedRecordAnswer, ...] = Field(description="At most 500, and at most 20 of one write.")


def events(monitor: MonitorState, limit: int) -> EventList:
    """The newest ``limit`` events."""
    newest = monitor.journal.entries()[:limit]
    return EventList(events=tuple(_event(entry, monitor.redact) for entry in newest))


def rejected(monitor: MonitorState, total: int, limit: int) -> RejectedRecords:
    """The newest ``limit`` records."""
    newest = monitor.journal.rejected_records()[:limit]
    return RejectedRecords(total=total, records=tuple(_record(record, monitor.redact) for record in newest))


def _event(entry: JournalEntry, redact: Callable[[str], str]) -> EventAnswer:
    # An operator's note is the operator's own: redacted, it would tell whether a guess is a secret.
    message = entry.message if entry.kind is EntryKind.OPERATOR_ACTION else redact(entry.message)
    return EventAnswer(
        kind=entry.kind,
        subject=entry.subject,
        message=" ".join(message.split()),
        first_time=iso_time(entry.first_ns),
        last_time=iso_time(entry.last_ns),
        count=entry.count,
        records=entry.records,
    )


def _record(record: RejectedRecord, redact: Callable[[str], str]) -> RejectedRecordAnswer:
    return RejectedRecordAnswer(
        time=iso_time(record.time_ns),
        sink_id=record.sink_id,
        tag=record.tag,
        value=tag_value(record.value),
        timestamp=iso_time(record.timestamp_ns),
        source_id=record.origin.source,
        group_id=record.origin.group,
        code=redact(record.code),
        message=redact(record.message),
    )
