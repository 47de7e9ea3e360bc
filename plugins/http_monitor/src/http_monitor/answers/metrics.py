"""AgentCollector: the agent's state as Prometheus metrics; docs/metrics.md lists them.

Everything is read when a scrape asks, so metrics cost nothing between scrapes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from itertools import accumulate
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from agent_core.api import (
    DivertReason,
    DropReason,
    GroupState,
    GroupStatus,
    Severity,
    SinkState,
    SinkStatus,
    SourceState,
    SourceStatus,
)
from http_monitor.answers.live import core_version
from http_monitor.state.monitor_state import Health, MonitorState
from http_monitor.state.storage import StorageSnapshot
from http_monitor.state.write_stats import BUCKET_BOUNDS_SECONDS

Sample = tuple[Sequence[str], float]
_NS: Final = 1e9


def registry_of(monitor: MonitorState) -> CollectorRegistry:
    """A registry of its own, so that two agents may live in one process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(AgentCollector(monitor))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


class AgentCollector(Collector):
    """Before the agent has started there is only ``tagferry_info``."""

    def __init__(self, monitor: MonitorState) -> None:
        self._monitor = monitor

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        monitor = self._monitor
        yield _gauge(
            "tagferry_info",
            "Always 1; the labels describe the agent.",
            ("name", "version"),
            [((monitor.name, core_version()), 1)],
        )
        if not monitor.running:
            return
        now = monitor.now()
        status = now.status
        yield _gauge("tagferry_uptime_seconds", "How long the agent has run.", (), [((), status.uptime_seconds)])
        yield _gauge(
            "tagferry_healthy",
            "1 while no critical alert stands, else 0.",
            (),
            [((), int(now.health is not Health.FAILING))],
        )
        yield _gauge(
            "tagferry_alerts",
            "Alerts that stand now, by severity.",
            ("severity",),
            [
                ((str(one),), sum(alert.severity is one for alert in now.alerts))
                for one in (Severity.CRITICAL, Severity.WARNING)
            ],
        )
        yield _counter(
            "tagferry_records_collected",
            "Records that a source emitted.",
            ("source",),
            [((source.source_id,), source.collected) for source in status.sources],
        )
        yield _gauge(
            "tagferry_source_last_batch_timestamp_seconds",
            "Time of the last batch of a source.",
            ("source",),
            [
                ((source.source_id,), source.last_batch_ns / _NS)
                for source in status.sources
                if source.last_batch_ns is not None
            ],
        )
        yield from _source_metrics(status.sources)
        yield from _place_metrics(status.sinks)
        yield from _ledger_metrics(status.sinks)
        yield from _buffer_metrics(status.sinks)
        yield from _sink_metrics(status.sinks)
        yield from _worker_metrics(status.sinks)
        yield from _write_metrics(monitor, status.sinks)
        yield from _replay_metrics(status.sinks)
        yield from _storage_metrics(monitor.storage.snapshot)
        yield from _group_metrics(now.groups)
        yield _counter(
            "tagferry_observer_failures",
            "How often an observer of events raised, such as one of an extension; the log names it.",
            (),
            [((), status.observer_failures)],
        )
        yield _counter(
            "tagferry_slow_observer_calls",
            "How often an observer used the processor for more than 1 ms; the log names it.",
            (),
            [((), status.slow_observer_calls)],
        )
        yield _gauge(
            "tagferry_observers_hanging",
            "Observers that have not returned for seconds; what called them waits. The log names them.",
            (),
            [((), len(status.hanging_observers))],
        )
        yield _gauge("tagferry_tags", "Tags seen since the start.", (), [((), monitor.tags.total)])
        yield _gauge(
            "tagferry_tags_not_good", "Tags whose quality is BAD or UNCERTAIN now.", (), [((), monitor.tags.not_good())]
        )


def _source_metrics(sources: Sequence[SourceStatus]) -> Iterator[Metric]:
    yield _gauge(
        "tagferry_source_state",
        "1 for the state that the source is in, 0 for the others.",
        ("source", "state"),
        [((source.source_id, state.value), int(source.state is state)) for source in sources for state in SourceState],
    )
    yield _gauge(
        "tagferry_source_silent_seconds",
        "Time since the last sign of life of a source that should give one.",
        ("source",),
        [((source.source_id,), source.silent_seconds) for source in sources if source.silent_seconds is not None],
    )


def _place_metrics(sinks: Sequence[SinkStatus]) -> Iterator[Metric]:
    yield _gauge(
        "tagferry_records",
        "Where the records are now: written, in_memory, in_files, rejected or lost.",
        ("sink", "place"),
        [
            ((sink.sink_id, place), getattr(sink.whereabouts, place))
            for sink in sinks
            for place in ("written", "in_memory", "in_files", "rejected", "lost")
        ],
    )


