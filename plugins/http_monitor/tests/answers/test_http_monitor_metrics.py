"""/metrics: what is exposed is what docs/metrics.md says, and the numbers are the agent's."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from http_monitor.answers.metrics import registry_of
from monitored.fake_agent import group_status, sink_status
from monitored.running import MakeMonitored, Monitored
from prometheus_client.parser import text_string_to_metric_families

from agent_core.api import (
    BacklogFile,
    Batch,
    DropReason,
    GroupState,
    LedgerSnapshot,
    Origin,
    RetryableError,
    SinkState,
    WriteOutcome,
)

FOLDER = Path(__file__).parents[2]
DOCUMENT = FOLDER.parent.parent / "docs" / "metrics.md"
BATCH = Batch.of(Origin("line1", "PLC01", "PROCESS"), ["A", "B"], [1, 2], 0)


def documented() -> dict[str, tuple[str, frozenset[str], str]]:
    """Type, labels and meaning by name."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.*?) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return {name: (kind, frozenset(re.findall(r"`(\w+)`", labels)), text) for name, kind, labels, text in rows}


def exposed(monitored: Monitored) -> dict[str, tuple[str, frozenset[str], str]]:
    found = {}
    for family in text_string_to_metric_families(monitored.client.get("/metrics").text):
        if not family.name.startswith("tagferry_"):
            continue
        labels = {frozenset(sample.labels) - {"le"} for sample in family.samples}
        assert len(labels) == 1, family.name
        name = f"{family.name}_total" if family.type == "counter" else family.name
        found[name] = (family.type, next(iter(labels)), family.documentation)
    return found


def sample(monitored: Monitored, name: str, **labels: str) -> float | None:
    return registry_of(monitored.state).get_sample_value(name, labels)


def show_everything(monitored: Monitored) -> None:
    """A state in which every metric has a sample."""
    buffer = replace(sink_status().buffer, stored_bytes=4096, backlog_messages=7)
    monitored.agent.sinks = [replace(sink_status(state=SinkState.DOWN), buffer=buffer, workers_running=1)]
    monitored.agent.sources = [replace(monitored.agent.sources[0], silent_seconds=0.5)]
    monitored.agent.files = {"warehouse": [BacklogFile("backup_1.csv", 10, 1, rejected=False)]}
    monitored.look()
    monitored.tick()


@pytest.mark.skipif(not DOCUMENT.exists(), reason="docs/metrics.md lies in the repository, not with the plugin")
def test_the_table_in_the_docs_is_what_is_exposed(monitored: Monitored) -> None:
    show_everything(monitored)
    assert exposed(monitored) == documented()


def test_names_follow_the_conventions(monitored: Monitored) -> None:
    show_everything(monitored)
    for name, (kind, _, _) in exposed(monitored).items():
        assert (kind == "counter") == name.endswith("_total"), name
        assert not re.search(r"_(ms|millis|minutes|kb|mb|percent|pct)(_|$)", name), f"{name}: base units only"


def test_the_ledger_is_exposed(monitored: Monitored) -> None:
    ledger = LedgerSnapshot(
        collected=100,
        delivered=60,
        duplicates=1,
        rejected=2,
        diverted=30,
        dropped=7,
        diverted_by_reason={"sink_down": 30},
        dropped_by_reason={"buffer_full": 7},
    )
    monitored.agent.sinks = [replace(sink_status(), ledger=ledger)]
    assert sample(monitored, "tagferry_records_delivered_total", sink="warehouse") == 60
    assert sample(monitored, "tagferry_records_duplicates_total", sink="warehouse") == 1
    assert sample(monitored, "tagferry_records_diverted_total", sink="warehouse", reason="sink_down") == 30
    labels = {"sink": "warehouse", "reason": "buffer_full"}
    assert sample(monitored, "tagferry_records_dropped_total", **labels) == 7
    assert sample(monitored, "tagferry_ledger_balanced", sink="warehouse") == 1


@pytest.mark.parametrize("reason", list(DropReason))
def test_a_loss_that_has_not_happened_is_there_as_zero(monitored: Monitored, reason: DropReason) -> None:
    labels = {"sink": "warehouse", "reason": reason}
    assert sample(monitored, "tagferry_records_dropped_total", **labels) == 0


def test_every_counter_of_the_ledger_is_joined_by_the_sink(monitored: Monitored) -> None:
    show_everything(monitored)
    ledger = {
        name: labels for name, (_, labels, _) in exposed(monitored).items() if name.startswith("tagferry_records_")
    }
    assert {name for name, labels in ledger.items() if "sink" not in labels} == {"tagferry_records_collected_total"}


def test_what_observers_do_wrong_is_counted(monitored: Monitored) -> None:
    monitored.agent.observer_failures, monitored.agent.slow_observer_calls = 3, 4
    assert sample(monitored, "tagferry_observer_failures_total") == 3
    assert sample(monitored, "tagferry_slow_observer_calls_total") == 4


def test_write_times_are_a_histogram(monitored: Monitored) -> None:
    for elapsed in (0.001, 0.02, 0.02, 40.0):
        monitored.events.batch_delivered("warehouse", BATCH, WriteOutcome(2), 1, elapsed, replayed_file=None)
    monitored.events.batch_failed("warehouse", BATCH, RetryableError("away"), 1, 1.0)

    def bucket(bound: str) -> float | None:
        return sample(monitored, "tagferry_sink_write_duration_seconds_bucket", sink="warehouse", le=bound)

    assert [bucket(bound) for bound in ("0.001", "0.01", "0.025", "30.0", "+Inf")] == [1, 1, 3, 3, 4]
    assert sample(monitored, "tagferry_sink_write_duration_seconds_count", sink="warehouse") == 4
    assert sample(monitored, "tagferry_sink_write_duration_seconds_sum", sink="warehouse") == pytest.approx(40.041)
    assert sample(monitored, "tagferry_sink_write_failures_total", sink="warehouse") == 1


def test_states_are_one_and_zero(monitored: Monitored) -> None:
    monitored.agent.sinks = [sink_status(state=SinkState.LOCKED_OUT)]
    monitored.agent.polling.statuses = [group_status("PROCESS", state=GroupState.STOPPED)]
    states = {state: sample(monitored, "tagferry_sink_state", sink="warehouse", state=state) for state in SinkState}
    assert [state for state, value in states.items() if value == 1] == [SinkState.LOCKED_OUT]
    labels = {"source": "line1", "device": "PLC01", "group": "PROCESS"}
    assert sample(monitored, "tagferry_group_state", **labels, state="stopped") == 1
    assert sample(monitored, "tagferry_group_state", **labels, state="running") == 0


def test_before_the_start_there_is_the_agent_itself(make_monitored: MakeMonitored) -> None:
    assert list(exposed(make_monitored(started=False))) == ["tagferry_info"]
