"""A delivery with everything around it, on a clock that the test owns."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from memory_buffer.plugin import create as create_memory_buffer

from agent_core.api import Batch, Buffer, ComponentContext, LedgerSnapshot, Log, SinkState
from agent_core.config.model import (
    BatchConfig,
    BreakerConfig,
    BufferConfig,
    Divert,
    FallbackConfig,
    Replay,
    RetryConfig,
    SinkConfig,
)
from agent_core.registry.events import Events
from agent_core.runtime.assembly import delivery_path
from agent_core.runtime.delivery.delivery import Delivery
from agent_core.runtime.delivery.fallback import Fallback
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import FakeFallback, FakeObserver, FakeSink

PROBE_SECONDS = 30.0
THROTTLED_SECONDS = 60.0
UNBOUNDED: int = math.inf  # type: ignore[assignment]
"""A replay rate that never waits for the clock."""


@dataclass
class Rig:
    """One sink's delivery; ``start`` lets it run, ``stop`` drains it and lets go of its threads."""

    clock: ManualClock
    sink: FakeSink
    fallback: FakeFallback | None
    buffer: Buffer
    delivery: Delivery
    ledger: Ledger
    observer: FakeObserver
    started: bool = field(default=False)

    def start(self) -> Rig:
        self.delivery.open()
        self.delivery.start()
        self.started = True
        return self

    def snapshot(self) -> LedgerSnapshot:
        return self.ledger.snapshot("sink")

    def state(self) -> SinkState:
        return self.delivery.status().state

    def accept(self, batch: Batch) -> Rig:
        self.delivery.accept(batch)
        return self

    def advance_past_backoff(self, seconds: float) -> None:
        """Wait until the worker sleeps, then let its time pass."""
        self.clock.wait_for_waiters()
        self.clock.advance(seconds)

    def stop(self) -> None:
        """Drain with no time left, then account for the rest."""
        if self.started:
            self.started = False
            self.delivery.drain(self.clock.monotonic())
            self.delivery.spill(self.clock.monotonic())


MakeRig = Callable[..., Rig]


def memory_buffer(capacity: int, state_dir: Path, clock: ManualClock) -> Buffer:
    """A memory_buffer that evicts its oldest records."""
    context = ComponentContext("sink", "test", state_dir, "test", clock)
    return create_memory_buffer({"capacity": capacity, "when_full": "drop_oldest", "block_limit": 5.0}, context)


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[MakeRig]:
    rigs: list[Rig] = []

    def make(
        *,
        capacity: int = 1000,
        max_records: int = 10,
        max_retries: int = 3,
        workers: int = 1,
        fallback: bool = True,
        divert_after_retries: bool = True,
        sink: FakeSink | None = None,
        replayable: FakeFallback | None = None,
        buffer: Buffer | None = None,
        probe_seconds: float = PROBE_SECONDS,
        automatic_replay: bool = True,
        write_limit: float = math.inf,
        divert_after: float = math.inf,
    ) -> Rig:
        clock, ledger, observer, events = ManualClock(), Ledger(["sink"]), FakeObserver(), Events()
        events.register_observer(observer)
        the_sink: FakeSink = FakeSink() if sink is None else sink
        the_fallback = (replayable or FakeFallback()) if fallback else None
        the_buffer = memory_buffer(capacity, tmp_path, clock) if buffer is None else buffer
        config = SinkConfig(
            id="sink",
            type="fake_sink",
            inputs=("source",),
            config={},
            buffer=BufferConfig("memory_buffer", {}),
            batch=BatchConfig(max_records, max_wait_seconds=0.5),
            retry=RetryConfig(max_retries, initial_delay_seconds=1, multiplier=2, jitter=0, max_delay_seconds=60),
            breaker=BreakerConfig(probe_seconds, THROTTLED_SECONDS),
            workers=workers,
            write_limit_seconds=write_limit,
            divert_after_seconds=divert_after,
            divert=Divert.AFTER_RETRIES if divert_after_retries else Divert.UNDER_PRESSURE,
            fallback=FallbackConfig(
                "fake_fallback", {}, Replay.AUTOMATIC if automatic_replay else Replay.OFF, replay_rate=UNBOUNDED
            ),
        )
        context = SinkContext("sink", ledger, events, clock, Log("test", clock))
        behind = None if the_fallback is None else Fallback("fake_fallback", the_fallback)
        delivery = delivery_path(context, config, the_sink, the_buffer, behind, tmp_path)
        rig = Rig(clock, the_sink, the_fallback, the_buffer, delivery, ledger, observer)
        rigs.append(rig)
        return rig

    yield make
    for rig in rigs:
        rig.stop()