def _ledger_metrics(sinks: Sequence[SinkStatus]) -> Iterator[Metric]:
    for account, help_text in (
        ("accepted", "Records that entered a sink's ledger: collected for it, or recovered from a durable buffer."),
        ("filtered", "Records that transforms took out."),
        ("delivered", "Records that are durable in the sink."),
        ("duplicates", "Records that the sink already had."),
        ("rejected", "Records that the sink refused for their content."),
    ):
        yield _counter(
            f"tagferry_records_{account}",
            help_text,
            ("sink",),
            [
                (
                    (sink.sink_id,),
                    sink.ledger.collected + sink.ledger.recovered
                    if account == "accepted"
                    else getattr(sink.ledger, account),
                )
                for sink in sinks
            ],
        )
    yield _counter(
        "tagferry_records_diverted",
        "Records handed to the fallback.",
        ("sink", "reason"),
        [
            ((sink.sink_id, reason), count)
            for sink in sinks
            for reason, count in _by_reason(DivertReason, sink.ledger.diverted_by_reason)
        ],
    )
    yield _counter(
        "tagferry_records_dropped",
        "Records lost permanently.",
        ("sink", "reason"),
        [
            ((sink.sink_id, reason), count)
            for sink in sinks
            for reason, count in _by_reason(DropReason, sink.ledger.dropped_by_reason)
        ],
    )
    yield _gauge(
        "tagferry_ledger_balanced",
        "1 when every record of the sink is accounted for; 0 is a defect of the agent.",
        ("sink",),
        [((sink.sink_id,), int(sink.ledger.balanced)) for sink in sinks],
    )


def _buffer_metrics(sinks: Sequence[SinkStatus]) -> Iterator[Metric]:
    def gauge(name: str, help_text: str, values: Iterable[float]) -> Metric:
        return _gauge(
            name, help_text, ("sink",), [((sink.sink_id,), value) for sink, value in zip(sinks, values, strict=True)]
        )

    yield gauge(
        "tagferry_buffer_pending_records",
        "Records in the buffer, those being written included.",
        (sink.buffer.pending_records for sink in sinks),
    )
    yield gauge(
        "tagferry_buffer_leased_records", "Records being written now.", (sink.buffer.leased_records for sink in sinks)
    )
    yield gauge(
        "tagferry_buffer_capacity_records",
        "How many records the buffer can hold.",
        (sink.buffer.capacity_records for sink in sinks),
    )
    yield gauge(
        "tagferry_buffer_oldest_age_seconds",
        "How long the oldest record that is not being written has waited.",
        (sink.buffer.oldest_age_seconds for sink in sinks),
    )
    yield _gauge(
        "tagferry_buffer_stored_bytes",
        "Size of a durable buffer on disk.",
        ("sink",),
        [((sink.sink_id,), sink.buffer.stored_bytes) for sink in sinks if sink.buffer.stored_bytes is not None],
    )
    yield _gauge(
        "tagferry_buffer_backlog_messages",
        "Messages of a shared buffer that wait for whichever agent fetches them.",
        ("sink",),
        [((sink.sink_id,), sink.buffer.backlog_messages) for sink in sinks if sink.buffer.backlog_messages is not None],
    )


def _sink_metrics(sinks: Sequence[SinkStatus]) -> Iterator[Metric]:
    yield _gauge(
        "tagferry_sink_state",
        "1 for the state that the sink is in, 0 for the others.",
        ("sink", "state"),
        [((sink.sink_id, state.value), int(sink.state is state)) for sink in sinks for state in SinkState],
    )
    yield _gauge(
        "tagferry_sink_last_delivery_timestamp_seconds",
        "Time of the last delivery: the last write that returned.",
        ("sink",),
        [((sink.sink_id,), sink.last_delivery_ns / _NS) for sink in sinks if sink.last_delivery_ns is not None],
    )
    yield _gauge(
        "tagferry_sink_next_probe_seconds",
        "Time until the next probe of a sink that is not up.",
        ("sink",),
        [((sink.sink_id,), sink.next_probe_seconds) for sink in sinks if sink.next_probe_seconds is not None],
    )


def _worker_metrics(sinks: Sequence[SinkStatus]) -> Iterator[Metric]:
    yield _gauge(
        "tagferry_sink_workers",
        "Threads that write to the sink.",
        ("sink",),
        [((sink.sink_id,), sink.workers_running) for sink in sinks if sink.workers_running is not None],
    )
    yield _gauge(
        "tagferry_sink_write_seconds",
        "How long the oldest write under way has taken; 0 without one.",
        ("sink",),
        [((sink.sink_id,), sink.write_seconds or 0.0) for sink in sinks],
    )


