"""Link: the one way to a device. Every request of its connection goes over it, reads and writes alike.

Many devices close a connection that was idle, or after each answer. Nothing is wrong with them, so the request that
finds the connection closed is repeated once over a new one, and the poll knows nothing of it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from agent_core.api import Clock, ConnectionLost, DeviceUnreachable, Driver, DriverError
from polling_source.config import NO_PACE, PaceConfig
from polling_source.reading.defect import guarded

T = TypeVar("T")


class Link:
    """Used by the connection's worker alone.

    ``count``: the requests that were answered so far. ``last_ns``: when the last answer came, UTC ns. ``renewals``:
    how often a request had to be repeated over a new connection.
    """

    def __init__(self, driver: Driver, clock: Clock, pace: PaceConfig = NO_PACE) -> None:
        self.driver = driver
        self.count = 0
        self.last_ns = 0
        self.renewals = 0
        self._clock = clock
        self._pace = pace
        self._has_answered = False  # over the present connection
        self._asked_at: float | None = None
        self._closed_at: float | None = None
        self._waiting = threading.Condition()

    def connect(self) -> None:
        """Connect if not connected, ``reconnect_delay`` after the last connection ended. Raises DeviceUnreachable."""
        try:
            self._connect()
        except ConnectionLost:  # the driver has looked at a connection that it had
            if not self._may_renew():
                raise
            self._connect()

    def ask(self, request: Callable[[], T]) -> T:
        """What ``request`` returns: one request after ``connect``, ``pause_between_requests`` after the one before.

        A connection that had answered before and is found closed by the device is made again, and the request
        repeated once. Raises what the request raises, and DeviceUnreachable.
        """
        try:
            return self._ask_once(request)
        except ConnectionLost:
            if not self._may_renew():
                raise
        self._connect()
        return self._ask_once(request)

    def since(self, count: int) -> int | None:
        """When the last answer came, None if there was none after the first ``count``."""
        return None if self.count == count else self.last_ns

    def rest(self) -> None:
        """No request is due now: close the connection if the device wants that."""
        if self._pace.close_after_poll and self._closed_at is None:
            with suppress(Exception):
                self.driver.close()
            self._ended()

    def _connect(self) -> None:
        if self._closed_at is not None:
            self._wait_until(self._closed_at + self._pace.reconnect_delay)
        try:
            with guarded(self.driver):
                self.driver.connect()
        except DeviceUnreachable as error:
            self._ended(error)
            raise
        self._closed_at = None

    def _ask_once(self, request: Callable[[], T]) -> T:
        if self._asked_at is not None:
            self._wait_until(self._asked_at + self._pace.pause_between_requests)
        try:
            answer = request()
        except DeviceUnreachable as error:
            self._ended(error)
            raise
        except DriverError:
            self._answered()
            raise
        finally:
            self._asked_at = self._clock.monotonic()
        self._answered()
        return answer

    def _may_renew(self) -> bool:
        """Whether the connection that was just found closed had served us: once for each connection."""
        may, self._has_answered = self._has_answered, False
        self.renewals += may
        return may

    def _answered(self) -> None:
        self._has_answered = True
        self.count += 1
        self.last_ns = self._clock.time_ns()

    def _ended(self, error: DeviceUnreachable | None = None) -> None:
        self._closed_at = self._clock.monotonic()
        if not isinstance(error, ConnectionLost):
            self._has_answered = False

    def _wait_until(self, time_seconds: float) -> None:
        while (left := time_seconds - self._clock.monotonic()) > 0:
            with self._waiting:
                self._clock.wait(self._waiting, left)
