"""The status' own names reach /api/live: nothing is renamed on its way to the page or the terminal."""

from __future__ import annotations

import dataclasses
from dataclasses import replace

import pytest
from http_monitor.answers.live import Live, LiveSink, LiveSource
from http_monitor.answers.model import Answer
from http_monitor.answers.status import BufferAnswer, FindingAnswer, GroupAnswer, LedgerAnswer, ReplayAnswer
from monitored.fake_agent import sink_status
from monitored.running import Monitored

from agent_core.api import (
    AgentStatus,
    BufferStats,
    Finding,
    GroupStatus,
    LedgerSnapshot,
    ReplayStatus,
    Severity,
    SinkState,
    SinkStatus,
    SourceStatus,
)


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (AgentStatus, Live),
        (SourceStatus, LiveSource),
        (SinkStatus, LiveSink),
        (LedgerSnapshot, LedgerAnswer),
        (BufferStats, BufferAnswer),
        (ReplayStatus, ReplayAnswer),
        (Finding, FindingAnswer),
        (GroupStatus, GroupAnswer),
    ],
)
def test_every_field_of_the_status_is_answered_under_its_own_name(status: type, answer: type[Answer]) -> None:
    fields = [field.name for field in dataclasses.fields(status)]
    wanted = {f"{name.removesuffix('_ns')}_age_seconds" if name.endswith("_ns") else name for name in fields}
    assert wanted - set(answer.model_fields) == set()


def test_the_numbers_are_those_of_the_status(monitored: Monitored) -> None:
    advice = Finding(Severity.WARNING, "account", "the password expires", "have it changed")
    monitored.agent.sinks = [
        replace(sink_status(state=SinkState.DOWN), advice=(advice,), next_step="start the listener")
    ]
    monitored.tick(2)
    [sink] = monitored.client.get("/api/live").json()["sinks"]
    assert (sink["state"], sink["last_error"], sink["next_step"]) == (
        "down",
        "ORA-12541: no listener",
        "start the listener",
    )
    assert (sink["last_delivery_age_seconds"], sink["next_probe_seconds"]) == (2.0, 12.5)
    assert (sink["ledger"]["delivered"], sink["ledger"]["balanced"]) == (900, True)
    assert (sink["buffer"]["pending_records"], sink["buffer"]["capacity_records"]) == (100, 10_000)
    assert sink["outlook"]["fill_pct"] == 1.0
    assert sink["advice"][0]["severity"] == "warning"
    assert sink["writes"] == {"successful": 0, "failed": 0, "average_seconds": None, "average_records": None}
