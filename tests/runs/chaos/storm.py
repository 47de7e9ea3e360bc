"""Storm: faults in an order that a seed fixes, one after the other, whoever injects them."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

_WAITING: Final = 5
"""So many faults may wait for the call that they are to hit; with more, there would be no calls in between."""

_OUTAGES: Final = 0.1
"""Faults of single calls are the finer tool; each outage hits every session at once."""


@dataclass(frozen=True)
class Pace:
    """How fast a database is expected to answer: the agent's time-outs, and how long the test waits for anything."""

    call_seconds: float
    login_seconds: float
    patience: float


STANDIN: Final = Pace(0.3, 0.7, 1)
"""Everything is scaled down, so that a thousand faults fit into minutes."""

REAL: Final = Pace(1, 5, 4)
"""A log-in starts a process there, and a commit waits for a disk."""

Inject = Callable[[random.Random], None]


class Seen(NamedTuple):
    """What has come of the faults: how many have happened, by kind, and how many wait for a call to hit."""

    happened: Counter[str]
    waiting: int


class Faults(Protocol):
    """A way to make things go wrong. Only what hits a call or a live connection counts as having happened."""

    outages: Mapping[str, Inject]
    """Hit every session, for a while."""

    calls: Mapping[str, Inject]
    """Hit one call to come."""

    def seen(self) -> Seen: ...

    def clear(self) -> None:
        """Forget those that wait; what comes is not hit any more."""
        ...


class Storm:
    """Injects faults. Their order and what each does depend on the seed alone."""

    def __init__(self, faults: Faults, seed: int) -> None:
        self._faults = faults
        self._chance = random.Random(seed)
        self.happened: Counter[str] = Counter()

    def step(self) -> int:
        """Inject one fault, and wait (two seconds at most) while too many have not hit a call yet; how many have."""
        kinds = self._faults.outages if self._chance.random() < _OUTAGES else self._faults.calls
        name = self._chance.choice(list(kinds))
        kinds[name](self._chance)
        time.sleep(self._chance.expovariate(1 / 0.02))
        end = time.monotonic() + 2
        while (seen := self._faults.seen()).waiting > _WAITING and time.monotonic() < end:
            time.sleep(0.05)
        self.happened = seen.happened
        return seen.happened.total()


def hold(chance: random.Random) -> None:
    """Wait as long as an outage lasts: from a hiccup to longer than the retries."""
    time.sleep(chance.uniform(0.01, 0.3))
