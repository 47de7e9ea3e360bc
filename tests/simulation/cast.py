"""Cast: a source, a transform, a table and an observer that live in a World; the other parts are the real ones."""

from __future__ import annotations

import asyncio
import random
import threading
from array import array
from collections.abc import Callable, Sequence
from enum import Enum

from memory_buffer.buffer import MemoryBuffer
from simulation.world import World

from agent_core.api import (
    Batch,
    Clock,
    DivertReason,
    DropReason,
    Emit,
    Lease,
    Origin,
    Rejection,
    RetryableError,
    WriteOutcome,
)
from agent_core.registry.events import Events

ORIGIN = Origin("line", "PLC01", "G1")
NO_EXCEPTIONS = (asyncio.CancelledError, KeyboardInterrupt, SystemExit, GeneratorExit)


class Mood(Enum):
    """How the table behaves."""

    WELL = "well"
    AWAY = "away"
    RAGGED = "ragged"  # answers are lost, before or after the commit
    SLOW = "slow"
    HANGS = "hangs"
    DEFECTIVE = "defective"  # the sink's own code fails
    CANCELLED = "cancelled"  # it raises what is no Exception
    LIES = "lies"  # its outcome does not add up, and nothing was written


class ModelTable:
    """A table as a sink sees it. Thread-safe."""

    def __init__(self, world: World, clock: Clock, randomness: random.Random) -> None:
        self._world = world
        self._clock = clock
        self._randomness = randomness
        self._changed = threading.Condition()
        self._mood = Mood.WELL
        self._opening = False
        self._opened = False

    @property
    def idempotent(self) -> bool:
        return self._world.settings.idempotent

    @property
    def mood(self) -> Mood:
        return self._mood

    def become(self, mood: Mood) -> None:
        """From now on, also for calls that hang."""
        with self._changed:
            self._mood = mood
            self._changed.notify_all()

    def open(self) -> None:
        if self._opening or self._opened:
            self._world.accuse("the sink was opened twice")
        self._opening = True
        self._wait(0.05 * self._randomness.random())
        self._opening = False
        if self._mood is Mood.AWAY:
            raise RetryableError("away")
        self._opened = True

    def close(self) -> None:
        pass

    def write(self, batch: Batch) -> WriteOutcome:
        values = [int(value) for value in batch.values]  # type: ignore[arg-type]
        self._world.calling.update(values)
        try:
            return self._write(values)
        finally:
            self._world.calling.subtract(values)
            if self._world.stopping:
                self._world.left_behind.update(values)

    def _write(self, values: Sequence[int]) -> WriteOutcome:
        self._wait(0.05 * self._randomness.random())
        with self._changed:
            while self._mood is Mood.HANGS:
                self._clock.wait(self._changed)
        mood, dice = self._mood, self._randomness.random()
        if mood is Mood.AWAY:
            raise RetryableError("away")
        if mood is Mood.SLOW:
            self._wait(5 * dice)
        if mood in (Mood.DEFECTIVE, Mood.CANCELLED, Mood.LIES) and dice < 0.5:
            self._world.unsure.update(values)
            if mood is Mood.LIES:
                return self._lie(len(values))
            if mood is Mood.CANCELLED:
                raise self._randomness.choice(NO_EXCEPTIONS)
            raise RuntimeError("a planned defect of the sink")
        if mood is Mood.RAGGED and dice < 0.6:
            self._world.uncertain.update(values)
            self._world.unsure.update(values)
            if dice < 0.3:
                self._commit(values)
            raise RetryableError("no answer to the commit", ambiguous=True)
        self._world.writing.update(values)
        outcome = self._commit(values)
        self._wait(0.01 * self._randomness.random())
        return outcome

    def _lie(self, count: int) -> WriteOutcome:
        beyond, first = Rejection(count, "LIE", ""), Rejection(0, "LIE", "")
        return self._randomness.choice(
            (
                WriteOutcome(count - 1),
                WriteOutcome(count + 1),
                WriteOutcome(-1, count + 1),
                WriteOutcome(count + 1, -1),
                WriteOutcome(count - 1, 0, (beyond,)),
                WriteOutcome(count - 2, 0, (first, first)),
            )
        )

    def _commit(self, values: Sequence[int]) -> WriteOutcome:
        table, known, refused = self._world.table, 0, []
        for position, value in enumerate(values):
            if self._world.refuses(value):
                refused.append(Rejection(position, "MODEL-1", "refused"))
            elif self.idempotent and value in table:
                known += 1
            else:
                table[value] += 1
        return WriteOutcome(len(values) - known - len(refused), known, tuple(refused))

    def _wait(self, seconds: float) -> None:
        pause = threading.Condition()
        with pause:
            self._clock.wait(pause, seconds)


