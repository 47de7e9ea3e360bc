from __future__ import annotations

import pytest

from agent_core.registry import Events, HookManager, ObserverGuard
from agent_core.testing.clock import ManualClock


class Timer:
    """Seconds that move only when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Timer:
    return Timer()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def events(timer: Timer, clock: ManualClock) -> Events:
    return Events(HookManager(ObserverGuard(timer=timer, clock=clock)))
