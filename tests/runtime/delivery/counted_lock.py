"""CountedLock: a lock that says how many threads have come to it."""

from __future__ import annotations

import threading
from types import TracebackType

from agent_core.testing.suite.patience import PATIENCE_SECONDS


class CountedLock:
    """``arrived`` counts those who came for it, ``taken`` those who got it."""

    def __init__(self) -> None:
        self.arrived = 0
        self.taken = 0
        self._lock = threading.Lock()
        self._changed = threading.Condition()

    def wait_for(self, arrived: int) -> None:
        """Return once so many have come, also if they wait. Raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.arrived >= arrived, PATIENCE_SECONDS):
                raise TimeoutError(f"{self.arrived} of {arrived} have come")

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        with self._changed:
            self.arrived += 1
            self._changed.notify_all()
        got = self._lock.acquire(blocking, timeout)
        self.taken += got
        return got

    def release(self) -> None:
        self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
