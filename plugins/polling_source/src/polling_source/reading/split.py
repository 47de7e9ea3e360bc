"""SplitReads: what to do when a device refuses a block: split it until the bad tag is alone.

::

    whole --ReadRefused--> pieces --(refused_retry is over)--> whole
                            |  ^
              ReadRefused   |  '-- a piece that was read stays as it is and is read each poll
              halves it  ---'  two neighbours are read as one again when the whole is refused anew
              a piece of one tag: that tag is BAD, and left alone until the whole is tried again

A request that is refused only for now (``Refusals``) is left as it is: its tags are BAD in this poll, and it is made
again in the next one.

What a poll may spend on finding out is limited, so that a device that refuses everything does not hold up its group:
pieces that are still to be tried go on at the next poll, their tags BAD until then. A refusal by silence costs a
time-out, so a poll has one of them, and the whole is tried again later each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, Generic, TypeVar

from agent_core.api import ReadRefused
from polling_source.reading.refusals import Refusals
from polling_source.reading.silence import NoAnswer, Positions

T = TypeVar("T")

LONGEST_FACTOR: Final = 10
"""A block that gets no answer is tried whole after ``retry_seconds``, then after twice as long each time, up to this
many times as long: a line that loses packets is soon forgiven, a silent address costs a time-out now and then.
"""


class Budget:
    """How many refusals one poll may still provoke."""

    def __init__(self, refusals: int) -> None:
        self.left = refusals

    def spend(self, error: ReadRefused) -> None:
        """One refusal came."""
        self.left = 0 if isinstance(error, NoAnswer) else self.left - 1


class SplitReads(Generic[T]):
    """Reads ``positions``, in one request if the device lets us. Used by one thread."""

    def __init__(
        self, positions: Positions, read: Callable[[Positions], tuple[Positions, Sequence[T]]], retry_seconds: float
    ) -> None:
        """``positions``: in the order of device memory. ``read``: one request; returns positions in the order of its
        values.

        ``retry_seconds``: when the whole is tried again.
        """
        self._positions = positions
        self._read = read
        self._retry_seconds = retry_seconds
        self._pieces: list[Positions] | None = None
        self._proven: set[Positions] = set()
        self._after = dict(pairwise(positions))
        self._tries = 0
        self._whole_at = 0.0
        self._factor = 1
        self._refusals = Refusals(retry_seconds)
        self.refused: dict[int, str] = {}
        """The positions that cannot be read, and why."""
        self.postponed: dict[int, str] = {}
        """The positions that the last read was refused only for now, and why."""

    @property
    def untried(self) -> list[int]:
        """The positions of pieces that the last read had no budget for."""
        return [position for piece in self._pieces or () if piece not in self._proven for position in piece]

    def read(self, now: float, budget: Budget) -> list[tuple[Positions, Sequence[T]]]:
        """What could be read. ``now`` is monotonic seconds. Raises DeviceUnreachable."""
        self.postponed.clear()
        if self._pieces is None or now >= self._whole_at:
            try:
                part = self._read(self._positions)
            except ReadRefused as error:
                if not self._refusals.lasts(self._positions, error, now):
                    if self._pieces is None:
                        self.postponed.update(dict.fromkeys(self._positions, str(error)))
                        return []
                    return self._read_pieces(now, budget)
                self._whole_at = now + self._factor * self._retry_seconds
                if isinstance(error, NoAnswer):
                    self._factor = min(2 * self._factor, LONGEST_FACTOR)
                budget.spend(error)
                again = self._runs(self.refused)
                self.refused.clear()
                if self._pieces is None:
                    self._pieces = self._halves(self._positions, error)
                else:
                    self._rejoin(self._pieces, budget)
                    self._pieces = [*self._pieces, *again]
            else:
                self._pieces = None
                self._refusals.forget()
                self._factor = 1
                self._proven.clear()
                self.refused.clear()
                return [part]
        return self._read_pieces(now, budget)

    def _read_pieces(self, now: float, budget: Budget) -> list[tuple[Positions, Sequence[T]]]:
        parts: list[tuple[Positions, Sequence[T]]] = []
        pieces = self._pieces or []
        index = 0
        while index < len(pieces):
            piece = pieces[index]
            if budget.left <= 0 and piece not in self._proven:
                index += 1
                continue
            try:
                parts.append(self._read(piece))
            except ReadRefused as error:
                budget.spend(error)
                if not self._refusals.lasts(piece, error, now):
                    self.postponed.update(dict.fromkeys(piece, str(error)))
                    index += 1
                    continue
                if isinstance(error, NoAnswer):
                    self._whole_at = max(self._whole_at, now + self._retry_seconds)  # not while it is being split
                self._proven.discard(piece)
                self._refusals.answered(piece)
                pieces[index : index + 1] = self._halves(piece, error)
            else:
                self._refusals.answered(piece)
                self._proven.add(piece)
                index += 1
        return parts

    def _rejoin(self, pieces: list[Positions], budget: Budget) -> None:
        """Read two neighbouring pieces as one, each time others. They stay together if that works.

        A request that was refused in passing is split, too. Without this a block with one bad tag would be read in
        more and more requests over the years.
        """
        by_first = {piece[0]: piece for piece in pieces if piece in self._proven}
        pairs = [
            (piece, by_first[after]) for piece in by_first.values() if (after := self._after.get(piece[-1])) in by_first
        ]
        if not pairs or budget.left <= 0:
            return
        self._tries += 1
        left, right = pairs[self._tries % len(pairs)]
        try:
            self._read(left + right)
        except ReadRefused as error:
            budget.spend(error)
            return
        for piece in (left, right):
            self._refusals.answered(piece)
        pieces[pieces.index(left)] = left + right
        pieces.remove(right)
        self._proven -= {left, right}
        self._proven.add(left + right)

    def _halves(self, piece: Positions, error: ReadRefused) -> list[Positions]:
        if len(piece) == 1:
            self.refused[piece[0]] = str(error)
            return []
        middle = len(piece) // 2
        return [piece[:middle], piece[middle:]]

    def _runs(self, positions: dict[int, str]) -> list[Positions]:
        """The refused positions, neighbours together: if a whole area came back, one request tells."""
        runs: list[list[int]] = []
        last = -2
        for position, position in enumerate(self._positions):
            if position in positions:
                if position == last + 1:
                    runs[-1].append(position)
                else:
                    runs.append([position])
                last = position
        return [tuple(run) for run in runs]
