"""When a group is due."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from polling_source.config import BackoffConfig
from polling_source.engine.backoff import Backoff
from polling_source.engine.schedule import Schedule


def test_due_times_lie_on_a_grid_from_the_origin() -> None:
    schedule = Schedule(origin=100.0, interval_seconds=0.5)
    due = []
    for _ in range(4):
        due.append(schedule.due)
        assert schedule.take(schedule.due) == 0
    assert due == [100.0, 100.5, 101.0, 101.5]


def test_a_late_poll_does_not_move_the_grid() -> None:
    schedule = Schedule(0.0, 1.0)
    assert schedule.take(0.9) == 0
    assert schedule.due == 1.0


def test_cycles_that_passed_are_skipped_and_counted_never_bunched() -> None:
    schedule = Schedule(0.0, 1.0)
    schedule.take(0.0)
    assert schedule.take(4.2) == 3
    assert schedule.due == 5.0


@given(
    st.floats(0, 1e6),
    st.sampled_from([0.01, 0.1, 0.25, 1.0, 5.0, 10.0, 3600.0]),
    st.lists(st.floats(0, 20), max_size=50),
)
def test_after_a_million_seconds_it_still_keeps_the_grid(origin: float, interval: float, delays: list[float]) -> None:
    schedule = Schedule(origin, interval)
    skipped = 0
    for taken, delay in enumerate(delays, start=1):
        now = schedule.due + delay * interval
        skipped += schedule.take(now)
        assert schedule.due == origin + (taken + skipped) * interval
        assert schedule.due > now - interval * 1e-6


def test_the_backoff_doubles_up_to_its_maximum_and_starts_anew() -> None:
    backoff = Backoff(BackoffConfig(1.0, 5.0))
    assert [backoff.failed(now) for now in (10.0, 11.0, 13.0, 17.0, 22.0)] == [1.0, 2.0, 4.0, 5.0, 5.0]
    assert backoff.down_since == 10.0
    assert backoff.retry_at == pytest.approx(27.0)
    assert backoff.holds(26.9)
    assert not backoff.holds(27.0)
    backoff.answered()
    assert not backoff.holds(0.0)
    assert backoff.failed(30.0) == 1.0
