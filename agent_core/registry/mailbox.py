"""Mailbox: the events of one observer, and the thread that hands them over."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

MOST_EVENTS: Final = 1_000
MOST_RECORDS: Final = 200_000
"""So many may wait, with the records of their batches; what comes when it is full is dropped."""

ROOM_SECONDS: Final = 0.5
"""How long ``put`` waits for room: an observer that is quick may not have had a turn on a busy machine. One that makes
no room in this time is waited for again once half of what waits is handed over."""

COLLECT_SECONDS: Final = 0.005
"""How long the thread lets events collect once the first has come: each waking costs the data path a change of threads,
which is more than a small batch does."""

Delivery = Callable[[], object]


class Mailbox:
    """Hands over in order, one at a time. Thread-safe. An observer that hangs costs ``put`` half a second, once.

    While it is not open, ``put`` hands over in the caller's thread.
    """

    def __init__(self, observer: str) -> None:
        self._observer = observer
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Delivery, int]] = deque()
        self._records = 0
        self._busy = False
        self._idle = False
        """Whether the thread waits for the first event; those after it wake nobody."""
        self._open = False
        self._waited_in_vain = False

    def open(self) -> None:
        """Begin a thread; without one, everything stays as it was. Safe twice."""
        with self._changed:
            if self._open:
                return
            try:
                threading.Thread(target=self._run, name=f"observer-{self._observer}", daemon=True).start()
            except (RuntimeError, MemoryError):  # the limit of a container, or of the system
                return
            self._open = True

    def put(self, deliver: Delivery, records: int) -> bool:
        """Hand over soon; False when there is no room."""
        with self._changed:
            if self._open or self._busy or self._waiting:
                if not (self._has_room(records) or self._wait_for_room(records)):
                    return False
                self._waiting.append((deliver, records))
                self._records += records
                if self._idle:
                    self._idle = False
                    self._changed.notify_all()
                return True
        deliver()
        return True

    def _has_room(self, records: int) -> bool:
        return not self._waiting or (len(self._waiting) < MOST_EVENTS and self._records + records <= MOST_RECORDS)

    def _wait_for_room(self, records: int) -> bool:
        if self._waited_in_vain:
            return False
        self._changed.notify_all()  # the thread collects no longer
        found = self._changed.wait_for(lambda: self._has_room(records), ROOM_SECONDS)
        self._waited_in_vain = not found
        return found

    def close(self) -> None:
        """Return when everything is handed over, which may be never; then the thread ends. Safe twice."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: not self._busy and not self._waiting)

    def _wait_for_some(self) -> None:
        while not self._waiting and self._open:
            self._idle = True
            self._changed.wait()
        self._idle = False
        self._changed.wait_for(lambda: not (self._open and self._has_room(0)), COLLECT_SECONDS)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._waiting:
                    self._wait_for_some()
                if not self._waiting:
                    return
                deliver, records = self._waiting.popleft()
                self._records -= records
                self._busy = True
                self._waited_in_vain &= len(self._waiting) > MOST_EVENTS // 2 or self._records > MOST_RECORDS // 2
            try:
                with suppress(BaseException):  # a defect of the log must not end the thread
                    deliver()
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
