"""Life: one life of the agent, in a process of its own: what happens in it, and how it ends."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass
from pathlib import Path

from simulation.cast import ModelTable, Mood, NumberSource, Witness
from simulation.composition import catalog, configuration
from simulation.world import World

from agent_core.api import ConfigurationError, LedgerSnapshot, ReplayRefused, SystemClock, UnknownBackupError
from agent_core.registry.events import Events
from agent_core.runtime.agent import Agent
from agent_core.testing.simulation.disk import Disk
from agent_core.testing.simulation.lives import Death
from agent_core.testing.simulation.scheduler import Scheduler
from agent_core.testing.simulation.stage import set_stage

PACKAGES = ("agent_core", "memory_buffer", "csv_sink", "filelock", "simulation")
"""The code that is simulated, and the cast."""
QUIET_SECONDS = 900.0
"""So long after the last fault everything must have arrived."""


@dataclass
class Ended:
    """``ledger`` is None after a kill. ``clean``: no fault kept the stop from doing its work."""

    world: World
    ledger: LedgerSnapshot | None = None
    clean: bool = False


class Life:
    """One life, in a process of its own."""

    def __init__(
        self, world: World, seed: str, death: Death[Ended], *, last: bool, lines: bool, trace: Path | None
    ) -> None:
        self._world = world
        self._dice = random.Random(seed)
        self._death = death
        self._last = last
        self._dying_at = self._dice.randint(100, 8_000) if not last and self._dice.random() < 0.6 else None
        self._scheduler = Scheduler(
            self._dice,
            now=world.now,
            on_step=self._on_step,
            fail=self._fail,
            record=trace.open("a", buffering=1).write if trace else None,
        )
        self._disk = Disk(world.folder, self._scheduler.time_ns, self._before_sync, world.file_times)
        self._disk_mood = "well"
        self._lines = lines

    def run(self) -> Ended:
        world, settings = self._world, self._world.settings
        world.lives += 1
        defects = _Defects(world)
        logging.getLogger().handlers = [defects]
        logging.getLogger().setLevel(logging.DEBUG)
        set_stage(self._scheduler, PACKAGES, self._disk, lines=self._lines)
        clock = SystemClock()
        table = ModelTable(world, clock, random.Random(self._dice.random()))
        source = NumberSource(world, clock, self._dice, quiet=self._last)
        events = Events()
        events.register_observer(Witness(world), "witness")
        agent = Agent(configuration(world), catalog(table, source), events, clock)
        agent.start()
        if self._last:
            self._wait_until_all_is_in(agent)
        else:
            self._operate(agent, table)
        began = self._scheduler.now
        agent.request_stop("history")
        agent.wait(1)
        troubled = settings.when_full == "block" or table.mood in (Mood.HANGS, Mood.SLOW) or self._disk_mood != "well"
        in_time = agent.shutdown()
        took = self._scheduler.now - began
        if took > settings.shutdown_seconds + 2:
            self._fail(f"the stop took {took:.1f} s of {settings.shutdown_seconds:g}")
        [sink] = agent.status().sinks
        self._note()
        dropped = sink.ledger.dropped
        if not troubled and settings.fallback and not in_time and not dropped:
            self._fail(f"the stop was not clean: {agent.stop_problems}")
        return Ended(world, sink.ledger, source.ended)

    # ---- what happens in it

    def _operate(self, agent: Agent, table: ModelTable) -> None:
        dice = self._dice
        for _ in range(dice.randint(1, 10)):
            self._scheduler.sleep(dice.choice((0.0, 0.5, 3.0, 10.0, 30.0)) * dice.random())
            match dice.randint(0, 7):
                case 0 | 1 | 2:
                    table.become(dice.choice(tuple(Mood)))
                case 3:
                    table.become(Mood.WELL)
                case 4:
                    self._disk_mood = dice.choice(("well", "well", "slow", "fails"))
                case 5:
                    agent.pause_sink("sink")
                case 6:
                    agent.resume_sink("sink")
                case 7:
                    agent.try_sink("sink")
                    self._replay_something(agent)
            self._look(agent)
        if dice.random() < 0.7:
            self._disk_mood = "well"
            agent.resume_sink("sink")
            table.become(dice.choice((Mood.WELL, Mood.WELL, Mood.AWAY, Mood.RAGGED)))

    def _replay_something(self, agent: Agent) -> None:
        if not self._world.settings.fallback:
            return
        try:
            for file in agent.backlog("sink"):
                if self._dice.random() < 0.5:
                    self._world.refused_again |= file.rejected
                    agent.replay_backup("sink", file.name)
        except (OSError, ReplayRefused, UnknownBackupError, ConfigurationError):
            pass

    def _look(self, agent: Agent) -> None:
        """What must be true at any moment."""
        [sink] = agent.status().sinks
        ledger = sink.ledger
        if not ledger.balanced:
            self._fail(f"the ledger does not balance: {ledger}")
        most = self._world.settings.capacity + 2 * self._world.settings.sources * self._world.settings.largest_batch
        if ledger.pending > most + self._world.settings.workers * self._world.settings.max_records:
            self._fail(f"{ledger.pending} pending, capacity {self._world.settings.capacity}")

    def _wait_until_all_is_in(self, agent: Agent) -> None:
        end = self._scheduler.now + QUIET_SECONDS
        while self._scheduler.now < end:
            [sink] = agent.status().sinks
            replay = sink.replay if self._world.settings.written_back else None
            if not sink.ledger.pending and (replay is None or (replay.counted and not replay.waiting_records)):
                return
            self._scheduler.sleep(5)
        self._fail(f"after {QUIET_SECONDS:g} s without a fault: {agent.status().sinks}")

    def _before_sync(self) -> None:
        if self._disk_mood == "slow":
            self._scheduler.sleep(self._dice.choice((0.05, 0.5, 2.0)))
        else:
            self._scheduler.point("fsync")
        if self._disk_mood == "fails" and self._dice.random() < 0.5:
            self._world.refused_again = True
            raise OSError(5, "Input/output error")

    # ---- its end

    def _on_step(self, points: int) -> None:
        if points == self._dying_at:
            self._note()
            if self._world.settings.power_cuts:
                self._disk.cut_power(self._dice)
            self._death.kill(Ended(self._world))

    def _fail(self, text: str) -> None:
        last = "\n".join(self._scheduler.last_points)
        defects = "\n".join(self._world.defects[-30:])
        self._death.fail(f"{text}\n---- the last points\n{last}\n---- the log\n{defects}")

    def _note(self) -> None:
        world = self._world
        world.now, world.points, world.trace = (
            self._scheduler.now,
            world.points + self._scheduler.points,
            (world.trace + self._scheduler.trace_hash)[-32:],
        )
        world.last = (*self._scheduler.last_points, "---- the log", *world.defects[-30:])


class _Defects(logging.Handler):
    """Keeps the log for whoever looks at a failure."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def emit(self, record: logging.LogRecord) -> None:
        self._world.defects.append(f"{self._world.lives} {record.levelname} {record.getMessage()}")
        del self._world.defects[:-200]
