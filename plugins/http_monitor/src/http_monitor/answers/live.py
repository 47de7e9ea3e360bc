"""Live: the agent's status and what else the dashboard draws, once a second; and the history of its charts."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from pydantic import Field

from agent_core.api import SinkState, SinkStatus, SourceState, SourceStatus
from http_monitor.answers.backlog import Backlog, backlog
from http_monitor.answers.buffer import AlertAnswer, BufferOutlook, outlook
from http_monitor.answers.model import Answer, Duration, Rounded, Text, age_seconds, iso_time
from http_monitor.answers.status import (
    BufferAnswer,
    FindingAnswer,
    GroupAnswer,
    LedgerAnswer,
    ReplayAnswer,
    WhereaboutsAnswer,
    group_answer,
)
from http_monitor.state.monitor_state import Health, MonitorState, Now, Phase
from http_monitor.state.timeline import ChartPoint
from http_monitor.state.write_stats import WriteSnapshot


class LiveSource(Answer):
    """One source."""

    source_id: str = Field(description="Its id.")
    type: str = Field(description="Its plugin.")
    collected: int = Field(description="Records emitted since the start.")
    last_batch_age_seconds: Rounded | None = Field(description="Time since its last batch (seconds); null: none yet.")
    state: SourceState = Field(description="starting, running, stale or failed; see the glossary.")
    problem: Text | None = Field(description="What is wrong with it; null while it runs.")
    next_step: Text | None = Field(description="What to do about it.")
    silent_seconds: Rounded | None = Field(
        description="Time since its last sign of life (seconds); null: none is expected."
    )
    stale_after_seconds: Rounded | None = Field(
        description="How long that may last (seconds); null: it has no rhythm, and no limit is set."
    )
    set_aside: int = Field(description="Records whose value the agent cannot carry; they count as rejected.")
    refused_batches: int = Field(description="Batches that the agent refused as a whole.")
    failures: Mapping[str, int] = Field(description="How often each of its transforms raised, by name.")
    records_per_second: Rounded = Field(description="Records emitted (per second, average over 10 s).")


class LiveWrites(Answer):
    """How the writes of one sink go, replay included."""

    successful: int = Field(description="Writes that returned, since the start.")
    failed: int = Field(description="Writes that raised, since the start.")
    average_seconds: Duration | None = Field(
        description="Average time of a write, over the last 5 minutes (seconds); null: none returned."
    )
    average_records: Rounded | None = Field(
        description="Average number of records per write, over the last 5 minutes; null: none returned."
    )


class LiveSink(Answer):
    """One sink."""

    sink_id: str = Field(description="Its id.")
    type: str = Field(description="Its plugin.")
    state: SinkState = Field(description="What the sink does now; see the glossary.")
    whereabouts: WhereaboutsAnswer = Field(description="Where its records are now.")
    ledger: LedgerAnswer = Field(description="What this run did with its records.")
    buffer: BufferAnswer = Field(description="Its buffer.")
    last_error: Text | None = Field(description="Message of the last write that failed; null: none failed.")
    last_delivery_age_seconds: Rounded | None = Field(
        description="Time since the last write that returned (seconds); null: none yet."
    )
    next_probe_seconds: Rounded | None = Field(description="Time until the next probe (seconds); null: none is due.")
    inputs: tuple[str, ...] = Field(description="Ids of the sources that feed it.")
    replay: ReplayAnswer | None = Field(description="Its replay; null when its fallback cannot be read back.")
    advice: tuple[FindingAnswer, ...] = Field(description="What the sink itself has to say although it works.")
    next_step: str | None = Field(description="What to do about last_error, where the sink says so.")
    workers_running: int | None = Field(description="Threads that write to it; null: not known.")
    write_seconds: Rounded | None = Field(
        description="How long the oldest write under way has taken (seconds); null: none is under way."
    )
    divert_after_seconds: Rounded | None = Field(
        description="After so long without success records leave for the fallback (seconds); null: they stay."
    )
    records_per_second: Rounded = Field(description="Records delivered (per second, average over 10 s).")
    outlook: BufferOutlook = Field(description="How full the buffer is and how long it lasts.")
    writes: LiveWrites = Field(description="Its writes.")
    backlog: Backlog = Field(description="The files that wait in its fallback.")


class LivePoint(Answer):
    """The newest point of the charts."""

    time_seconds: Rounded = Field(description="Seconds since the epoch, UTC.")
    records_per_second: Rounded = Field(description="Records collected since the point before (per second).")
    fill_pct: Mapping[str, Rounded] = Field(description="How full the buffer is, by sink (percent).")
    write_seconds: Mapping[str, Duration | None] = Field(
        description="Average time of a write, by sink (seconds); null: none returned."
    )


class Live(Answer):
    """The whole agent at one moment: its status, its groups, and what the monitor makes of them."""

    time: str | None = Field(description="When this was true (UTC, ISO 8601).")
    version: str = Field(description="Version of tagferry.")
    name: str = Field(description="agent: name in the YAML.")
    uptime_seconds: Rounded = Field(description="How long the agent has run (seconds).")
    phase: Phase = Field(description="starting, running or stopping.")
    health: Health = Field(description="ok; degraded while a warning stands; failing while a critical alert stands.")
    records_per_second: Rounded = Field(description="Records collected (per second, average over 10 s).")
    tags: int = Field(description="Tags seen since the start.")
    tags_not_good: int = Field(description="How many of them are BAD or UNCERTAIN now.")
    verdict: str = Field(description="In a few words: whether the values are safe.")
    whereabouts: WhereaboutsAnswer = Field(description="Where the records of all sinks are now.")
    sources: tuple[LiveSource, ...] = Field(description="One entry per source.")
    sinks: tuple[LiveSink, ...] = Field(description="One entry per sink.")
    observer_failures: int = Field(description="How often an observer of events raised, since the start.")
    slow_observer_calls: int = Field(description="How often an observer took longer than it may, since the start.")
    failing_observers: Mapping[str, int] = Field(description="How often each observer raised, by name.")
    left_out: tuple[str, ...] = Field(description="Parts that the agent runs without; the log says why.")
    hanging_observers: tuple[str, ...] = Field(description="Observers that have not returned for seconds.")
    missed_events: Mapping[str, int] = Field(description="Events that an observer did not hear because it hangs.")
    groups: tuple[GroupAnswer, ...] = Field(description="One entry per polling group.")
    alerts: tuple[AlertAnswer, ...] = Field(description="What is wrong now, critical alerts first.")
    point: LivePoint | None = Field(description="The newest point of the charts; null before the first.")
    incidents: int = Field(
        description="Grows with each event and each write with rejected records: ask for them again when it does."
    )


class History(Answer):
    """The charts' points of up to 15 minutes, oldest first; all lists have the same length."""

    time_seconds: tuple[Rounded, ...] = Field(description="Seconds since the epoch, UTC.")
    records_per_second: tuple[Rounded, ...] = Field(description="Records collected (per second).")
    fill_pct: Mapping[str, tuple[Rounded | None, ...]] = Field(description="How full the buffer is, by sink (percent).")
    write_seconds: Mapping[str, tuple[Duration | None, ...]] = Field(
        description="Average time of a write, by sink (seconds)."
    )


