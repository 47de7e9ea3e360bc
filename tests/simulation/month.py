"""Month: one agent that polls once a minute for a month, through outages, restarts, kills and power cuts."""

from __future__ import annotations

import logging
import random
import shutil
import tempfile
import time
from array import array
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from simulation.cast import ORIGIN, ModelTable, Mood, MoodyTransform, NumberSource, Witness
from simulation.composition import catalog, configuration
from simulation.life import PACKAGES
from simulation.world import Settings, World

from agent_core.api import Batch, Emit, LedgerSnapshot, SystemClock
from agent_core.config.model import AgentConfig, BatchConfig, BreakerConfig, FallbackConfig
from agent_core.runtime.agent import Agent
from agent_core.runtime.delivery import watch
from agent_core.runtime.replay import replayer
from agent_core.runtime.sources import source_watch
from agent_core.testing.simulation.disk import Disk
from agent_core.testing.simulation.lives import Death, live
from agent_core.testing.simulation.scheduler import Scheduler
from agent_core.testing.simulation.stage import set_stage

DAY_SECONDS = 86_400.0
POLL_SECONDS = 60.0
VALUES = 3
"""Of one poll."""
MOST_POINTS = 50_000_000
IN_BY_SECONDS = 3600.0
LOOK_SECONDS = 300.0


