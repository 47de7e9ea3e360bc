"""What happened: events, and rows refused for their content."""

from __future__ import annotations

from pydantic import Field

from http_monitor.answers.model import Answer, Text, iso_time
from http_monitor.answers.tags import TagValue, tag_value
from http_monitor.state.journal import Journal, JournalEntry, RejectedRecord


class EventAnswer(Answer):
    """One event, or several like ones within a minute."""

    kind: str = Field(description="sink_state, write_failed, diverted, dropped, replay, operator_action or lifecycle.")
    subject: str = Field(description="Id of the sink or group, or the agent's name.")
    message: Text = Field(description="What happened.")
    first_time: str | None = Field(description="When it happened first (UTC, ISO 8601).")
    last_time: str | None = Field(description="When it happened last (UTC, ISO 8601).")
    count: int = Field(description="How often.")
    records: int = Field(description="Rows concerned (rows).")


class EventList(Answer):
    """The last events, newest first."""

    events: tuple[EventAnswer, ...] = Field(description="At most 200 since the start.")


class RejectedRecordAnswer(Answer):
    """One row that a sink refused for its content."""

    time: str | None = Field(description="When it was refused (UTC, ISO 8601).")
    sink_id: str = Field(description="The sink that refused it.")
    tag: str = Field(description="The tag.")
    value: TagValue = Field(description="The value.")
    timestamp: str | None = Field(description="The value's time (UTC, ISO 8601).")
    source_id: str = Field(description="Where it came from: the source.")
    group_id: str = Field(description="Where it came from: the group.")
    code: Text = Field(description="The backend's own code, such as ORA-12899.")
    message: Text = Field(description="The backend's message.")


class RejectedRecords(Answer):
    """The last rejected rows, newest first; all of them are in the fallback's files."""

    total: int = Field(description="Rows rejected since the start, by all sinks, replay included (rows).")
    rows: tuple[RejectedRecordAnswer, ...] = Field(description="At most 500; of one write at most 20.")


def events(journal: Journal, limit: int) -> EventList:
    """The newest ``limit`` events."""
    return EventList(events=tuple(map(_event, journal.entries()[:limit])))


def rejected(journal: Journal, total: int, limit: int) -> RejectedRecords:
    """The newest ``limit`` rows."""
    return RejectedRecords(total=total, rows=tuple(map(_row, journal.rejected_records()[:limit])))


def _event(entry: JournalEntry) -> EventAnswer:
    return EventAnswer(
        kind=entry.kind,
        subject=entry.subject,
        message=entry.message,
        first_time=iso_time(entry.first_ns),
        last_time=iso_time(entry.last_ns),
        count=entry.count,
        records=entry.records,
    )


def _row(row: RejectedRecord) -> RejectedRecordAnswer:
    return RejectedRecordAnswer(
        time=iso_time(row.time_ns),
        sink_id=row.sink_id,
        tag=row.tag,
        value=tag_value(row.value),
        timestamp=iso_time(row.timestamp_ns),
        source_id=row.origin.source,
        group_id=row.origin.group,
        code=row.code,
        message=row.message,
    )