def _write_metrics(monitor: MonitorState, sinks: Sequence[SinkStatus]) -> Iterator[Metric]:
    histogram = HistogramMetricFamily(
        "tagferry_sink_write_duration_seconds",
        "How long a write that returned took, replay included.",
        labels=("sink",),
    )
    failures: list[Sample] = []
    for sink in sinks:
        writes = monitor.snapshot_of_writes(sink.sink_id)
        bounds = [*map(str, BUCKET_BOUNDS_SECONDS), "+Inf"]
        histogram.add_metric(
            (sink.sink_id,), list(zip(bounds, accumulate(writes.buckets), strict=True)), sum_value=writes.seconds
        )
        failures.append(((sink.sink_id,), writes.failed))
    yield histogram
    yield _counter("tagferry_sink_write_failures", "Writes that raised.", ("sink",), failures)


def _replay_metrics(sinks: Sequence[SinkStatus]) -> Iterator[Metric]:
    replays = [(sink.sink_id, sink.replay) for sink in sinks if sink.replay is not None]
    yield _counter(
        "tagferry_replay_records",
        "Records replayed from the fallback by the running agent, by outcome.",
        ("sink", "result"),
        [
            ((sink_id, result), getattr(replay, result))
            for sink_id, replay in replays
            for result in ("inserted", "duplicates", "rejected")
        ],
    )


def _storage_metrics(storage: StorageSnapshot) -> Iterator[Metric]:
    kinds = [
        ((sink_id, kind), [file.size_bytes for file in files if file.rejected is rejected])
        for sink_id, files in storage.backlog.items()
        for kind, rejected in (("backup", False), ("rejected", True))
    ]
    yield _gauge(
        "tagferry_backlog_files",
        "Files that wait in the fallback: backup files are replayed, rejected files wait for you.",
        ("sink", "kind"),
        [(labels, len(sizes)) for labels, sizes in kinds],
    )
    yield _gauge(
        "tagferry_backlog_bytes", "Their size.", ("sink", "kind"), [(labels, sum(sizes)) for labels, sizes in kinds]
    )
    for name, help_text, value in (
        ("tagferry_disk_free_bytes", "Free space of the disk with the state directory.", storage.disk_free_bytes),
        ("tagferry_disk_size_bytes", "Size of that disk.", storage.disk_total_bytes),
    ):
        yield _gauge(name, help_text, (), [] if value is None else [((), value)])


def _group_metrics(groups: Sequence[GroupStatus]) -> Iterator[Metric]:
    labels = ("source", "device", "group")
    keyed = [((group.source_id, group.device_id, group.group_id), group) for group in groups]
    for name, field, help_text in (
        ("tagferry_group_polls", "polls", "Polls of the group."),
        ("tagferry_group_polls_failed", "failed", "Polls that failed."),
        ("tagferry_group_polls_missed", "missed", "Polls of the schedule that were skipped."),
        ("tagferry_group_triggers_merged", "merged", "Triggers answered by a poll already requested."),
        ("tagferry_group_values_suppressed", "suppressed", "Values that a deadband or on-change held back."),
    ):
        yield _counter(name, help_text, labels, [(key, getattr(group, field)) for key, group in keyed])
    yield _gauge(
        "tagferry_group_tags", "Tags that one poll reads.", labels, [(key, group.tags) for key, group in keyed]
    )
    yield _gauge(
        "tagferry_group_stale",
        "1 while the group has had no good poll for longer than its limit.",
        labels,
        [(key, int(group.stale)) for key, group in keyed],
    )
    yield _gauge(
        "tagferry_group_state",
        "1 for the state that the group is in, 0 for the others.",
        (*labels, "state"),
        [((*key, state.value), int(group.state is state)) for key, group in keyed for state in GroupState],
    )
    yield _gauge(
        "tagferry_group_last_poll_timestamp_seconds",
        "Time of the last poll.",
        labels,
        [(key, group.last_poll_ns / _NS) for key, group in keyed if group.last_poll_ns is not None],
    )
    yield _gauge(
        "tagferry_group_last_poll_duration_seconds",
        "How long the last poll took.",
        labels,
        [(key, group.last_duration_seconds) for key, group in keyed if group.last_duration_seconds is not None],
    )
    yield _gauge(
        "tagferry_group_interval_seconds",
        "Time between polls of a fixed group.",
        labels,
        [(key, group.interval_seconds) for key, group in keyed if group.interval_seconds is not None],
    )


def _by_reason(reasons: type[StrEnum], counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """Every reason from the start, with 0.

    A series that begins with its first record hides that record from increase().
    """
    return ((reason.value, counts.get(reason.value, 0)) for reason in reasons if reason is not DivertReason.REJECTED)


def _gauge(name: str, help_text: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _counter(name: str, help_text: str, labels: Sequence[str], samples: Iterable[Sample]) -> Metric:
    family = CounterMetricFamily(name, help_text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family
