from __future__ import annotations

from agent_core.api import RateLimit
from agent_core.testing.clock import ManualClock


def test_one_event_of_a_key_passes_in_a_minute_and_the_next_says_how_many_did_not() -> None:
    clock = ManualClock()
    limit = RateLimit(clock)
    assert limit.allow("read") == ""
    assert [limit.allow("read") for _ in range(3)] == [None] * 3
    assert limit.allow("write") == ""
    clock.advance(60.0)
    repeats = limit.allow("read")
    assert repeats == " repeated=3"
    assert repeats is not None
    assert repeats.times == 3
    clock.advance(60.0)
    assert limit.allow("read") == ""


def test_the_interval_can_be_another() -> None:
    clock = ManualClock()
    limit = RateLimit(clock, 10.0)
    limit.allow("")
    clock.advance(9.0)
    assert limit.allow("") is None
    clock.advance(1.0)
    assert limit.allow("") == " repeated=1"
