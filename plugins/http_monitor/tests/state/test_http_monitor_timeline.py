"""The chart's points, and the rates that are made of them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from http_monitor.state.alerts.growth import Growth
from http_monitor.state.timeline import POINTS, Rates, Timeline
from http_monitor.state.write_stats import WriteSnapshot, WriteStats
from monitored.fake_agent import FakeAgent, sink_status

from agent_core.api import LedgerSnapshot
from agent_core.testing.clock import ManualClock


def add(timeline: Timeline, second: int, collected: int, pending: int = 0, writes: WriteSnapshot | None = None) -> None:
    ledger = LedgerSnapshot(collected=collected, delivered=collected - pending, pending=pending)
    sink = replace(sink_status(pending=pending), ledger=ledger)
    agent = FakeAgent(sinks=[sink], uptime_seconds=float(second))
    agent.sources = [replace(agent.sources[0], collected=collected)]
    timeline.add(float(second), 1000.0 + second, agent.status(), {"warehouse": writes or WriteSnapshot()})


def test_each_point_has_the_rate_since_the_one_before() -> None:
    timeline = Timeline()
    for second, collected in ((1, 350), (2, 700), (4, 1400)):
        add(timeline, second, collected)
    assert [point.records_per_second for point in timeline.points()] == [350, 350, 350]


def test_fifteen_minutes_are_kept() -> None:
    timeline = Timeline()
    for second in range(1, POINTS + 50):
        add(timeline, second, second)
    assert len(timeline.points()) == POINTS
    assert timeline.points()[-1].collected == POINTS + 49


def test_a_second_point_of_one_moment_is_none() -> None:
    timeline = Timeline()
    add(timeline, 1, 10)
    add(timeline, 1, 20)
    assert len(timeline.points()) == 1


def test_write_times_are_those_since_the_point_before() -> None:
    timeline = Timeline()
    add(timeline, 1, 0, writes=WriteSnapshot(successful=2, seconds=0.04))
    add(timeline, 2, 0, writes=WriteSnapshot(successful=2, seconds=0.04))
    add(timeline, 3, 0, writes=WriteSnapshot(successful=4, seconds=0.10))
    times = [point.sinks["warehouse"].write_seconds for point in timeline.points()]
    assert times[1] is None
    assert [times[0], times[2]] == pytest.approx([0.02, 0.03])


def test_rates_are_averages_over_ten_seconds() -> None:
    timeline = Timeline()
    for second in range(1, 30):
        add(timeline, second, collected=1000 * second, pending=10 * second)
    rates = Rates.of(timeline.recent())
    assert (rates.collected, rates.by_source["line1"]) == (1000, 1000)
    assert (rates.filling["warehouse"], rates.delivered["warehouse"]) == (10, 990)
    assert Rates.of(()).collected == 0


def test_writes_are_counted_by_the_second_and_forgotten_after_five_minutes() -> None:
    clock = ManualClock()
    stats = WriteStats(clock)
    for _ in range(400):
        stats.delivered("warehouse", 10, 0.02)
        clock.advance(1)
    snapshot = stats.snapshot("warehouse")
    assert (snapshot.successful, snapshot.records) == (400, 4000)
    assert snapshot.recent_writes in (299, 300)
    assert snapshot.recent_max_seconds == 0.02
    assert stats.snapshot("another") == WriteSnapshot()


def test_growth_is_what_came_within_five_minutes() -> None:
    growth = Growth()
    assert growth.update("lost", 5, 0.0) == 5
    assert growth.update("lost", 8, 100.0) == 8
    assert growth.update("lost", 8, 301.0) == 3
    assert growth.update("lost", 8, 500.0) == 0
