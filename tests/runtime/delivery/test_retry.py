import math
import random

import pytest

from agent_core.api import AuthenticationError, RetryableError
from agent_core.runtime.delivery.retry import Backoff, wished_seconds


def test_three_retries_wait_one_two_and_four_seconds() -> None:
    backoff = Backoff(max_retries=3, initial_delay_seconds=1, multiplier=2, jitter=0, max_delay_seconds=60)
    assert [backoff.delay_seconds(n, random.Random(1)) for n in (1, 2, 3)] == [1, 2, 4]
    assert [backoff.exhausted(n) for n in (1, 2, 3, 4)] == [False, False, False, True]


def test_the_delay_is_bounded_however_often_it_failed() -> None:
    backoff = Backoff(max_retries=3, initial_delay_seconds=1, multiplier=2, jitter=0, max_delay_seconds=60)
    assert backoff.delay_seconds(100_000, random.Random(1)) == 60


@pytest.mark.parametrize("seed", range(20))
def test_jitter_varies_the_delay_within_its_share(seed: int) -> None:
    backoff = Backoff(max_retries=3, initial_delay_seconds=10, multiplier=2, jitter=0.2, max_delay_seconds=60)
    assert 8 <= backoff.delay_seconds(1, random.Random(seed)) <= 12


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [(None, None), (0, 0), (2.5, 2.5), (1e300, 86_400), (math.inf, 86_400), (-1, None), (math.nan, None), ("3", None)],
)
def test_a_wish_of_the_sink_is_a_time_of_a_day_at_most(wish: float | None, seconds: float | None) -> None:
    assert wished_seconds(RetryableError("busy", retry_after_seconds=wish)) == seconds
    assert wished_seconds(AuthenticationError("refused")) is None
