"""Primitives: locks, conditions, events, threads and queues whose every use is a point of the Scheduler.

``Primitives.threading`` and ``Primitives.queue`` stand in for the modules of those names in the code under test.
"""

from __future__ import annotations

import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable
from types import ModuleType, TracebackType
from typing import Any, Final, Generic, TypeVar

from agent_core.testing.simulation.scheduler import Scheduler, State, Task, line_points

T = TypeVar("T")


class Primitives:
    """The stand-ins of one history. ``trace``: the files in which every line is a point, or None."""

    def __init__(self, scheduler: Scheduler, trace: Callable[[str], bool] | None = None) -> None:
        self._scheduler = scheduler
        self._trace = trace
        self._live: list[threading.Thread] = []
        self.threading: Final = self._threading()
        self.queue: Final = self._queue()

    def _threading(self) -> ModuleType:
        module = ModuleType("threading")
        module.__dict__.update({name: value for name, value in vars(threading).items() if not name.startswith("__")})
        scheduler, live, trace = self._scheduler, self._live, self._trace

        class SimulatedThread(_Thread):
            def __init__(self, *arguments: Any, **named: Any) -> None:
                super().__init__(*arguments, **named)
                self.scheduler, self.live, self.lines, self.excepthook = scheduler, live, trace, module

        module.__dict__.update(
            Lock=lambda: Lock(scheduler),
            RLock=lambda: RLock(scheduler),
            Condition=lambda lock=None: Condition(scheduler, lock),
            Event=lambda: Event(scheduler),
            Thread=SimulatedThread,
            get_ident=lambda: scheduler.current.number + 1,  # a real one may be used again
            enumerate=lambda: [threading.main_thread(), *live],
        )
        return module

    def _queue(self) -> ModuleType:
        module = ModuleType("queue")
        module.__dict__.update({name: value for name, value in vars(queue).items() if not name.startswith("__")})
        scheduler = self._scheduler
        module.__dict__.update(
            SimpleQueue=lambda: Queue(scheduler, 0), Queue=lambda maxsize=0: Queue(scheduler, maxsize)
        )
        return module


class Lock:
    """As ``threading.Lock``."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.owner: Task | None = None
        self.waiting: list[Task] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        scheduler = self.scheduler
        deadline = None if timeout < 0 else scheduler.now + timeout
        scheduler.point("acquire")
        while self.owner is not None:
            if not blocking or not scheduler.wait(self.waiting, deadline, "a lock"):
                return False
        self.owner = scheduler.current
        return True

    def release(self) -> None:
        if self.owner is None:
            raise RuntimeError("release unlocked lock")
        self.owner = None
        self.scheduler.wake(self.waiting)
        self.scheduler.point("release")

    def locked(self) -> bool:
        return self.owner is not None

    def held_by_me(self) -> bool:
        return self.owner is self.scheduler.current

    def give_up(self) -> int:
        """Release it wholly, without a point; how deep it was held."""
        self.owner = None
        self.scheduler.wake(self.waiting)
        return 1

    def take_back(self, _: int, /) -> None:
        """Acquire it as deep as it was."""
        self.acquire()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


class RLock(Lock):
    """As ``threading.RLock``."""

    def __init__(self, scheduler: Scheduler) -> None:
        super().__init__(scheduler)
        self.depth = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self.owner is not self.scheduler.current and not super().acquire(blocking, timeout):
            return False
        self.depth += 1
        return True

    def release(self) -> None:
        if self.owner is not self.scheduler.current:
            raise RuntimeError("cannot release un-acquired lock")
        self.depth -= 1
        if not self.depth:
            super().release()

    def give_up(self) -> int:
        depth, self.depth = self.depth, 0
        super().give_up()
        return depth

    def take_back(self, depth: int, /) -> None:
        self.acquire()
        self.depth = depth


class Condition:
    """As ``threading.Condition``."""

    def __init__(self, scheduler: Scheduler, lock: Lock | None = None) -> None:
        self.scheduler = scheduler
        self.lock = RLock(scheduler) if lock is None else lock
        self.waiting: list[Task] = []
        self.acquire = self.lock.acquire
        self.release = self.lock.release

    def wait(self, timeout: float | None = None) -> bool:
        if not self.lock.held_by_me():
            raise RuntimeError("cannot wait on un-acquired lock")
        scheduler = self.scheduler
        deadline = None if timeout is None else scheduler.now + max(0.0, timeout)
        depth = self.lock.give_up()
        woken = scheduler.wait(self.waiting, deadline, "a condition")
        self.lock.take_back(depth)
        return woken

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        deadline = None if timeout is None else self.scheduler.now + timeout
        while not (result := predicate()):
            left = None if deadline is None else deadline - self.scheduler.now
            if left is not None and left <= 0:
                break
            self.wait(left)
        return result

    def notify(self, n: int = 1) -> None:
        if not self.lock.held_by_me():
            raise RuntimeError("cannot notify on un-acquired lock")
        self.scheduler.wake(self.waiting, n)
        self.scheduler.point("notify")

    def notify_all(self) -> None:
        self.notify(len(self.waiting))

    def __enter__(self) -> bool:
        return self.lock.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.lock.release()


class Event:
    """As ``threading.Event``."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.flag = False
        self.waiting: list[Task] = []

    def is_set(self) -> bool:
        return self.flag

    def set(self) -> None:
        self.flag = True
        self.scheduler.wake(self.waiting)
        self.scheduler.point("set")

    def clear(self) -> None:
        self.flag = False

    def wait(self, timeout: float | None = None) -> bool:
        deadline = None if timeout is None else self.scheduler.now + timeout
        self.scheduler.point("wait")
        while not self.flag:
            if not self.scheduler.wait(self.waiting, deadline, "an event"):
                break
        return self.flag


