"""Background: a call in its own thread, for tests of what waits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from agent_core.testing.clock import ManualClock
from agent_core.testing.suite.patience import PATIENCE_SECONDS

T_co = TypeVar("T_co", covariant=True)


class Background(Generic[T_co]):
    """Runs ``call`` in a daemon thread, at once; ``result`` returns what it returns, or raises what it raises."""

    def __init__(self, call: Callable[[], T_co]) -> None:
        self._call = call
        self._outcome: list[T_co] = []
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def done(self) -> bool:
        """True once the call has returned or raised."""
        return not self._thread.is_alive()

    def wait(self, real_seconds: float) -> None:
        """Return when the call is over, or after ``real_seconds``."""
        self._thread.join(real_seconds)

    def result(self) -> T_co:
        """What the call returned. Raises what it raised, or TimeoutError if it still runs after a minute."""
        self.wait(PATIENCE_SECONDS)
        if self._thread.is_alive():
            raise TimeoutError(f"still waiting after {PATIENCE_SECONDS:.0f} s: {self._call}")
        if self._error is not None:
            raise self._error
        return self._outcome[0]

    def _run(self) -> None:
        try:
            self._outcome.append(self._call())
        except BaseException as error:
            self._error = error


class Timed(Background[T_co]):
    """A Background that notes the time of a ManualClock at the end of the call: ``result`` first, then ``ended_at``."""

    def __init__(self, clock: ManualClock, call: Callable[[], T_co]) -> None:
        self.ended_at = -1.0

        def timed() -> T_co:
            try:
                return call()
            finally:
                self.ended_at = clock.monotonic()

        super().__init__(timed)
