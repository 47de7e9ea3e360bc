"""Life: one life of the agent, in a process of its own: what happens in it, and how it ends."""

from __future__ import annotations

import errno
import gc
import logging
import os
import random
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from csv_sink.format.line import HEADER
from simulation.cast import ModelTable, Mood, MoodyBuffer, MoodyTransform, NumberSource, Witness
from simulation.composition import catalog, configuration
from simulation.polled import PolledNumbers
from simulation.world import World

from agent_core.api import (
    ComponentContext,
    ConfigurationError,
    LedgerSnapshot,
    ReplayRefused,
    RetryableError,
    SinkState,
    SystemClock,
    UnknownBackupError,
)
from agent_core.runtime.agent import Agent
from agent_core.runtime.delivery.flight import LeaseFlight
from agent_core.testing.simulation.disk import Disk
from agent_core.testing.simulation.lives import Death
from agent_core.testing.simulation.scheduler import Scheduler
from agent_core.testing.simulation.stage import set_stage

PACKAGES = ("agent_core", "memory_buffer", "csv_sink", "polling_source", "filelock", "simulation")
"""The code that is simulated, and the cast."""
OF_DEFECTS = (
    "worker restarted",
    "watch failed",
    "sink did not take records",
    "buffer status failed",
    "stock unknown",
    "polling restarted",
    "emit failed",
)
"""What the log says of a part of the agent that raises what it should not."""
MOST_OPEN_FILES = 2
"""A replay that was interrupted may still read one."""
POINTS, LINES_POINTS = 1_000_000, 30_000_000
"""More than these in one life: threads run without ever waiting."""
WELL_SECONDS = 90.0
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
        self, world: World, seed: str, death: Death[Ended], *, last: bool, lines_of: Sequence[str], trace: Path | None
    ) -> None:
        self._world = world
        self._dice = random.Random(seed)
        self._death = death
        self._last = last
        self._dying_at = self._dice.randint(100, 8_000) if not last and self._dice.random() < 0.6 else None
        self._scheduler = Scheduler(
            self._dice,
            now=world.now,
            most_points=LINES_POINTS if lines_of else POINTS,
            on_step=self._on_step,
            fail=self._fail,
            record=trace.open("a", buffering=1).write if trace else None,
        )
        self._disk = Disk(world.folder, self._scheduler.time_ns, self._before_sync, world.file_times, self._before_look)
        self._disk_mood = "well"
        self._buffer_fails = False
        self._syncing = 0
        self._troubled = False
        self._lines_of = lines_of

    def run(self) -> Ended:
        world, settings = self._world, self._world.settings
        world.lives += 1
        world.unsure.clear()
        world.calling.clear()
        world.left_behind.clear()
        world.stopping = False
        world.congested = False
        defects = _Defects(world)
        logging.getLogger().handlers = [defects]
        logging.getLogger().setLevel(logging.DEBUG)
        set_stage(self._scheduler, PACKAGES, self._disk, lines_of=self._lines_of)
        clock = SystemClock()
        table = ModelTable(world, clock, random.Random(self._dice.random()))
        transform = MoodyTransform(clock, random.Random(self._dice.random()))
        MoodyBuffer.fails = staticmethod(lambda: self._buffer_fails and self._dice.random() < 0.2)
        agent = Agent(configuration(world), catalog(table, self._make_source, transform), Witness(world), clock)
        gc.freeze()
        agent.start()
        if self._last:
            self._wait_until_all_is_in(agent)
        else:
            self._operate(agent, table)
        began = self._scheduler.now
        world.stopping = True
        agent.request_stop("history")
        agent.wait(1)
        self._trouble(table)
        if not self._last and self._dice.random() < 0.4:
            threading.Thread(target=self._weather, args=(agent, table), name="weather", daemon=True).start()
        in_time = agent.shutdown()
        took = self._scheduler.now - began
        if took > settings.shutdown_seconds + 2:
            self._fail(f"the stop took {took:.1f} s of {settings.shutdown_seconds:g}")
        if settings.hasty or self._troubled:  # what still hangs may return before the process ends
            table.become(Mood.WELL)
            self._scheduler.sleep(5)
        self._note()
        ledger = self._check_stop(agent, in_time)
        gc.collect()
        if in_time and not self._syncing and len(still_open := self._open_files()) > MOST_OPEN_FILES:
            self._fail(f"still open after the stop: {still_open}")
        return Ended(world, ledger, self._source.ended and not self._syncing)

    def _make_source(self, context: ComponentContext) -> NumberSource | PolledNumbers:
        if self._world.settings.polled:
            dice = random.Random(self._dice.random())
            self._source: NumberSource | PolledNumbers = PolledNumbers(self._world, context, dice, quiet=self._last)
        else:
            self._source = NumberSource(self._world, context.clock, self._dice, quiet=self._last)
        return self._source

    # ---- what happens in it

    def _operate(self, agent: Agent, table: ModelTable) -> None:
        dice = self._dice
        for _ in range(dice.randint(1, 10)):
            self._scheduler.sleep(dice.choice((0.0, 0.5, 3.0, 10.0, 30.0)) * dice.random())
            match dice.randint(0, 11):
                case 0 | 1 | 2:
                    table.become(dice.choice(tuple(Mood)))
                case 3:
                    table.become(Mood.WELL)
                case 4 | 10 | 11:
                    self._disk_mood = dice.choice(("well", "slow", "stuck", "fails", "full"))
                    self._world.congested |= self._disk_mood in ("slow", "stuck")
                case 5:
                    agent.pause_sink("sink")
                case 6:
                    agent.resume_sink("sink")
                case 7:
                    agent.try_sink("sink")
                    self._replay_something(agent)
                    self._control_a_group(agent)
                case 8:
                    self._delete_something(agent)
                case 9:
                    self._buffer_fails = not self._buffer_fails
            self._look(agent)
        self._buffer_fails = False
        self._look_at_memory(agent)
        if dice.random() < 0.3:
            self._get_well(agent, table)
        weather = dice.random()
        if weather < 0.2:
            self._disk_mood = dice.choice(("stuck", "stuck", "fails", "full"))
            self._world.congested |= self._disk_mood == "stuck"
            table.become(dice.choice((Mood.AWAY, Mood.AWAY, Mood.HANGS, Mood.RAGGED, Mood.SLOW)))
            self._scheduler.sleep(dice.choice((0.0, 3.0, 15.0)))
        elif weather < 0.35:
            self._lose_answers(agent, table)
        elif weather < 0.85:
            self._disk_mood = "well"
            agent.resume_sink("sink")
            table.become(dice.choice((Mood.WELL, Mood.WELL, Mood.AWAY, Mood.RAGGED)))

    def _lose_answers(self, agent: Agent, table: ModelTable) -> None:
        """Of attempts that the stop finds between two tries."""
        self._disk_mood = "well"
        agent.resume_sink("sink")
        table.become(Mood.RAGGED)
        self._scheduler.sleep(4 * self._dice.random())
        if self._dice.random() < 0.5:
            agent.pause_sink("sink")

    def _control_a_group(self, agent: Agent) -> None:
        for group in agent.polling.groups():
            if self._dice.random() < 0.3:
                agent.polling.stop_group(group.group_id)
            elif self._dice.random() < 0.5:
                agent.polling.start_group(group.group_id)

    def _get_well(self, agent: Agent, table: ModelTable) -> None:
        """When the faults have ended, the sink is up before long, whatever the backlog is like."""
        if self._world.settings.written_back and self._dice.random() < 0.5:
            table.become(Mood.AWAY)
            self._scheduler.sleep(15)
            self._put_empty_file()
            self._scheduler.sleep(15)
        self._disk_mood = "well"
        table.become(Mood.WELL)
        agent.resume_sink("sink")
        self._scheduler.sleep(WELL_SECONDS)
        [sink] = agent.status().sinks
        if sink.state is not SinkState.UP:
            self._fail(f"{sink.state} {WELL_SECONDS:g} s after the last fault, probe in {sink.next_probe_seconds}")

    def _replay_something(self, agent: Agent) -> None:
        if not self._world.settings.fallback:
            return
        try:
            if self._dice.random() < 0.3:
                self._put_empty_file()
            for file in agent.backlog("sink"):
                if self._dice.random() < 0.5:
                    self._world.refused_again |= file.rejected
                    agent.replay_backup("sink", file.name)
        except (OSError, ReplayRefused, UnknownBackupError, ConfigurationError, RetryableError):
            pass

    def _put_empty_file(self) -> None:
        """Somebody has deleted the rows of a file, and puts it back."""
        folder = self._world.folder / "backup" / "sink"
        if folder.is_dir():
            (folder / "backup_20200101_000000.csv").write_bytes(HEADER)

    def _delete_something(self, agent: Agent) -> None:
        """Only files of rejected records can be deleted."""
        if not self._world.settings.fallback:
            return
        try:
            for file in agent.backlog("sink"):
                if self._dice.random() < 0.5:
                    if file.rejected and file.path is not None:
                        self._world.delete(file.path)
                    agent.delete_rejected("sink", file.name)
        except (OSError, ReplayRefused, UnknownBackupError, RetryableError):
            pass

    def _weather(self, agent: Agent, table: ModelTable) -> None:
        """It does not wait for a stop."""
        for _ in range(self._dice.randint(1, 4)):
            self._scheduler.sleep(
                self._dice.choice((0.05, 2.0, self._world.settings.shutdown_seconds * self._dice.random()))
            )
            table.become(self._dice.choice(tuple(Mood)))
            agent.request_stop("again")
            self._trouble(table)

    def _trouble(self, table: ModelTable) -> None:
        self._troubled |= table.mood in (Mood.HANGS, Mood.SLOW) or self._disk_mood != "well" or self._syncing > 0

    def _check_stop(self, agent: Agent, in_time: bool) -> LedgerSnapshot:
        settings = self._world.settings
        [sink] = agent.status().sinks
        ledger, troubled = sink.ledger, self._troubled or settings.when_full == "block"
        if self._world.accused is not None:
            self._fail(self._world.accused)
        # The sources' share of a short stop is shorter than a transform, or a poll, may take.
        troubled |= (settings.transformed or settings.polled) and settings.shutdown_seconds <= 5
        if not troubled and settings.fallback:
            if not in_time and not ledger.dropped:
                self._fail(f"the stop was not clean: {agent.stop_problems}")
            if settings.shutdown_seconds > 10 and ledger.dropped_by_reason.get("shutdown"):
                self._fail(f"a stop with time and a fallback gave records up: {ledger}")
        clean = all("dropped, in no sink" in problem for problem in agent.stop_problems)
        if clean and (sink.buffer.ready_records or sink.buffer.leased_records):
            self._fail(f"after the stop the buffer holds {sink.buffer}")
        return ledger

    def _open_files(self) -> list[str]:
        """Files and folders of the agent that this process has open."""
        links = []
        for descriptor in Path("/proc/self/fd").iterdir():
            with suppress(FileNotFoundError):  # the one that lists them
                links.append(str(descriptor.readlink()))
        return sorted(link for link in links if link.startswith(str(self._world.folder)))

    def _look_at_memory(self, agent: Agent) -> None:
        """What has ended is forgotten."""
        [sink] = agent.status().sinks
        gc.collect()
        flights = sum(isinstance(thing, LeaseFlight) for thing in gc.get_objects())
        if flights > sink.ledger.pending + 20:
            self._fail(f"{flights} batches are on their way, {sink.ledger.pending} records pending")

    def _look(self, agent: Agent) -> None:
        """What must be true at any moment."""
        [sink] = agent.status().sinks
        ledger = sink.ledger
        if not ledger.balanced:
            self._fail(f"the ledger does not balance: {ledger}")
        if self._world.accused is not None:
            self._fail(self._world.accused)
        if (sink.workers_running or 0) < self._world.settings.workers:
            self._fail(f"{sink.workers_running} of {self._world.settings.workers} workers run")
        if sink.buffer.ready_records + sink.buffer.leased_records > self._world.settings.capacity:
            self._fail(f"more than its capacity of {self._world.settings.capacity}: {sink.buffer}")
        most = self._world.settings.capacity + 2 * self._world.settings.sources * self._world.settings.largest_batch
        if (
            not self._world.congested
            and ledger.pending > most + self._world.settings.workers * self._world.settings.max_records
        ):
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
        if self._disk_mood in ("slow", "stuck"):
            self._syncing += 1
            slow = self._disk_mood == "slow"
            self._scheduler.sleep(self._dice.choice((0.05, 0.5, 2.0) if slow else (0.1, 2.0, 30 * self._dice.random())))
            self._syncing -= 1
        else:
            self._scheduler.point("fsync")
        if self._disk_mood in ("fails", "full") and self._dice.random() < 0.5:
            self._world.refused_again = True
            number = errno.EIO if self._disk_mood == "fails" else errno.ENOSPC
            raise OSError(number, os.strerror(number))

    def _before_look(self) -> None:
        if self._disk_mood == "fails" and self._dice.random() < 0.3:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

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
        said = record.getMessage()
        self._world.defects.append(f"{self._world.lives} {record.levelname} {said}")
        if said.startswith(OF_DEFECTS) and "planned defect" not in said:
            self._world.accuse(f"a defect of the agent: {said}")
        del self._world.defects[:-200]