class NumberSource:
    """Emits numbers from threads of its own. ``quiet``: none. A hasty one does not wait for them when it stops."""

    def __init__(self, world: World, clock: Clock, randomness: random.Random, *, quiet: bool) -> None:
        self._world = world
        self._clock = clock
        self._randomness = randomness
        self._quiet = quiet
        self._stopped = threading.Condition()
        self._stop = False
        self._threads: list[threading.Thread] = []

    def open(self) -> None:
        pass

    def start(self, emit: Emit) -> None:
        if self._quiet:
            return
        for number in range(self._world.settings.sources):
            thread = threading.Thread(target=self._run, args=(emit,), name=f"source-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, timeout_seconds: float) -> None:
        with self._stopped:
            self._stop = True
            self._stopped.notify_all()
        if self._world.settings.hasty:
            return
        deadline = self._clock.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - self._clock.monotonic()))

    def close(self) -> None:
        pass

    @property
    def ended(self) -> bool:
        """False while a thread is still in ``emit``."""
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, emit: Emit) -> None:
        dice = random.Random(self._randomness.random())
        while True:
            with self._stopped:
                if not self._stop:
                    self._clock.wait(self._stopped, dice.choice((0.0, 0.5, 2.0, 6.0)))
                if self._stop:
                    return
            values = self._world.next_values(dice.randint(1, self._world.settings.largest_batch))
            emit(Batch.of(ORIGIN, ("T",) * len(values), tuple(values), array("q", (v * 1000 for v in values))))


class MoodyBuffer(MemoryBuffer):
    """A MemoryBuffer with defects: now and then a call raises and does nothing."""

    fails: Callable[[], bool] = staticmethod(lambda: False)

    def append(self, batch: Batch) -> Batch:
        if self.fails():
            raise RuntimeError("a planned defect of the buffer")
        return super().append(batch)

    def lease(self, max_records: int, max_wait_seconds: float) -> Lease | None:
        if self.fails():
            raise RuntimeError("a planned defect of the buffer")
        return super().lease(max_records, max_wait_seconds)


class MoodyTransform:
    """Passes on what it gets, slowly, and raises now and then."""

    def __init__(self, clock: Clock, randomness: random.Random) -> None:
        self._clock = clock
        self._randomness = randomness

    def open(self) -> None:
        pass

    def close(self) -> None:
        pass

    def apply(self, batch: Batch) -> Batch:
        dice = self._randomness.random()
        pause = threading.Condition()
        with pause:
            self._clock.wait(pause, 2 * dice)
        if dice < 0.1:
            raise RuntimeError("a planned defect of the transform")
        return batch


class Witness(Events):
    """Notes in the world what the agent says of its values, at the moment when it says so."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def batch_delivered(
        self,
        sink_id: str,
        batch: Batch,
        outcome: WriteOutcome,
        attempt: int,
        elapsed_seconds: float,
        replayed_file: str | None,
    ) -> None:
        super().batch_delivered(sink_id, batch, outcome, attempt, elapsed_seconds, replayed_file)
        values = [int(value) for value in batch.values]  # type: ignore[arg-type]
        self._world.writing.subtract(values)
        refused = {rejection.position for rejection in outcome.rejected}
        self._world.said_delivered.update(v for i, v in enumerate(values) if i not in refused)

    def batch_diverted(self, sink_id: str, fallback_id: str, batch: Batch, reason: DivertReason) -> None:
        super().batch_diverted(sink_id, fallback_id, batch, reason)
        values = {int(value) for value in batch.values}  # type: ignore[arg-type]
        self._world.said_diverted |= values
        if reason is DivertReason.AMBIGUOUS_COMMIT:
            self._world.uncertain |= values
        sure = values - self._world.unsure - set(+self._world.calling) - self._world.left_behind
        sure -= set(self._world.table)
        if reason is DivertReason.AMBIGUOUS_COMMIT and sure:
            self._world.accuse(f"diverted as {reason}, and surely not in the table: {sorted(sure)[:20]}")
        if reason is not DivertReason.AMBIGUOUS_COMMIT and (unsure := values & self._world.unsure):
            self._world.accuse(f"diverted as {reason}, and may be in the table: {sorted(unsure)[:20]}")

    def records_dropped(self, component_id: str, count: int, reason: DropReason) -> None:
        super().records_dropped(component_id, count, reason)
        self._world.dropped_now += count