@dataclass
class Ended:
    """``ledger`` is None after a kill."""

    world: World
    happened: Counter[str]
    points: int
    ledger: LedgerSnapshot | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What a month was."""

    days: float
    values: int
    lives: int
    points: int
    happened: Counter[str]
    real_seconds: float

    def __str__(self) -> str:
        happened = ", ".join(f"{count} {what}" for what, count in sorted(self.happened.items()))
        return (
            f"{self.days:.1f} days, {self.values:,} values, {self.lives} lives ({happened}), {self.points:,} points "
            f"in {self.real_seconds:.0f} s"
        )


class MinuteSource(NumberSource):
    """Emits once a minute."""

    def _run(self, emit: Emit) -> None:
        while True:
            with self._stopped:
                until = self._clock.monotonic() + POLL_SECONDS
                while not self._stop and (left := until - self._clock.monotonic()) > 0:
                    self._clock.wait(self._stopped, left)
                if self._stop:
                    return
            values = self._world.next_values(VALUES)
            emit(Batch.of(ORIGIN, ("T",) * VALUES, tuple(values), array("q", (value * 1000 for value in values))))


def run(seed: int, days: float) -> Told:
    """Simulate so many days. Raises AssertionError when a value is not where it should be."""
    randomness = random.Random(seed)
    settings = replace(
        Settings.drawn(random.Random(0)),
        idempotent=True,
        workers=2,
        sources=1,
        largest_batch=VALUES,
        capacity=200,
        when_full="drop_oldest",
        max_records=25,
        fallback=True,
        replay=True,
        power_cuts=True,
        hasty=False,
        transformed=False,
        moody_buffer=False,
        shutdown_seconds=30.0,
    )
    memory = Path("/dev/shm")
    folder = Path(tempfile.mkdtemp(prefix="month-", dir=memory if memory.is_dir() else None))
    world, happened, points, began = World(settings, folder), Counter[str](), 0, time.monotonic()
    try:
        while world.now < days * DAY_SECONDS:
            seconds = min(days * DAY_SECONDS - world.now, (0.5 + 5 * randomness.random()) * DAY_SECONDS)
            last = world.now + seconds >= days * DAY_SECONDS
            number, before = world.lives, world.emitted
            ended = live(
                lambda death, number=number, world=world, seconds=seconds, last=last: _Life(  # type: ignore[misc]
                    world, f"{seed}.{number}", death, seconds, last=last
                ).run(),
                600,
            )
            world, points = ended.world, points + ended.points
            happened += ended.happened
            if ended.ledger is None:
                world.after_kill()
            else:
                world.after_stop(ended.ledger, before)
        world.check_end()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Told(world.now / DAY_SECONDS, world.emitted, world.lives, points, happened, time.monotonic() - began)


def _look_seldom() -> None:
    """What the agent looks at each second it looks at every few minutes here: a month has 2.6 million seconds."""
    for module in (watch, source_watch):
        vars(module)["LOOK_SECONDS"] = LOOK_SECONDS
    vars(replayer)["IDLE_LOOK_INTERVAL_SECONDS"] = LOOK_SECONDS


def _calm(config: AgentConfig) -> AgentConfig:
    """The times of a plant, in place of those that a short history needs."""
    [sink] = config.sinks
    fallback = sink.fallback
    assert fallback is not None
    calm = replace(
        sink,
        batch=BatchConfig(sink.batch.max_records, POLL_SECONDS),
        breaker=BreakerConfig(60, 300),
        fallback=FallbackConfig(
            fallback.type, {**fallback.config, "max_file_age": 600.0, "max_file_size": 100_000}, fallback.replay, 5000
        ),
    )
    return replace(config, sinks=(calm,))


class _Life:
    """One life, in a process of its own. It ends with a stop or with a kill; the last one when everything is in."""

    def __init__(self, world: World, seed: str, death: Death[Ended], seconds: float, *, last: bool) -> None:
        self._world = world
        self._dice = random.Random(seed)
        self._death = death
        self._seconds = seconds
        self._last = last
        self._happened = Counter[str]()
        self._scheduler = Scheduler(self._dice, now=world.now, most_points=MOST_POINTS, fail=self._fail)
        self._disk = Disk(world.folder, self._scheduler.time_ns, lambda: None, world.file_times)

    def run(self) -> Ended:
        world, scheduler = self._world, self._scheduler
        world.lives += 1
        world.unsure.clear()
        world.calling.clear()
        logging.getLogger().handlers = [logging.NullHandler()]
        set_stage(scheduler, PACKAGES, self._disk)
        clock = SystemClock()
        table = ModelTable(world, clock, random.Random(self._dice.random()))
        source = MinuteSource(world, clock, self._dice, quiet=False)
        transform = MoodyTransform(clock, random.Random(0))
        _look_seldom()
        agent = Agent(
            _calm(configuration(world)), catalog(table, lambda context: source, transform), Witness(world), clock
        )
        agent.start()
        until = world.now + self._seconds
        while scheduler.now < until:
            scheduler.sleep(min(until - scheduler.now, self._dice.expovariate(1 / (0.5 * DAY_SECONDS))))
            if scheduler.now < until:
                self._weather(table)
        kill = self._dice.random() < 0.5 and not self._last
        if kill:
            self._happened["kill"] += 1
            if self._dice.random() < 0.5:
                self._happened["power cut"] += 1
                self._disk.cut_power(self._dice)
            self._note()
            self._death.kill(Ended(world, self._happened, scheduler.points))
        if self._last:
            self._wait_until_all_is_in(agent)
        agent.request_stop("month")
        agent.wait(1)
        if not agent.shutdown():
            self._fail(f"the stop was not clean: {agent.stop_problems}")
        self._happened["restart"] += not self._last
        [sink] = agent.status().sinks
        self._note()
        return Ended(world, self._happened, scheduler.points, sink.ledger)

    def _weather(self, table: ModelTable) -> None:
        mood = self._dice.choice((Mood.AWAY, Mood.AWAY, Mood.RAGGED, Mood.SLOW))
        self._happened["outage" if mood is Mood.AWAY else f"{mood.value} table"] += 1
        table.become(mood)
        self._scheduler.sleep(min(6 * 3600.0, self._dice.expovariate(1 / 1800.0)))
        table.become(Mood.WELL)

    def _wait_until_all_is_in(self, agent: Agent) -> None:
        end = self._scheduler.now + IN_BY_SECONDS
        while self._scheduler.now < end:
            [sink] = agent.status().sinks
            if not sink.ledger.pending and sink.replay is not None and not sink.replay.waiting_records:
                return
            self._scheduler.sleep(5)
        self._fail(f"after {IN_BY_SECONDS:g} s without a fault: {agent.status().sinks}")

    def _note(self) -> None:
        self._world.now, self._world.points = self._scheduler.now, self._world.points + self._scheduler.points

    def _fail(self, text: str) -> None:
        self._death.fail("\n".join([text, *self._scheduler.last_points]))
