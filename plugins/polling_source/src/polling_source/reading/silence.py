"""Silence: tells a request that the device leaves unanswered from a device that is away.

Some devices refuse a bad address by saying nothing, or by closing the connection. Taken for an outage, that one
request would back off the whole device at each poll.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from agent_core.api import DeviceUnreachable, ReadRefused
from polling_source.reading.defect import guarded
from polling_source.reading.link import Link

T = TypeVar("T")
Positions = tuple[int, ...]


class NoAnswer(ReadRefused):
    """The device answers other requests and not this one. Finding that out cost a time-out."""


class Silence:
    """The requests for one block: whole, or the pieces it was split into. Used by the connection's worker alone.

    A request that gets no answer twice in a row, while another was answered in between, is one the device does not
    like. From then on each piece of the block that gets no answer counts as refused at once.
    """

    def __init__(self, link: Link) -> None:
        self._link = link
        self._silent_at: dict[Positions, int] = {}
        self._is_proven = False

    def ask(self, positions: Positions, request: Callable[[], T]) -> T:
        """What ``request`` returns. Raises DeviceUnreachable when the device is away, as far as one can tell yet, and
        ReadRefused when it refuses: in words, or by silence (then NoAnswer).
        """

        def guarded_request() -> T:
            with guarded(self._link.driver):
                return request()

        self._link.connect()
        try:
            answer = self._link.ask(guarded_request)
        except ReadRefused:
            self._answered(positions)
            raise
        except DeviceUnreachable as error:
            silent_at = self._silent_at.pop(positions, None)
            if not self._is_proven and (silent_at is None or self._link.count == silent_at):
                self._silent_at[positions] = self._link.count
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
        if self._silent_at:
            self._silent_at.pop(positions, None)
