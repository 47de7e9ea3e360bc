from __future__ import annotations

import pytest

from agent_core.registry import Events, HookManager, ObserverGuard


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
def events(timer: Timer) -> Events:
    return Events(HookManager(ObserverGuard(timer=timer)))
