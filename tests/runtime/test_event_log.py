from __future__ import annotations

from itertools import pairwise

import pytest

from agent_core.api import SinkState
from agent_core.runtime.event_log import EventLog
from agent_core.testing.clock import ManualClock

UP, RETRYING, DOWN, PAUSED = SinkState.UP, SinkState.RETRYING, SinkState.DOWN, SinkState.PAUSED


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def events(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> EventLog:
    caplog.set_level("INFO")
    return EventLog(clock)


def change(events: EventLog, *states: SinkState) -> None:
    for old, new in pairwise(states):
        events.agent_sink_state_changed("db", old, new, "because", 30.0 if new is DOWN else None)


def test_a_state_that_needs_somebody_is_a_warning_with_the_next_probe(
    events: EventLog, caplog: pytest.LogCaptureFixture
) -> None:
    change(events, UP, DOWN, UP, PAUSED)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "sink state changed: sink=db old=up new=down reason=because next_probe_seconds=30"),
        ("INFO", "sink state changed: sink=db old=down new=up reason=because"),
        ("INFO", "sink state changed: sink=db old=up new=paused reason=because"),
    ]


def test_a_sink_that_fails_at_each_first_attempt_is_told_once_in_ten_seconds(
    events: EventLog, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    change(events, *[UP, RETRYING] * 100, UP)
    assert [message.partition(" reason")[0] for message in caplog.messages] == [
        "sink state changed: sink=db old=up new=retrying",
        "sink state changed: sink=db old=retrying new=up",
    ]
    clock.advance(10.0)
    change(events, UP, RETRYING, UP)
    assert caplog.messages[2:] == [
        "sink state changed: sink=db old=up new=retrying reason=because repeated=99",
        "sink state changed: sink=db old=retrying new=up reason=because",
    ]


def test_what_retrying_comes_to_is_always_told(events: EventLog, caplog: pytest.LogCaptureFixture) -> None:
    change(events, UP, RETRYING, UP, RETRYING, DOWN, UP)
    assert [message.partition(" reason")[0].partition("sink=db ")[2] for message in caplog.messages] == [
        "old=up new=retrying",
        "old=retrying new=up",
        "old=retrying new=down",
        "old=down new=up",
    ]
