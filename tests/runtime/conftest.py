"""A delivery with everything around it, on a clock that the test owns."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from memory_buffer.plugin import create as create_memory_buffer

from agent_core.api import Batch, Buffer, ComponentContext, LedgerSnapshot, Sink, SinkState
from agent_core.registry.events import Events
from agent_core.runtime.delivery.carrier import CarrierSettings
from agent_core.runtime.delivery.delivery import Delivery
from agent_core.runtime.delivery.fallback import Fallback
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.retry import Backoff
from agent_core.runtime.delivery.sink_gate import ProbeIntervals
from agent_core.runtime.replay.replayer import ReplaySettings
from agent_core.testing.clock import ManualClock
from agent_core.testing.fakes import FakeFallback, FakeObserver, FakeSink

PROBE_SECONDS = 30.0
THROTTLED_SECONDS = 60.0


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
    ) -> Rig:
        clock, ledger, observer, events = ManualClock(), Ledger(["sink"]), FakeObserver(), Events()
        events.register_observer(observer)
        context = ComponentContext("sink", "test", tmp_path, logging.getLogger("test"), clock)
        config = {"capacity": capacity, "when_full": "drop_oldest", "block_limit": 5.0}
        intervals = ProbeIntervals(probe_seconds, THROTTLED_SECONDS)
        the_sink: FakeSink = FakeSink() if sink is None else sink
        the_fallback = (replayable or FakeFallback()) if fallback else None
        the_buffer = create_memory_buffer(config, context) if buffer is None else buffer
        typed_sink: Sink = the_sink
        delivery = Delivery(
            "sink",
            "fake_sink",
            ["source"],
            typed_sink,
            the_buffer,
            Fallback("fake_fallback", the_fallback) if the_fallback is not None else None,
            workers=workers,
            max_records=max_records,
            max_wait_seconds=0.5,
            carrier=CarrierSettings(
                Backoff(max_retries, initial_delay_seconds=1, multiplier=2, jitter=0, max_delay_seconds=60),
                intervals,
                divert_after_retries,
            ),
            replay=ReplaySettings(max_records, math.inf, intervals, automatic_replay),
            state_dir=tmp_path,
            ledger=ledger,
            events=events,
            clock=clock,
            logger=logging.getLogger("test"),
        )
        rig = Rig(clock, the_sink, the_fallback, the_buffer, delivery, ledger, observer)
        rigs.append(rig)
        return rig

    yield make
    for rig in rigs:
        rig.stop()
