"""History: lives of one agent, from one seed, on one folder."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulation.life import PACKAGES, Life
from simulation.world import Settings, World

from agent_core.testing.simulation.lives import LifeError, live
from agent_core.testing.simulation.stage import load


class HistoryFailed(AssertionError):
    """What went wrong, with the seed that leads there again."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a history was."""

    seed: int
    lives: int
    points: int
    seconds: float
    values: int
    trace: str


def prepare() -> None:
    """Import everything that a life needs. Before the first history of a process."""
    load(PACKAGES)


def run(seed: int, *, lines_of: Sequence[str] = (), trace: Path | None = None) -> Told:
    """Run the history of one seed; every line of ``lines_of`` is a point. Raises HistoryFailed."""
    randomness = random.Random(seed)
    memory = Path("/dev/shm")  # no disk is as fast
    folder = Path(tempfile.mkdtemp(prefix="history-", dir=memory if memory.is_dir() else None))
    world = World(Settings.drawn(randomness), folder)
    try:
        for number in range(randomness.randint(1, 3)):
            world = _one_life(world, f"{seed}.{number}", last=False, lines_of=lines_of, trace=trace)
        world = _one_life(world, f"{seed}.last", last=True, lines_of=lines_of, trace=trace)
        world.check_end()
    except (LifeError, AssertionError) as error:
        last = "\n".join(world.last)
        raise HistoryFailed(f"seed {seed}, life {world.lives}: {error}\n{world.settings}\n{last}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Told(seed, world.lives, world.points, world.now, world.emitted, world.trace)


def _one_life(world: World, seed: str, *, last: bool, lines_of: Sequence[str], trace: Path | None) -> World:
    began_with = world.emitted
    ended = live(
        lambda death: Life(world, seed, death, last=last, lines_of=lines_of, trace=trace).run(),
        600 if trace or lines_of else 60,
    )
    if ended.ledger is None:
        ended.world.after_kill()
    elif ended.clean:
        ended.world.after_stop(ended.ledger, began_with)
    else:
        ended.world.after_troubled_stop(ended.ledger, began_with)
    return ended.world
