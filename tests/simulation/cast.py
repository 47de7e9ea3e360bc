"""Cast: a source, a table and an observer that live in a World; the other parts are the real ones."""

from __future__ import annotations

import asyncio
import random
import threading
from array import array
from collections.abc import Sequence
from enum import Enum

from simulation.world import World

from agent_core.api import (
    Batch,
    Clock,
    DivertReason,
    DropReason,
    Emit,
    Origin,
    Rejection,
    RetryableError,
    WriteOutcome,
    hookimpl,
)

ORIGIN = Origin("line", "PLC01", "G1")


class Mood(Enum):
    """How the table behaves."""

    WELL = "well"
    AWAY = "away"
    RAGGED = "ragged"  # answers are lost, before or after the commit
    SLOW = "slow"
    HANGS = "hangs"
    DEFECTIVE = "defective"  # the sink's own code fails
    CANCELLED = "cancelled"  # it raises what is no Exception


class ModelTable:
    """A table as a sink sees it. Thread-safe."""

    def __init__(self, world: World, clock: Clock, randomness: random.Random) -> None:
        self._world = world
        self._clock = clock
        self._randomness = randomness
        self._changed = threading.Condition()
        self._mood = Mood.WELL

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
        if self._mood is Mood.AWAY:
            raise RetryableError("away")

    def close(self) -> None:
        pass

    def write(self, batch: Batch) -> WriteOutcome:
        self._wait(0.05 * self._randomness.random())
        with self._changed:
            while self._mood is Mood.HANGS:
                self._clock.wait(self._changed)
        mood, dice = self._mood, self._randomness.random()
        if mood is Mood.AWAY:
            raise RetryableError("away")
        if mood is Mood.SLOW:
            self._wait(5 * dice)
        if mood is Mood.DEFECTIVE and dice < 0.5:
            raise RuntimeError("a planned defect of the sink")
        if mood is Mood.CANCELLED and dice < 0.5:
            raise asyncio.CancelledError
        values = [int(value) for value in batch.values]  # type: ignore[arg-type]
        if mood is Mood.RAGGED and dice < 0.6:
            self._world.uncertain.update(values)
            if dice < 0.3:
                self._commit(values)
            raise RetryableError("no answer to the commit", ambiguous=True)
        self._world.writing.update(values)
        outcome = self._commit(values)
        self._wait(0.01 * self._randomness.random())
        return outcome

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
    """Emits numbers from threads of its own. ``quiet``: none."""

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


class Witness:
    """Notes in the world what the agent says of its values."""

    def __init__(self, world: World) -> None:
        self._world = world

    @hookimpl
    def agent_batch_delivered(self, sink_id: str, batch: Batch, outcome: WriteOutcome) -> None:
        values = [int(value) for value in batch.values]  # type: ignore[arg-type]
        self._world.writing.subtract(values)
        refused = {rejection.position for rejection in outcome.rejected}
        self._world.said_delivered.update(v for i, v in enumerate(values) if i not in refused)

    @hookimpl
    def agent_batch_diverted(self, sink_id: str, batch: Batch, reason: DivertReason) -> None:
        self._world.said_diverted.update(int(value) for value in batch.values)  # type: ignore[arg-type]

    @hookimpl
    def agent_records_dropped(self, component_id: str, count: int, reason: DropReason) -> None:
        self._world.dropped_now += count