def live(monitor: MonitorState, now: Now) -> Live:
    """From a snapshot."""
    status = now.status
    points = monitor.timeline.recent()
    return Live(
        time=iso_time(now.time_ns),
        version=core_version(),
        name=status.name,
        uptime_seconds=status.uptime_seconds,
        phase=monitor.phase,
        health=now.health,
        verdict=verdict(monitor.phase, now),
        whereabouts=WhereaboutsAnswer.of(status.whereabouts),
        records_per_second=now.rates.collected,
        tags=monitor.tags.total,
        tags_not_good=monitor.tags.not_good(),
        sources=tuple(_source(source, now) for source in status.sources),
        sinks=tuple(_sink(monitor, sink, now) for sink in status.sinks),
        observer_failures=status.observer_failures,
        slow_observer_calls=status.slow_observer_calls,
        failing_observers=status.failing_observers,
        left_out=status.left_out,
        hanging_observers=status.hanging_observers,
        missed_events=status.missed_events,
        groups=tuple(group_answer(group, now.time_ns) for group in now.groups),
        alerts=tuple(map(AlertAnswer.of, now.alerts)),
        point=_point(points[-1]) if points else None,
        incidents=monitor.journal.changes,
    )


def verdict(phase: Phase, now: Now) -> str:
    """The first thing that a person reads, the same on every surface. All is well only when nothing waits in files."""
    if phase is not Phase.RUNNING:
        return phase.value
    if now.health is Health.FAILING:
        return "needs action"
    if now.health is Health.DEGRADED:
        return "needs a look"
    return "catching up" if now.status.whereabouts.in_files else "all is well"


