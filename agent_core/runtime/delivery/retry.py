"""Backoff: how long a worker waits before it tries the same records again."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from agent_core.api import RetryableError
from agent_core.config.model import RetryConfig

LONGEST_WISH_SECONDS: Final = 86_400.0


def wished_seconds(error: BaseException) -> float | None:
    """The wait that the sink asks for, a day at most; None when it asks for none, or for what is no time."""
    wished = error.retry_after_seconds if isinstance(error, RetryableError) else None
    if not isinstance(wished, int | float) or not wished >= 0:  # NaN is no time either
        return None
    return min(float(wished), LONGEST_WISH_SECONDS)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential with jitter: by default 1 s, 2 s, 4 s ..., each varied by ``jitter`` (0.2 is plus or minus 20 %)."""

    max_retries: int
    initial_delay_seconds: float
    multiplier: float
    jitter: float
    max_delay_seconds: float

    @classmethod
    def of(cls, retry: RetryConfig) -> Backoff:
        """From ``retry:`` in the YAML."""
        return cls(
            max_retries=retry.max_retries,
            initial_delay_seconds=retry.initial_delay_seconds,
            multiplier=retry.multiplier,
            jitter=retry.jitter,
            max_delay_seconds=retry.max_delay_seconds,
        )

    def exhausted(self, failures: int) -> bool:
        """True when the first attempt and all retries have failed (``failures`` counts both)."""
        return failures > self.max_retries

    def delay_seconds(self, failures: int, randomness: random.Random) -> float:
        """The wait after the ``failures``-th failure (from 1)."""
        # The exponent is bounded: a float overflows after some thousand failures of an endless retry.
        delay = self.initial_delay_seconds * self.multiplier ** min(failures - 1, 64)
        bounded = min(delay, self.max_delay_seconds)
        return bounded * (1 + self.jitter * randomness.uniform(-1, 1))