class Queue(Generic[T]):
    """As ``queue.Queue``, without ``join``; unbounded when ``maxsize`` is 0."""

    def __init__(self, scheduler: Scheduler, maxsize: int) -> None:
        self.maxsize = maxsize
        self.items: deque[T] = deque()
        self.changed = Condition(scheduler)

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:
        with self.changed:
            if not self.changed.wait_for(lambda: not self.full(), timeout if block else 0):
                raise queue.Full
            self.items.append(item)
            self.changed.notify_all()

    def put_nowait(self, item: T) -> None:
        self.put(item, block=False)

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        with self.changed:
            if not self.changed.wait_for(lambda: bool(self.items), timeout if block else 0):
                raise queue.Empty
            item = self.items.popleft()
            self.changed.notify_all()
            return item

    def get_nowait(self) -> T:
        return self.get(block=False)

    def qsize(self) -> int:
        return len(self.items)

    def empty(self) -> bool:
        return not self.items

    def full(self) -> bool:
        return 0 < self.maxsize <= len(self.items)

    def task_done(self) -> None:
        """Nobody joins it."""


class _Thread(threading.Thread):
    """A real thread that runs only while it holds the baton."""

    scheduler: Scheduler
    live: list[threading.Thread]
    lines: Callable[[str], bool] | None
    excepthook: Any
    task: Task | None = None

    def start(self) -> None:
        self.task = self.scheduler.begin(self.name)
        self.joining: list[Task] = []
        self.called = self.run
        self.run = self._run  # type: ignore[method-assign]
        self.daemon = True  # of the process: a killed history leaves threads behind
        self.live.append(self)
        super().start()
        self.scheduler.point(f"start of {self.name}")

    def _run(self) -> None:
        assert self.task is not None
        self.scheduler.first(self.task)
        if self.lines is not None:
            sys.settrace(line_points(self.scheduler, self.lines))
        try:
            self.called()
        except SystemExit:
            pass
        except BaseException:
            kind, error, trace = sys.exc_info()
            assert kind is not None
            self.excepthook.excepthook(threading.ExceptHookArgs((kind, error, trace, self)))
        finally:
            sys.settrace(None)
            self.live.remove(self)
            self.scheduler.wake(self.joining)
            self.scheduler.last(self.task)

    def is_alive(self) -> bool:
        return self.task is not None and self.task.state is not State.DONE

    def join(self, timeout: float | None = None) -> None:
        deadline = None if timeout is None else self.scheduler.now + max(0.0, timeout)
        while self.is_alive():
            if not self.scheduler.wait(self.joining, deadline, f"the end of {self.name}"):
                return


def replace_in(modules: Iterable[ModuleType], stand_ins: dict[ModuleType, object]) -> None:
    """In every module, let the name under which it has imported a module lead to its stand-in.

    A module that has imported a name *from* such a module keeps the real one; so does a lock made at import.
    """
    for module in modules:
        for name, value in list(vars(module).items()):
            if isinstance(value, ModuleType) and value in stand_ins:
                setattr(module, name, stand_ins[value])
