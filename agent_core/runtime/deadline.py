"""Deadline: run calls that may hang, and continue when the time is up."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

from agent_core.api import Clock
from agent_core.runtime.error_words import typed_text_of

Job = Callable[[], None]
T = TypeVar("T")

SLICE_SECONDS: Final = 0.25
"""On Windows a wait is not interrupted by Ctrl-C, and nowhere by a request to stop, so none is longer than this."""


@dataclass(frozen=True, slots=True)
class Ended(Generic[T]):
    """How a call ended: it returned ``values[0]``, or raised ``error``."""

    values: tuple[T, ...]
    error: BaseException | None = None


class Hands:
    """Threads that are ready before they are needed: at the stop of an agent there may be none to be had any more.

    ``hire`` and ``run_until`` are called from one thread.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._idle = 0

    def hire(self, count: int) -> None:
        """Have ``count`` threads ready, or as many as the system gives."""
        while self._idle < count and self._start():
            with self._changed:
                self._idle += 1

    def dismiss(self) -> None:
        """End those that are idle."""
        with self._changed:
            idle, self._idle = self._idle, 0
        for _ in range(idle):
            self._jobs.put(None)

    def run_until(self, deadline: float, calls: Mapping[str, Callable[[], object]]) -> dict[str, str]:
        """Run all calls in parallel, until ``deadline`` (the clock's monotonic seconds).

        Returns the problems by name: the exception's text, or that the call did not end in time. A call that hangs is
        left behind, with its thread; it holds no lock of ours and dies with the process. A call for which no thread can
        be had is run here and now, after those that have one have begun.
        """
        ended: dict[str, list[Ended[str | None]]] = {name: [] for name in calls}
        waiting = deque((name, partial(_problem_of, call)) for name, call in calls.items())
        while waiting and self._take():
            name, call = waiting.popleft()
            self._jobs.put(partial(self._run, call, ended[name], True))
        for name, call in waiting:
            self._run(call, ended[name], False)
        with self._changed:
            while not all(ended.values()) and (left := deadline - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, left)
            problems = {name: how[0].values[0] if how else "did not end in time" for name, how in ended.items()}
        return {name: problem for name, problem in problems.items() if problem is not None}

    def call(
        self, call: Callable[[], T], deadline: float, abandoned: Callable[[], bool] = lambda: False
    ) -> Ended[T] | None:
        """Make one call; how it ended, or None at ``deadline``, or once it is ``abandoned``: then it is left behind."""
        ended: list[Ended[T]] = []
        if self._take():
            self._jobs.put(partial(self._run, call, ended, True))
        else:
            self._run(call, ended, False)
        with self._changed:
            while not ended and not abandoned() and (left := deadline - self._clock.monotonic()) > 0:
                self._clock.wait(self._changed, min(left, SLICE_SECONDS))
            return ended[0] if ended else None

    def _run(self, call: Callable[[], T], ended: list[Ended[T]], is_hand: bool) -> None:
        """Make a call, in a thread that was reserved (``is_hand``) or in the caller's, and say how it ended."""
        try:
            how = Ended((call(),))
        except BaseException as error:
            how = Ended((), error)
        with self._changed:
            self._idle += is_hand
            ended.append(how)
            self._changed.notify_all()

    def _take(self) -> bool:
        """Reserve an idle thread, or a new one; False when none can be had."""
        with self._changed:
            if self._idle:
                self._idle -= 1
                return True
        return self._start()

    def _start(self) -> bool:
        try:
            threading.Thread(target=self._work, name="stop", daemon=True).start()
        except (RuntimeError, MemoryError):  # "can't start new thread": the limit of a container, or of the system
            return False
        return True

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def run_until(deadline: float, calls: Mapping[str, Callable[[], object]], clock: Clock) -> dict[str, str]:
    """``Hands.run_until`` with threads of its own."""
    hands = Hands(clock)
    try:
        return hands.run_until(deadline, calls)
    finally:
        hands.dismiss()


def run_one(call: Callable[[], T], seconds: float, clock: Clock) -> Ended[T] | None:
    """``Hands.call`` with a thread of its own."""
    hands = Hands(clock)
    try:
        return hands.call(call, clock.monotonic() + seconds)
    finally:
        hands.dismiss()


def _problem_of(call: Callable[[], object]) -> str | None:
    """What the call raised; in the thread that makes it, since an error may hang when it is asked for its text."""
    try:
        call()
    except BaseException as error:
        return typed_text_of(error)
    return None
