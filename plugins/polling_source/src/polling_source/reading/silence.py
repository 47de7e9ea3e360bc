"""Silence: tells a request that the device leaves unanswered from a device that is away.

Some devices refuse a bad address by saying nothing, or by closing the connection. Taken for an outage, that one
request would back off the whole device at each poll.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from agent_core.api import Clock, DeviceUnreachable, Driver, ReadRefused
from polling_source.reading.defect import guarded

T = TypeVar("T")
Positions = tuple[int, ...]


class NoAnswer(ReadRefused):
    """The device answers other requests and not this one. Finding that out cost a time-out."""


class Answers:
    """Counts the requests that were answered over one connection. Used by its worker alone.

    ``last_ns``: when the last answer came, UTC ns.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.count = 0
        self.last_ns = 0

    def add(self) -> None:
        """An answer has just come."""
        self.count += 1
        self.last_ns = self._clock.time_ns()

    def since(self, count: int) -> int | None:
        """When the last answer came, None if there was none after the first ``count``."""
        return None if self.count == count else self.last_ns


class Silence:
    """The requests for one block: whole, or the pieces it was split into. Used by the connection's worker alone.

    A request that gets no answer twice in a row, while another was answered in between, is one the device does not
    like. From then on each piece of the block that gets no answer counts as refused at once.
    """

    def __init__(self, driver: Driver, answers: Answers) -> None:
        self._driver = driver
        self._answers = answers
        self._silent_at: dict[Positions, int] = {}
        self._is_proven = False

    def ask(self, positions: Positions, request: Callable[[], T]) -> T:
        """What ``request`` returns. Raises DeviceUnreachable when the device is away, as far as one can tell yet, and
        ReadRefused when it refuses: in words, or by silence (then NoAnswer).
        """
        with guarded(self._driver):
            self._driver.connect()
        try:
            with guarded(self._driver):
                answer = request()
        except ReadRefused:
            self._answered(positions)
            raise
        except DeviceUnreachable as error:
            silent_at = self._silent_at.pop(positions, None)
            if not self._is_proven and (silent_at is None or self._answers.count == silent_at):
                self._silent_at[positions] = self._answers.count
                raise
            self._is_proven = True
            raise NoAnswer(f"no answer, while others are answered: {error}") from error
        self._answered(positions)
        return answer

    def forget(self) -> None:
        """The block was read whole."""
        self._is_proven = False
        self._silent_at.clear()

    def _answered(self, positions: Positions) -> None:
        self._answers.add()
        if self._silent_at:
            self._silent_at.pop(positions, None)
