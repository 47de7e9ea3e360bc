"""Stage: the code under test, put on a Scheduler for the rest of this process."""

from __future__ import annotations

import importlib
import pkgutil
import queue
import random
import sys
import threading
import time
from collections.abc import Iterable
from itertools import count
from types import ModuleType
from typing import Final

from agent_core.testing.simulation.disk import Disk
from agent_core.testing.simulation.primitives import Primitives, replace_in
from agent_core.testing.simulation.scheduler import Scheduler, line_points


def load(packages: Iterable[str]) -> None:
    """Import every module of the packages: one that is imported later would have the real threads."""
    for package in packages:
        module = importlib.import_module(package)
        for found in pkgutil.walk_packages(getattr(module, "__path__", ()), f"{package}."):
            if not found.name.rpartition(".")[2].startswith("__main__") and ".testing" not in found.name:
                importlib.import_module(found.name)


def set_stage(
    scheduler: Scheduler, packages: Iterable[str], disk: Disk | None = None, *, lines_of: Iterable[str] = ()
) -> None:
    """Let every module of the packages use the scheduler's threads, queues, time and randomness, and ``disk``.

    Cannot be undone: call it in the process of one life. ``lines_of``: packages whose every line is a point.
    """
    files = frozenset(module.__file__ for module in _modules(tuple(lines_of)) if module.__file__)
    chosen = files.__contains__ if files else None
    primitives = Primitives(scheduler, chosen)
    replace_in(
        _modules(tuple(packages)),
        {
            threading: primitives.threading,
            queue: primitives.queue,
            time: _time(scheduler),
            random: _random(),
        },
    )
    if disk is not None:
        disk.install()
    if chosen is not None:
        sys.settrace(line_points(scheduler, chosen))


_REPLACED: Final = {
    threading: ("Condition", "Event", "Lock", "RLock", "Thread", "get_ident"),
    queue: ("Queue", "SimpleQueue"),
    time: ("monotonic", "perf_counter", "sleep", "time", "time_ns"),
}


def broken_rules(packages: Iterable[str]) -> list[str]:
    """What in the modules would keep the real threads and time, and how to change it."""
    made = (type(threading.Lock()), type(threading.RLock()), threading.Condition, threading.Event, queue.Queue)
    found = []
    for module in _modules(tuple(packages)):
        for name, value in vars(module).items():
            where = f"{module.__name__}: {name}"
            if isinstance(value, made):
                found.append(f"{where} is made while the module is imported; make it in __init__")
            found += [
                f"{where} comes from {source.__name__}; write `import {source.__name__}`"
                for source, replaced in _REPLACED.items()
                if any(value is vars(source)[known] for known in replaced)
            ]
    return found


def _modules(packages: tuple[str, ...]) -> list[ModuleType]:
    return [
        module
        for name, module in sorted(sys.modules.items())
        if any(name == package or name.startswith(f"{package}.") for package in packages)
        and not name.startswith("agent_core.testing.simulation")
    ]


def _time(scheduler: Scheduler) -> ModuleType:
    module = ModuleType("time")
    module.__dict__.update({name: value for name, value in vars(time).items() if not name.startswith("__")})
    module.__dict__.update(
        monotonic=scheduler.monotonic,
        perf_counter=scheduler.monotonic,
        thread_time=scheduler.monotonic,
        time=lambda: scheduler.time_ns() / 1e9,
        time_ns=scheduler.time_ns,
        sleep=scheduler.sleep,
    )
    return module


def _random() -> ModuleType:
    """``random.Random()`` without a seed gets one that counts."""
    module = ModuleType("random")
    module.__dict__.update({name: value for name, value in vars(random).items() if not name.startswith("__")})
    seeds: Final = count()

    def seeded(seed: int | None = None) -> random.Random:
        return random.Random(next(seeds) if seed is None else seed)  # noqa: S311 - to be repeated

    module.__dict__["Random"] = seeded
    return module
