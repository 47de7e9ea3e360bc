"""The agent's status as it is answered: the fields of ``agent_core.api.control``, under their own names.

A time in nanoseconds (``last_delivery_ns``) is answered as an age (``last_delivery_age_seconds``): a browser's numbers
cannot hold it, and the clocks of two machines differ.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from agent_core.api import GroupMode, GroupState, GroupStatus, Severity
from http_monitor.answers.model import Answer, Duration, Rounded, Text, age_seconds


class BufferAnswer(Answer):
    """How full one buffer is."""

    capacity_records: int = Field(description="How many records the buffer can hold.")
    pending_records: int = Field(description="Records in the buffer, those being written included.")
    ready_records: int = Field(description="Records that no worker holds.")
    leased_records: int = Field(description="Records being written now.")
    recovered_records: int = Field(
        description="Records found in a durable buffer when it was opened, or leased from a shared one."
    )
    oldest_age_seconds: Rounded = Field(
        description="How long the oldest record that no worker holds has waited (seconds)."
    )
    stored_bytes: int | None = Field(description="Size on disk (bytes); null for a buffer in memory.")
    backlog_messages: int | None = Field(
        description="Messages of a shared buffer that wait for whichever agent fetches them; null for any other buffer."
    )
    damaged_records: int = Field(description="Records in it that could not be read any more; they count as dropped.")


class LedgerAnswer(Answer):
    """Where each record of one sink is, since the start: the first two are the sum of the other seven."""

    collected: int = Field(description="Records emitted by the sources for this sink.")
    recovered: int = Field(
        description="Records found in a durable buffer when it was opened, or leased from a shared one."
    )
    filtered: int = Field(description="Records taken out by transforms.")
    delivered: int = Field(description="Records that are durable in the sink.")
    duplicates: int = Field(description="Records that the sink already had.")
    rejected: int = Field(description="Records refused for their content.")
    diverted: int = Field(description="Records handed to the fallback.")
    dropped: int = Field(description="Records lost permanently.")
    pending: int = Field(description="Records in the buffer or on the way to the sink.")
    diverted_by_reason: Mapping[str, int] = Field(description="Diverted records by reason.")
    dropped_by_reason: Mapping[str, int] = Field(description="Dropped records by reason.")
    balanced: bool = Field(description="True when every record is accounted for.")


class WhereaboutsAnswer(Answer):
    """Where the records are now: the numbers that the page, the commands and the metrics show."""

    written: int = Field(description="Records in the sink since the start, those written back from files included.")
    written_back: int = Field(description="How many of them came back from files.")
    in_memory: int = Field(description="Records that wait in the buffer or are on the way to the sink.")
    in_files: int = Field(
        description="Records that wait in the fallback to be written back, in the open file and in those of earlier "
        "runs too."
    )
    rejected: int = Field(description="Records refused for their content, kept in the fallback for you.")
    lost: int = Field(description="Records dropped since the start: they are in no place.")
    counted: bool = Field(description="False while files of an earlier run are being counted: then they are estimated.")


class ReplayAnswer(Answer):
    """Records that the running agent has written from the fallback into the sink since the start, and what is next."""

    read: int = Field(description="Records read from the fallback.")
    inserted: int = Field(description="Records that the sink took.")
    duplicates: int = Field(description="Records that the sink already had.")
    repeated: int = Field(description="Duplicates that this run had written back before: their file was read again.")
    rejected: int = Field(description="Records refused for their content.")
    backlog_files: int = Field(description="Backup files that wait for replay; rejected files are not counted.")
    automatic: bool = Field(description="True when backup files are replayed automatically; else only on request.")
    requested_files: tuple[Text, ...] = Field(description="Requested files, the next one first.")
    current_file: Text | None = Field(description="The file that is being replayed now; null: none.")
    refusal: Text | None = Field(description="Why a request to replay would be refused; null: it would not.")
    waiting_records: int = Field(description="Records that wait in backup files, the open one included.")
    rejected_records: int = Field(description="Records in files of rejected ones, the open one included.")
    counted: bool = Field(description="False while some of them are estimated.")
    deleted: int = Field(description="Rejected records that operators deleted since the start.")


class FindingAnswer(Answer):
    """Something that a sink has to say although it works."""

    severity: Severity = Field(description="How bad it is.")
    subject: str = Field(description="What it is about.")
    message: Text = Field(description="What is the matter.")
    next_step: str | None = Field(description="What to do about it.")


class GroupAnswer(Answer):
    """One polling group."""

    source_id: str = Field(description="The source that polls it.")
    group_id: str = Field(description="Its id.")
    device_id: str = Field(description="The device that it polls.")
    mode: GroupMode = Field(description="fixed (by its interval) or handshake (when triggered).")
    state: GroupState = Field(description="running, stopped, or backing_off while its device does not answer.")
    interval_seconds: float | None = Field(description="Time between polls (seconds); null for a handshake group.")
    tags: int = Field(description="Tags that one poll reads.")
    polls: int = Field(description="Polls since the start.")
    failed: int = Field(description="Polls that failed, since the start.")
    missed: int = Field(description="Polls of the schedule that were skipped, since the start.")
    merged: int = Field(description="Triggers answered by a poll already requested, since the start.")
    suppressed: int = Field(description="Values that a deadband or on-change held back, since the start.")
    stale: bool = Field(description="True when there was no good poll for longer than the group's limit.")
    last_poll_age_seconds: Rounded | None = Field(description="Time since the last poll (seconds); null: none yet.")
    last_duration_seconds: Duration | None = Field(description="How long the last poll took (seconds).")
    last_error: Text | None = Field(description="Message of the last poll that failed; null: none failed.")


def group_answer(group: GroupStatus, now_ns: int) -> GroupAnswer:
    """One group as it is answered."""
    return GroupAnswer(
        source_id=group.source_id,
        group_id=group.group_id,
        device_id=group.device_id,
        mode=group.mode,
        state=group.state,
        interval_seconds=group.interval_seconds,
        tags=group.tags,
        polls=group.polls,
        failed=group.failed,
        missed=group.missed,
        merged=group.merged,
        suppressed=group.suppressed,
        stale=group.stale,
        last_poll_age_seconds=age_seconds(group.last_poll_ns, now_ns),
        last_duration_seconds=group.last_duration_seconds,
        last_error=group.last_error,
    )
