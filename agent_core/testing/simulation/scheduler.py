"""Scheduler: hands one baton between real threads, at every point where they could get in each other's way.

A simulated thread runs only while it holds the baton. At a *point* (a lock taken or released, a wait, a notification,
a thread started, a file made durable) a seeded choice says who runs next. Time is virtual: it moves when every
thread waits, to the next deadline, and now and then by a little while threads could run, as on a busy machine.
So the same seed gives the same history, to the last step.
"""

from __future__ import annotations

import queue
import random
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from hashlib import blake2b
from pathlib import Path
from types import FrameType
from typing import Any, Final

from agent_core.testing.clock import START_NS

LAST_POINTS: Final = 60
"""How many points a failure shows."""

_STAY: Final = (0.0, 0.5, 0.9, 0.98)
"""How likely the thread that runs keeps running; one of them for a whole history. Few switches find other faults than
many do."""

_SLIP_CHANCE: Final = 0.01
_LONGEST_SLIP_SECONDS: Final = 0.2


class SimulationError(AssertionError):
    """The code under test cannot go on, or went wrong, at a point that the seed leads to again."""


class State(Enum):
    """What a task does."""

    READY = "ready"
    WAITING = "waiting"
    DONE = "done"


@dataclass(eq=False, slots=True)
class Task:
    """One simulated thread. ``deadline`` is in virtual seconds; ``woken`` is False when its time ran out instead."""

    number: int
    name: str
    gate: threading.Lock = field(default_factory=threading.Lock)
    state: State = State.READY
    deadline: float | None = None
    woken: bool = False
    waits_for: str = ""
    ident: int = 0


