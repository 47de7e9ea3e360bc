"""Waiters: threads that wait for records, or for room for them; each is woken only when it can be served."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from agent_core.api import Clock


class _Waiter:
    __slots__ = ("condition", "records")

    def __init__(self, lock: threading.Lock, records: int) -> None:
        self.condition = threading.Condition(lock)
        self.records = records


class Waiters:
    """Lessees and appenders of one buffer. Every method is called with the buffer's lock held."""

    def __init__(self, lock: threading.Lock, clock: Clock) -> None:
        self._lock = lock
        self._clock = clock
        self._lessees: deque[_Waiter] = deque()
        self._appenders: deque[_Waiter] = deque()
        self.stopped = False

    def stop(self) -> None:
        """Nobody waits any more, now or later."""
        self.stopped = True
        for waiter in (*self._lessees, *self._appenders):
            waiter.condition.notify()

    def wait_for_records(
        self,
        wanted: int,
        seconds: float,
        give_up_at: float,
        ready: Callable[[], int],
        oldest_at: Callable[[], float | None],
    ) -> None:
        """Return when a lease is due: enough records, the oldest is so many seconds old, time is up, or ``stop``."""
        waiter = _Waiter(self._lock, wanted)
        now = self._clock.monotonic()
        self._lessees.append(waiter)
        try:
            while not self.stopped and ready() < wanted:
                since = oldest_at()
                due_at = give_up_at if since is None else min(give_up_at, since + seconds)
                if now >= due_at:
                    return
                self._clock.wait(waiter.condition, due_at - now)
                now = self._clock.monotonic()
        finally:
            self._lessees.remove(waiter)

    def pause(self, seconds: float) -> None:
        """Wait, whatever comes, until the time is up or ``stop``."""
        waiter = _Waiter(self._lock, 0)
        now = self._clock.monotonic()
        end = now + seconds
        self._lessees.append(waiter)
        try:
            while not self.stopped and now < end:
                self._clock.wait(waiter.condition, end - now)
                now = self._clock.monotonic()
        finally:
            self._lessees.remove(waiter)

    def records_came(self, ready: int) -> None:
        """Wake the lessees for which enough records are ready, each with its own."""
        for waiter in self._lessees:
            if waiter.records <= ready:
                ready -= waiter.records
                waiter.condition.notify()

    def records_came_back(self) -> None:
        """They are older than those a lessee knew of, so each works out again how long to wait."""
        for waiter in self._lessees:
            waiter.condition.notify()

    def wait_for_room(self, records: int, seconds: float, fits: Callable[[], bool]) -> None:
        """Return when ``fits`` and it is their turn, when time is up, or on ``stop``."""
        waiter = _Waiter(self._lock, records)
        if not self._appenders and fits():
            return
        now = self._clock.monotonic()
        give_up_at = now + seconds
        self._appenders.append(waiter)
        try:
            while not (self.stopped or (self._appenders[0] is waiter and fits())):
                if now >= give_up_at:
                    return
                self._clock.wait(waiter.condition, give_up_at - now)
                now = self._clock.monotonic()
        finally:
            self._appenders.remove(waiter)
            self.room_came()

    def room_came(self) -> None:
        """The first appender looks whether its records fit; the others wait for their turn."""
        if self._appenders:
            self._appenders[0].condition.notify()
