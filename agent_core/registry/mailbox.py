"""Mailbox: the events of one observer, and the thread that hands them over."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

MOST_EVENTS: Final = 1_000
MOST_RECORDS: Final = 200_000
"""So many may wait, with the records of their batches; what comes when it is full is dropped."""

Delivery = Callable[[], object]


class Mailbox:
    """Hands over in order, one at a time. Thread-safe; ``put`` never waits for the observer.

    While it is not open, ``put`` hands over in the caller's thread.
    """

    def __init__(self, observer: str) -> None:
        self._observer = observer
        self._changed = threading.Condition()
        self._waiting: deque[tuple[Delivery, int]] = deque()
        self._records = 0
        self._busy = False
        self._open = False

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
                if len(self._waiting) >= MOST_EVENTS or (self._waiting and self._records + records > MOST_RECORDS):
                    return False
                self._waiting.append((deliver, records))
                self._records += records
                self._changed.notify_all()
                return True
        deliver()
        return True

    def close(self) -> None:
        """Return when everything is handed over, which may be never; then the thread ends. Safe twice."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and not self._waiting)
            self._open = False
            self._changed.notify_all()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or not self._open)
                if not self._waiting:
                    return
                deliver, records = self._waiting.popleft()
                self._records -= records
                self._busy = True
            try:
                deliver()
            finally:
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()
