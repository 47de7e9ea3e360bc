"""Polling groups, in the fields of existing dashboards, and what came of an operator's action."""

from __future__ import annotations

from pydantic import Field

from agent_core.api import GroupState, GroupStatus
from http_monitor.answers.model import Answer, Rounded, Text, iso_time, rounded
from http_monitor.answers.status import GroupAnswer, group_answer
from http_monitor.state.monitor_state import Now


class PollingGroup(GroupAnswer):
    """One polling group, also with the fields of existing dashboards."""

    last_poll_time: str | None = Field(description="Time of the last poll (UTC, ISO 8601); null: none yet.")
    last_duration_ms: float | None = Field(description="How long the last poll took (ms).")


class PollingStatus(Answer):
    """All polling groups."""

    total_groups: int = Field(description="How many groups there are.")
    running_groups: int = Field(description="How many run, those included whose device does not answer.")
    stopped_groups: int = Field(description="How many an operator has stopped.")
    backing_off_groups: int = Field(description="How many wait for a device that does not answer.")
    stale_groups: int = Field(description="How many had no good poll for longer than their limit.")
    groups: tuple[PollingGroup, ...] = Field(description="One entry per group, in the order of the YAML.")


class QueueStatus(Answer):
    """What waits between polling and the sinks: polled records go straight into the buffers."""

    queue_size: int = Field(description="Records in all buffers.")
    queue_max_size: int = Field(description="How many records all buffers can hold.")
    utilization_pct: float = Field(description="queue_size / queue_max_size (percent, 0 to 100).")
    oldest_age_seconds: Rounded = Field(description="How long the oldest record has waited (seconds).")
    values_per_second: Rounded = Field(description="Records collected (per second, average over 10 s).")
    dropped_count: int = Field(description="Records lost permanently since the start.")


class ControlResult(Answer):
    """What came of an operator's action."""

    success: bool = Field(description="False when it was not achieved; message says why.")
    message: Text = Field(description="What happened.")


class RejectedDeleted(ControlResult):
    """What came of deleting a file of rejected records."""

    records: int = Field(description="Records that were in it.")


class TriggerAnswer(ControlResult):
    """What came of a trigger."""

    tags_read: int = Field(description="Tags that the poll read.")
    duration_ms: float = Field(description="How long the poll took (ms).")


def polling_group(group: GroupStatus, now_ns: int) -> PollingGroup:
    """One group as it is answered."""
    duration = group.last_duration_seconds
    return PollingGroup(
        **group_answer(group, now_ns).model_dump(),
        last_poll_time=iso_time(group.last_poll_ns),
        last_duration_ms=None if duration is None else rounded(1000 * duration),
    )


def polling_status(now: Now) -> PollingStatus:
    """From a snapshot."""
    states = [group.state for group in now.groups]
    stopped = states.count(GroupState.STOPPED)
    return PollingStatus(
        total_groups=len(states),
        running_groups=len(states) - stopped,
        stopped_groups=stopped,
        backing_off_groups=states.count(GroupState.BACKING_OFF),
        stale_groups=sum(group.stale for group in now.groups),
        groups=tuple(polling_group(group, now.time_ns) for group in now.groups),
    )


def queue_status(now: Now) -> QueueStatus:
    """From a snapshot."""
    stats = [sink.buffer for sink in now.status.sinks]
    size, capacity = sum(one.pending_records for one in stats), sum(one.capacity_records for one in stats)
    return QueueStatus(
        queue_size=size,
        queue_max_size=capacity,
        utilization_pct=rounded(100.0 * size / capacity) if capacity else 0.0,
        oldest_age_seconds=max((one.oldest_age_seconds for one in stats), default=0.0),
        values_per_second=now.rates.collected,
        dropped_count=sum(sink.ledger.dropped for sink in now.status.sinks),
    )
