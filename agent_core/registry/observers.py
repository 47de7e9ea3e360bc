"""ObserverGuard: keeps observers of events from stopping, or silently slowing, the data."""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

_logger = logging.getLogger(__name__)

BUDGET_SECONDS: Final = 0.001
LOG_INTERVAL_SECONDS: Final = 60.0
"""A fault that repeats a thousand times a second is one line a minute, with its count."""


class ObserverGuard:
    """Wraps the event functions of observers. Thread-safe: events come from every data thread.

    A function that raises is logged and counted; one that takes longer than ``budget_seconds`` of wall time is named
    in the log and counted. Either way the caller goes on with the next observer. ``timer`` gives seconds.
    """

    def __init__(
        self, *, budget_seconds: float = BUDGET_SECONDS, timer: Callable[[], float] = time.perf_counter
    ) -> None:
        self._budget = budget_seconds
        self._timer = timer
        self._lock = threading.Lock()
        self._failures: dict[str, int] = {}
        self._slow_calls: dict[str, int] = {}
        self._quiet_until: dict[tuple[str, str, str], float] = {}

    @property
    def failures(self) -> Mapping[str, int]:
        """How often each observer raised, by its name; a copy."""
        with self._lock:
            return MappingProxyType(dict(self._failures))

    @property
    def slow_calls(self) -> Mapping[str, int]:
        """How often each observer was over the budget, by its name; a copy."""
        with self._lock:
            return MappingProxyType(dict(self._slow_calls))

    def wrap(self, observer: str, hook: str, function: Callable[..., object]) -> Callable[..., None]:
        """``function`` as one that returns None and raises nothing but KeyboardInterrupt."""
        timer, budget = self._timer, self._budget

        @functools.wraps(function)
        def guarded(*args: object) -> None:
            started = timer()
            try:
                function(*args)
            except KeyboardInterrupt:
                raise
            except BaseException as error:
                self._failed(observer, hook, error)
                return
            elapsed = timer() - started
            if elapsed > budget:
                self._was_slow(observer, hook, elapsed)

        return guarded

    def _failed(self, observer: str, hook: str, error: BaseException) -> None:
        count = self._count(self._failures, observer, hook, "failed")
        if count is not None:
            _logger.error("observer failed: observer=%s hook=%s failures=%d", observer, hook, count, exc_info=error)

    def _was_slow(self, observer: str, hook: str, elapsed_seconds: float) -> None:
        count = self._count(self._slow_calls, observer, hook, "slow")
        if count is not None:
            _logger.warning(
                "observer was slow: observer=%s hook=%s elapsed_ms=%.1f budget_ms=%.1f slow_calls=%d",
                observer,
                hook,
                elapsed_seconds * 1e3,
                self._budget * 1e3,
                count,
            )

    def _count(self, counters: dict[str, int], observer: str, hook: str, what: str) -> int | None:
        """Count; the new count when it is time for a line in the log, else None."""
        now = self._timer()
        with self._lock:
            count = counters[observer] = counters.get(observer, 0) + 1
            key = (observer, hook, what)
            if now < self._quiet_until.get(key, now):
                return None
            self._quiet_until[key] = now + LOG_INTERVAL_SECONDS
        return count