def history(monitor: MonitorState) -> History:
    """The points so far."""
    points = monitor.timeline.points()
    columns = {key: [point.sinks.get(key) for point in points] for key in (points[-1].sinks if points else ())}
    return History(
        time_seconds=tuple(point.time_seconds for point in points),
        records_per_second=tuple(point.records_per_second for point in points),
        fill_pct={key: tuple(sink.fill_pct if sink else None for sink in column) for key, column in columns.items()},
        write_seconds={
            key: tuple(sink.write_seconds if sink else None for sink in column) for key, column in columns.items()
        },
    )


@cache
def core_version() -> str:
    """Of the installed core; empty when it runs from a folder that is not installed. Looked up on the disk, once."""
    try:
        return version("tagferry")
    except PackageNotFoundError:
        return ""


def _source(source: SourceStatus, now: Now) -> LiveSource:
    return LiveSource(
        source_id=source.source_id,
        type=source.type,
        collected=source.collected,
        last_batch_age_seconds=age_seconds(source.last_batch_ns, now.time_ns),
        state=source.state,
        problem=source.problem,
        next_step=source.next_step,
        silent_seconds=source.silent_seconds,
        stale_after_seconds=source.stale_after_seconds,
        set_aside=source.set_aside,
        refused_batches=source.refused_batches,
        failures=source.failures,
        records_per_second=now.rates.by_source.get(source.source_id, 0.0),
    )


def _sink(monitor: MonitorState, sink: SinkStatus, now: Now) -> LiveSink:
    return LiveSink(
        sink_id=sink.sink_id,
        type=sink.type,
        state=sink.state,
        whereabouts=WhereaboutsAnswer.of(sink.whereabouts),
        ledger=LedgerAnswer.of(sink.ledger),
        buffer=BufferAnswer.of(sink.buffer),
        last_error=sink.last_error,
        last_delivery_age_seconds=age_seconds(sink.last_delivery_ns, now.time_ns),
        next_probe_seconds=sink.next_probe_seconds,
        inputs=sink.inputs,
        replay=None if sink.replay is None else ReplayAnswer.of(sink.replay),
        advice=tuple(map(FindingAnswer.of, sink.advice)),
        next_step=sink.next_step,
        workers_running=sink.workers_running,
        write_seconds=sink.write_seconds,
        divert_after_seconds=sink.divert_after_seconds,
        records_per_second=now.rates.delivered.get(sink.sink_id, 0.0),
        outlook=outlook(sink, now.rates),
        writes=_writes(monitor.snapshot_of_writes(sink.sink_id)),
        backlog=backlog(monitor.storage.snapshot.backlog.get(sink.sink_id, ())),
    )


def _writes(writes: WriteSnapshot) -> LiveWrites:
    count = writes.recent_writes
    return LiveWrites(
        successful=writes.successful,
        failed=writes.failed,
        average_seconds=writes.recent_seconds / count if count else None,
        average_records=writes.recent_records / count if count else None,
    )


def _point(point: ChartPoint) -> LivePoint:
    return LivePoint(
        time_seconds=point.time_seconds,
        records_per_second=point.records_per_second,
        fill_pct={key: sink.fill_pct for key, sink in point.sinks.items()},
        write_seconds={key: sink.write_seconds for key, sink in point.sinks.items()},
    )
