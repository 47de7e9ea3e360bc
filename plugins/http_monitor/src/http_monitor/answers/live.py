"""Live: everything that the dashboard draws, once a second; and the history of its chart."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version

from pydantic import Field

from agent_core.api import SinkStatus, SourceStatus
from http_monitor.answers.buffer import AlertAnswer, SinkBuffer, alert_answer, sink_buffer
from http_monitor.answers.model import Answer, age_seconds, iso_time, rounded
from http_monitor.answers.polling import GroupAnswer, group_answer
from http_monitor.answers.writer import (
    Backup,
    LedgerAnswer,
    ReplayAnswer,
    SinkWriter,
    backup,
    ledger_answer,
    replay_answer,
    sink_writer,
)
from http_monitor.state.monitor_state import Health, MonitorState, Now, Phase


class LiveAgent(Answer):
    """The agent itself."""

    name: str = Field(description="agent: name in the YAML.")
    version: str = Field(description="Version of the core.")
    phase: Phase = Field(description="starting, running or stopping.")
    uptime_seconds: float = Field(description="How long it has run (seconds).")
    health: Health = Field(description="ok, degraded or failing.")
    values_per_second: float = Field(description="Rows collected (rows per second, over 10 s).")
    tags: int = Field(description="Tags seen so far.")
    tags_not_good: int = Field(description="How many of them are BAD or UNCERTAIN now.")


class LiveSource(Answer):
    """One source."""

    source_id: str = Field(description="Its id.")
    type: str = Field(description="Its plugin.")
    collected: int = Field(description="Rows emitted since the start (rows).")
    values_per_second: float = Field(description="Rows emitted (rows per second, over 10 s).")
    last_batch_age_seconds: float | None = Field(description="Since its last batch (seconds); null: none yet.")


class LiveSink(Answer):
    """One sink with its buffer."""

    sink_id: str = Field(description="Its id.")
    type: str = Field(description="Its plugin.")
    state: str = Field(description="up, retrying, down, throttled, locked_out, misconfigured or paused.")
    rows_per_second: float = Field(description="Rows delivered (rows per second, over 10 s).")
    last_delivery_age_seconds: float | None = Field(description="Since the last write that returned (seconds).")
    inputs: tuple[str, ...] = Field(description="Ids of the sources that feed it.")
    buffer: SinkBuffer = Field(description="Its buffer.")
    writer: SinkWriter = Field(description="Its writes.")
    ledger: LedgerAnswer = Field(description="Its ledger.")
    replay: ReplayAnswer | None = Field(description="Its replay; null when its fallback cannot be read back.")
    backup: Backup = Field(description="The files that wait in its fallback.")


class LivePoint(Answer):
    """The newest point of the chart."""

    time_seconds: float = Field(description="Seconds since the epoch, UTC.")
    values_per_second: float = Field(description="Rows collected since the point before (rows per second).")
    fill_pct: Mapping[str, float] = Field(description="Buffer fill by sink (percent).")
    write_ms: Mapping[str, float | None] = Field(description="Average write time by sink (ms); null: no write.")


class Live(Answer):
    """The whole agent at one moment."""

    time: str | None = Field(description="When this was true (UTC, ISO 8601).")
    agent: LiveAgent = Field(description="The agent itself.")
    sources: tuple[LiveSource, ...] = Field(description="One entry a source.")
    sinks: tuple[LiveSink, ...] = Field(description="One entry a sink.")
    groups: tuple[GroupAnswer, ...] = Field(description="One entry a polling group.")
    alerts: tuple[AlertAnswer, ...] = Field(description="What is wrong now, critical ones first.")
    point: LivePoint | None = Field(description="The newest point of the chart; null before the first.")
    incidents: int = Field(description="Grows with each event and rejected row: ask for them again when it does.")


class History(Answer):
    """The chart's points of up to 15 minutes, oldest first; all lists are of one length."""

    time_seconds: tuple[float, ...] = Field(description="Seconds since the epoch, UTC.")
    values_per_second: tuple[float, ...] = Field(description="Rows collected (rows per second).")
    fill_pct: Mapping[str, tuple[float | None, ...]] = Field(description="Buffer fill by sink (percent).")
    write_ms: Mapping[str, tuple[float | None, ...]] = Field(description="Average write time by sink (ms).")


def live(monitor: MonitorState, now: Now) -> Live:
    """From a snapshot."""
    points = monitor.timeline.recent()
    last = points[-1] if points else None
    return Live(
        time=iso_time(now.time_ns),
        agent=LiveAgent(
            name=now.status.name,
            version=core_version(),
            phase=monitor.phase,
            uptime_seconds=rounded(now.status.uptime_seconds),
            health=now.health,
            values_per_second=rounded(now.rates.collected),
            tags=monitor.tags.total,
            tags_not_good=monitor.tags.not_good(),
        ),
        sources=tuple(_source(source, now) for source in now.status.sources),
        sinks=tuple(_sink(monitor, sink, now) for sink in now.status.sinks),
        groups=tuple(group_answer(group, now.time_ns) for group in now.groups),
        alerts=tuple(map(alert_answer, now.alerts)),
        point=None
        if last is None
        else LivePoint(
            time_seconds=rounded(last.time_seconds),
            values_per_second=rounded(last.values_per_second),
            fill_pct={key: rounded(sink.fill_pct) for key, sink in last.sinks.items()},
            write_ms={key: _rounded(sink.write_ms) for key, sink in last.sinks.items()},
        ),
        incidents=monitor.journal.changes,
    )


def history(monitor: MonitorState) -> History:
    """The points so far."""
    points = monitor.timeline.points()
    columns = {key: [point.sinks.get(key) for point in points] for key in (points[-1].sinks if points else ())}
    return History(
        time_seconds=tuple(rounded(point.time_seconds) for point in points),
        values_per_second=tuple(rounded(point.values_per_second) for point in points),
        fill_pct={
            key: tuple(None if one is None else rounded(one.fill_pct) for one in column)
            for key, column in columns.items()
        },
        write_ms={
            key: tuple(None if one is None else _rounded(one.write_ms) for one in column)
            for key, column in columns.items()
        },
    )


def core_version() -> str:
    """Of the installed core; empty when it runs from a folder that is not installed."""
    try:
        return version("tagferry")
    except PackageNotFoundError:
        return ""


def _source(source: SourceStatus, now: Now) -> LiveSource:
    age = age_seconds(source.last_batch_ns, now.time_ns)
    return LiveSource(
        source_id=source.source_id,
        type=source.type,
        collected=source.collected,
        values_per_second=rounded(now.rates.by_source.get(source.source_id, 0.0)),
        last_batch_age_seconds=_rounded(age),
    )


def _sink(monitor: MonitorState, sink: SinkStatus, now: Now) -> LiveSink:
    id_, storage = sink.sink_id, monitor.storage.snapshot
    return LiveSink(
        sink_id=id_,
        type=sink.type,
        state=sink.state,
        rows_per_second=rounded(now.rates.delivered.get(id_, 0.0)),
        last_delivery_age_seconds=_rounded(age_seconds(sink.last_delivery_ns, now.time_ns)),
        inputs=sink.inputs,
        buffer=sink_buffer(sink, now.rates.into(sink.inputs), now.rates.filling.get(id_, 0.0)),
        writer=sink_writer(sink, monitor.snapshot_of_writes(id_)),
        ledger=ledger_answer(id_, sink.ledger),
        replay=None if sink.replay is None else replay_answer(sink.replay),
        backup=backup(storage, storage.backlog.get(id_, ())),
    )


def _rounded(number: float | None) -> float | None:
    return None if number is None else rounded(number)
