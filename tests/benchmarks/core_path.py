"""What the core costs a value: emit -> memory_buffer -> lease -> sink -> settle, against a bare deque, in one run.

``python tests/benchmarks/core_path.py [--minimum RATIO]`` prints one line; with ``--minimum`` the exit code is 1 when
the ratio is lower. The sink does nothing, so all that is measured is the agent's own work. CPU time, not wall time:
these machines are shared. A second line says how much of it is the check of every batch in ``emit``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections import deque
from pathlib import Path
from unittest.mock import patch

from memory_buffer.plugin import create as create_memory_buffer

from agent_core.api import Batch, ComponentContext, Log, Origin, WriteOutcome
from agent_core.config.model import BatchConfig, BreakerConfig, BufferConfig, RetryConfig, SinkConfig
from agent_core.registry.events import Events
from agent_core.runtime.assembly import delivery_path
from agent_core.runtime.delivery.ledger import Ledger
from agent_core.runtime.delivery.sink_context import SinkContext
from agent_core.runtime.pipeline import Pipeline, Route
from agent_core.runtime.sources.well_formed import WellFormed
from agent_core.testing.clock import ManualClock

RECORDS = 350
BATCHES = 2000
ROUNDS = 5


class NullSink:
    """Takes everything."""

    idempotent = True

    def open(self) -> None: ...

    def close(self) -> None: ...

    def write(self, batch: Batch) -> WriteOutcome:
        return WriteOutcome(len(batch))


def through_the_core(batches: list[Batch]) -> float:
    """CPU seconds for all batches, worker thread included."""
    clock, events, ledger = ManualClock(), Events(), Ledger(["sink"])
    context = ComponentContext("sink", "bench", Path(), "bench", clock)
    config = {"capacity": RECORDS * BATCHES, "when_full": "drop_oldest", "block_limit": 1.0}
    sink = SinkConfig(
        id="sink",
        type="null",
        inputs=("source",),
        config={},
        buffer=BufferConfig("memory_buffer", config),
        batch=BatchConfig(max_records=500, max_wait_seconds=0.5),
        retry=RetryConfig(3, 1, 2, 0, 60),
        breaker=BreakerConfig(30, 60),
        workers=1,
        write_limit_seconds=60,
        divert=None,
        divert_after_seconds=10,
        fallback=None,
    )
    sink_context = SinkContext("sink", ledger, events, clock, Log("bench", clock))
    delivery = delivery_path(sink_context, sink, NullSink(), create_memory_buffer(config, context), None, Path())
    route = Route("source", "bench", (), (delivery,))
    emit = Pipeline([route], ledger, events, clock).emitter("source")
    delivery.open()
    started = time.process_time()
    for batch in batches:
        emit(batch)
    delivery.start()
    drained = delivery.drain(clock.monotonic() + 1e9)
    spent = time.process_time() - started
    assert drained
    assert ledger.snapshot("sink").delivered == RECORDS * BATCHES
    return spent


def unchecked(batches: list[Batch]) -> float:
    """The same without a look at the batches."""
    with patch.object(WellFormed, "check", lambda _, batch: (batch, None)):
        return through_the_core(batches)


def through_a_deque(batches: list[Batch]) -> float:
    """CPU seconds to put each value into a deque and take it out again."""
    queue: deque[object] = deque()
    started = time.process_time()
    for batch in batches:
        for value in batch.values:
            queue.append(value)
    for _ in range(RECORDS * BATCHES):
        queue.popleft()
    return time.process_time() - started


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minimum", type=float, default=0.0, help="fail below this ratio")
    minimum = parser.parse_args().minimum
    names = tuple(f"TAG_{n}" for n in range(RECORDS))
    values = tuple(float(n) for n in range(RECORDS))
    batches = [Batch.of(Origin("s", "d", "g"), names, values, n, sequence=n) for n in range(BATCHES)]
    rounds = [(through_a_deque(batches), through_the_core(batches), unchecked(batches)) for _ in range(ROUNDS)]
    ratio = statistics.median(bare / core for bare, core, _ in rounds)
    nanoseconds = statistics.median(core for _, core, _ in rounds) / (RECORDS * BATCHES) * 1e9
    print(f"core path: {ratio:.2f} of a bare deque (CPU per value, higher is better); {nanoseconds:.0f} ns/value")
    checked = statistics.median(core / without for _, core, without in rounds)
    print(f"core path: {checked:.2f} times the CPU of a core that does not check what sources emit")
    return 0 if ratio >= minimum else 1


if __name__ == "__main__":
    sys.exit(main())
