from __future__ import annotations

from agent_core.api import RateLimit
from agent_core.testing.clock import ManualClock


def test_one_event_per_key_and_minute_passes_with_the_count_of_those_that_did_not() -> None:
    clock = ManualClock()
    limit = RateLimit(clock)
    assert limit.allow("read") == 0
    assert [limit.allow("read") for _ in range(3)] == [None] * 3
    assert limit.allow("write") == 0
    clock.advance(60.0)
    assert limit.allow("read") == 3
    clock.advance(60.0)
    assert limit.allow("read") == 0


def test_the_interval_can_be_another() -> None:
    clock = ManualClock()
    limit = RateLimit(clock, 10.0)
    limit.allow("")
    clock.advance(9.0)
    assert limit.allow("") is None
    clock.advance(1.0)
    assert limit.allow("") == 1
