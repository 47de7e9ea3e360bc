"""Refusals: which of them are held against an address, and which are only for now."""

from __future__ import annotations

from typing import Final

from agent_core.api import DeviceBusy, ReadRefused, UnclearRefusal
from polling_source.reading.silence import Positions

BUSY_POLLS: Final = 3
"""A request that is busy in fewer polls in a row is never split, however long its interval is."""


class Refusals:
    """Of the requests for one block, whole or in pieces. Used by one thread.

    A request that was busy, or refused for an unclear reason, is made again at the next poll, as it was. Such refusals
    count once they last: the unclear ones in the next poll, the busy ones after ``patience_seconds``. From then on
    each piece of the block that is refused counts at once, until the whole is read again.
    """

    def __init__(self, patience_seconds: float) -> None:
        self._patience_seconds = patience_seconds
        self._busy: dict[Positions, tuple[float, int]] = {}
        self._unclear: set[Positions] = set()
        self._is_lasting = False

    def lasts(self, positions: Positions, error: ReadRefused, now: float) -> bool:
        """Whether the refusal of this request, at ``now`` (monotonic seconds), is held against its address."""
        if self._is_lasting or not isinstance(error, DeviceBusy | UnclearRefusal):
            return True
        if isinstance(error, DeviceBusy):
            since, polls = self._busy.get(positions, (now, 0))
            self._busy[positions] = since, polls + 1
            self._is_lasting = polls + 1 >= BUSY_POLLS and now - since >= self._patience_seconds
        else:
            self._is_lasting = positions in self._unclear
            self._unclear.add(positions)
        return self._is_lasting

    def answered(self, positions: Positions) -> None:
        """This request was answered, or will not be made again."""
        self._busy.pop(positions, None)
        self._unclear.discard(positions)

    def forget(self) -> None:
        """The whole was read."""
        self._busy.clear()
        self._unclear.clear()
        self._is_lasting = False