class Scheduler:
    """One history. Every method is called by the thread that holds the baton; the first is whoever made the scheduler.

    ``on_step`` is called at each point with the number of points so far; a life that is to be killed ends there.
    ``most_points`` bounds a history whose threads never wait. ``fail`` gets the text of a SimulationError, and need not
    return: the code under test might catch what is raised. ``record`` gets every point, with its source lines.
    """

    def __init__(
        self,
        randomness: random.Random,
        *,
        now: float = 0.0,
        most_points: int = 2_000_000,
        on_step: Callable[[int], None] | None = None,
        fail: Callable[[str], None] | None = None,
        record: Callable[[str], object] | None = None,
    ) -> None:
        self._randomness = randomness
        self._stay = randomness.choice(_STAY)
        self._slip = randomness.choice((0.0, _SLIP_CHANCE))
        self._most_points = most_points
        self._on_step = on_step
        self._fail = fail
        self._record = record
        self._trace = blake2b(digest_size=16)
        self._last: deque[str] = deque(maxlen=LAST_POINTS)
        self.now = now
        self.points = 0
        self.current = Task(0, "main", ident=threading.get_ident())
        self.current.gate.acquire()
        self.tasks = [self.current]

    # ---- what the code under test sees

    def monotonic(self) -> float:
        """Virtual seconds."""
        return self.now

    def time_ns(self) -> int:
        """Virtual UTC nanoseconds."""
        return START_NS + round(self.now * 1e9)

    def point(self, what: str) -> None:
        """Let the seed decide who runs next. ``what`` names the point in the trace."""
        self._note(what)
        if self._slip and self._randomness.random() < self._slip:
            self._move(self.now + self._randomness.random() * _LONGEST_SLIP_SECONDS)
        if self._randomness.random() >= self._stay:
            self._switch_to(self._next())

    def wait(self, waiting: list[Task], deadline: float | None, what: str) -> bool:
        """Wait until another task wakes this one with ``wake``; False when ``deadline`` came first.

        The task is in ``waiting`` meanwhile.
        """
        self._note(what)
        task = self.current
        task.state, task.deadline, task.woken, task.waits_for = State.WAITING, deadline, False, what
        waiting.append(task)
        self._switch_to(self._next())
        if not task.woken:
            waiting.remove(task)
        return task.woken

    def wake(self, waiting: list[Task], count: int | None = None) -> None:
        """Let the first ``count`` of those who wait, or all, go on when their turn comes."""
        for task in waiting[:count]:
            task.state, task.woken, task.deadline = State.READY, True, None
        del waiting[:count]

    def sleep(self, seconds: float) -> None:
        """Wait for a time."""
        self.wait([], self.now + max(0.0, seconds), f"sleep {seconds:g}")

    # ---- threads

    def begin(self, name: str) -> Task:
        """A task for a thread that is about to start; it runs ``first`` and ``last`` itself."""
        task = Task(len(self.tasks), name)
        task.gate.acquire()
        self.tasks.append(task)
        return task

    def first(self, task: Task) -> None:
        """The new thread waits for its first turn."""
        task.ident = threading.get_ident()
        task.gate.acquire()

    def last(self, task: Task) -> None:
        """The thread of ``task``, which has the baton, is about to end."""
        self._note(f"end of {task.name}")
        task.state = State.DONE
        self._next().gate.release()

    # ---- what a failure shows

    @property
    def trace_hash(self) -> str:
        """The same for the same history."""
        return self._trace.hexdigest()

    @property
    def last_points(self) -> tuple[str, ...]:
        """The last points, oldest first."""
        return tuple(self._last)

    def stacks(self) -> Iterator[str]:
        """Where each thread stands, in the code under test."""
        frames = sys._current_frames()
        for task in self.tasks:
            if task.state is State.DONE or task.ident not in frames:
                continue
            where = traceback.extract_stack(frames[task.ident])
            lines = [f"{line.filename}:{line.lineno} {line.name}" for line in where if not _is_ours(line.filename)]
            yield f"{task.name} ({task.state.value} {task.waits_for}): " + " <- ".join(reversed(lines[-6:]))

    # ---- inside

    def _note(self, what: str) -> None:
        self.points += 1
        line = f"{self.points} {self.now:.6f} {self.current.name}: {what}"
        self._last.append(line)
        self._trace.update(line.encode())
        if self._record is not None:
            self._record(f"{line}  {_where()}\n")
        if self.points > self._most_points:
            raise self._failure(f"{self._most_points} points and no end: threads run without ever waiting")
        if self._on_step is not None:
            self._on_step(self.points)

    def _switch_to(self, task: Task) -> None:
        mine = self.current
        if task is mine:
            return
        self._hand_over(task)
        mine.gate.acquire()

    def _hand_over(self, task: Task) -> None:
        self.current = task
        task.gate.release()

    def _next(self) -> Task:
        ready = self._ready()
        if not ready:
            deadline = min((task.deadline for task in self.tasks if task.deadline is not None), default=None)
            if deadline is None:
                raise self._failure("every thread waits, and nothing will wake one")
            self._move(max(self.now, deadline))
            ready = self._ready()
        chosen = ready[0] if len(ready) == 1 else self._randomness.choice(ready)
        if self.current.state is State.DONE:
            self.current = chosen
        return chosen

    def _ready(self) -> list[Task]:
        return [task for task in self.tasks if task.state is State.READY]

    def _move(self, now: float) -> None:
        self.now = now
        for task in self.tasks:
            if task.state is State.WAITING and task.deadline is not None and task.deadline <= now:
                task.state, task.deadline = State.READY, None

    def _failure(self, problem: str) -> SimulationError:
        text = "\n".join([problem, *self.stacks()])
        if self._fail is not None:
            self._fail(text)
        return SimulationError(text)


TraceFunction = Callable[[FrameType, str, Any], Any]
"""What ``sys.settrace`` takes."""


def line_points(scheduler: Scheduler, files: Callable[[str], bool]) -> TraceFunction:
    """A trace function that makes each line of the chosen files a point."""

    def trace_line(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            scheduler.point(f"{frame.f_code.co_filename}:{frame.f_lineno}")
        return trace_line

    def trace_call(frame: FrameType, event: str, _: Any) -> Any:
        return trace_line if event == "call" and files(frame.f_code.co_filename) else None

    return trace_call


def _where() -> str:
    """The lines of the code under test that have led here, the innermost first."""
    lines = [line for line in traceback.extract_stack() if not _is_ours(line.filename)]
    return " <- ".join(f"{Path(line.filename).name}:{line.lineno} {line.name}" for line in reversed(lines[-4:]))


def _is_ours(file: str) -> bool:
    return file in (threading.__file__, queue.__file__) or Path(file).parent == Path(__file__).parent
