"""Exploration: a play with threads, seen in many interleavings; for whoever writes a plugin."""

from __future__ import annotations

import random
import threading
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

from agent_core.testing.simulation.lives import Death, LifeError, live
from agent_core.testing.simulation.scheduler import Scheduler
from agent_core.testing.simulation.stage import broken_rules, load, set_stage

Play = Callable[[], object]
"""Makes the code under test, uses it from threads, and raises (an AssertionError, say) when something is wrong."""


class RulesBroken(AssertionError):
    """The code under test would keep real locks or real time, and wait for ever."""


class Found(AssertionError):
    """An interleaving in which a play goes wrong: why, the last points, and the line that replays it."""


def explore(
    play: Play,
    packages: Iterable[str],
    seeds: Iterable[int] = range(100),
    *,
    lines: bool = False,
    trace: Path | None = None,
) -> None:
    """Run ``play`` once for each seed, each time in a forked process and in another interleaving.

    Raises Found, or RulesBroken.

    ``packages``: the code under test; packages or modules whose threads, queues, time and random numbers are taken over
    besides those of ``agent_core`` and of the play's own module. ``lines``: a thread may lose its turn at every line of
    ``packages``, which finds locks that are missing and takes about ten times as long. ``trace``: a file for every
    point, with the source lines that led there; for one seed. Linux only.
    """
    names = tuple(packages)
    load(names)
    if broken := broken_rules(names):
        raise RulesBroken("\n".join(broken))
    for seed in seeds:
        try:
            live(lambda death, seed=seed: _run(play, names, seed, lines, trace, death))  # type: ignore[misc]
        except LifeError as error:
            again = f"seeds=[{seed}], trace=Path('trace.txt')"
            raise Found(f"seed {seed}: {error}\n---- to see it again, in the same call of explore\n{again}") from None


def _run(play: Play, names: tuple[str, ...], seed: int, lines: bool, trace: Path | None, death: Death[None]) -> None:
    def fail(problem: str) -> None:
        death.fail("\n".join([problem, "---- the last points", *scheduler.last_points]))

    def thread_failed(arguments: threading.ExceptHookArgs) -> None:
        problem = traceback.format_exception(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
        fail("".join(problem))

    scheduler = Scheduler(
        random.Random(seed),  # noqa: S311 - to be repeated
        fail=fail,
        record=trace.open("w", buffering=1).write if trace is not None else None,
    )
    threading.excepthook = thread_failed
    set_stage(scheduler, ("agent_core", _module_of(play), *names), lines_of=names if lines else ())
    try:
        play()
    except BaseException:
        fail(traceback.format_exc())


def _function_of(play: Play) -> Play:
    return _function_of(play.func) if isinstance(play, partial) else play


def _module_of(play: Play) -> str:
    return _function_of(play).__module__
