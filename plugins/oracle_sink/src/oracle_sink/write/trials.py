"""Trials: what failed attempts to write a batch have found out about its rows.

Two kinds of row make a batch fail as a whole each time, and no code with an offset says which row it is:

* Its key is reported as taken, and a look-up does not find it. Once, that is nothing: somebody may have deleted the row
  in between. A row that it happens to again and again is *hidden*, and rejected.
* Inserting it ends the server process, so all that arrives is a lost connection. The row is found in pieces, one
  lost session per attempt::

      lost, lost --> the batch in pieces --> the piece that was lost in pieces ... --> one row, alone
                                                                                         | lost again
                         a piece that has passed before is lost: not a row, begin again  v
                                                                                      condemned: not sent

  A condemned row is rejected with the transaction in which all others of its batch are committed. If a database is
  away or a network cuts connections, the other rows are lost as well, so none is condemned.
"""

from __future__ import annotations

import re
import threading
from collections import Counter, OrderedDict
from collections.abc import Hashable, Iterator, Sequence
from typing import Final

from agent_core.api import Batch
from oracle_sink.table.binding import Refusal
from oracle_sink.write.ending import Ending

LOST: Final = "DPY-4011"
_CODE: Final = re.compile(r"\b(?:ORA|DPY)-\d{4,5}\b")

_BATCHES: Final = 64
"""Batches that are remembered: more than a sink has workers, plus the first batches of some backup files."""

_HIDDEN_ATTEMPTS: Final = 3
_LOST_ATTEMPTS: Final = 2
"""Sessions lost in succession, before the row is searched."""

_LOST_ALONE: Final = {Ending.CRASHED: 2, Ending.CUT: 5}
"""Sessions lost in succession with one row alone, before it is condemned. A network cuts at random."""

_PIECES: Final = 32
"""Of the rows in question, in one attempt: 500 rows cost two lost sessions, 20,000 cost three."""


class Goings:
    """How many batches went in."""

    def __init__(self) -> None:
        self.count = 0


class Trial:
    """The attempts at one batch. Positions are those of records in the batch. Used by one thread at a time."""

    def __init__(self, goings: Goings) -> None:
        self._goings = goings
        self._went_in = goings.count
        self._hidden: Counter[int] = Counter()
        self._refused: set[int] = set()
        self._lost = 0
        self._cleared: set[int] = set()
        """Rows that have gone in during the search."""
        self._suspects: frozenset[int] = frozenset()
        """Those of the call that has lost the last session of the search."""
        self._alone = 0  # sessions that the only suspect has lost
        self.condemned: dict[int, Refusal] = {}
        """Rows that are not to be sent, and why."""
        self.worth_keeping = False

    def is_hidden(self, position: int) -> bool:
        """Note that the key of a row is taken and not found; True if that was so often enough."""
        self.worth_keeping = True
        self._hidden[position] += 1
        return self._hidden[position] >= _HIDDEN_ATTEMPTS

    def comes_again(self, position: int) -> bool:
        """Note that a row was refused with a code that may not come again; True if it was before."""
        self.worth_keeping = True
        before = position in self._refused
        self._refused.add(position)
        return before

    def pieces(self, wanted: Sequence[int], positions: Sequence[int], largest: int) -> Iterator[Sequence[int]]:
        """Cut the indices of rows into those of one call each; ``positions``: of the records, by index.

        To take the next piece says that the call with the last one has returned. In a search, rows that have gone in
        before come first: without them, losing the session would say nothing about the others.
        """
        if self._lost < _LOST_ATTEMPTS:
            yield from _cut(wanted, largest)
            return
        for piece in self._search(wanted, positions, largest):
            yield piece
            self._cleared.update(positions[i] for i in piece)  # the call has returned

    def _search(self, wanted: Sequence[int], positions: Sequence[int], largest: int) -> Iterator[Sequence[int]]:
        cleared = [i for i in wanted if positions[i] in self._cleared]
        suspects = [i for i in wanted if positions[i] in self._suspects]
        known = {*cleared, *suspects}
        others = list(_cut([i for i in wanted if i not in known], min(largest, _piece(len(wanted)))))
        yield from _cut(cleared, largest)
        if not cleared:
            yield from reversed(others)
            others = []
        yield from _cut(suspects, min(largest, _piece(len(suspects))))
        yield from others

    def lost(self, piece: Sequence[int], ending: Ending, text: str, *, others_went_in: bool) -> None:
        """A call with the rows at these positions has lost its session; ``text`` is the error.

        ``others_went_in``: in this session, rows of other calls did. If there are none, other batches have to.
        """
        if ending is Ending.OTHER:
            return
        self.worth_keeping = True
        went_in = self._goings.count
        others = others_went_in or went_in > self._went_in
        self._went_in = went_in
        suspects = frozenset(piece)
        if not suspects.isdisjoint(self._cleared):
            self.passed()
        self._lost += 1
        if self._lost <= _LOST_ATTEMPTS:
            self._cleared.clear()
            return
        if suspects != self._suspects:
            self._suspects, self._alone = suspects, 0
        if len(piece) == 1 and others:
            self._alone += 1
            if self._alone >= _LOST_ALONE[ending]:
                self.condemned[piece[0]] = Refusal(_code(text), f"inserting it ends the session each time: {text}")

    def passed(self) -> None:
        """Every row that was sent went in, or what was found out contradicts itself: begin again."""
        self._lost, self._suspects, self._alone = 0, frozenset(), 0
        self._cleared.clear()


class Trials:
    """The trials of the last batches that failed. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._trials: OrderedDict[Hashable, Trial] = OrderedDict()
        self._goings = Goings()

    def of(self, batch: Batch) -> Trial:
        """What is known of this batch, or nothing."""
        if not self._trials:
            return Trial(self._goings)
        with self._lock:
            return self._trials.get(_identity(batch)) or Trial(self._goings)

    def failed(self, batch: Batch, trial: Trial) -> None:
        """Remember an attempt that found something out."""
        if trial.worth_keeping:
            with self._lock:
                self._trials[_identity(batch)] = trial
                self._trials.move_to_end(_identity(batch))
                if len(self._trials) > _BATCHES:
                    self._trials.popitem(last=False)

    def went_in(self, batch: Batch, records: int) -> None:
        """The batch is through; ``records`` of it are in the table."""
        if records:
            self._goings.count += 1
        if self._trials:
            with self._lock:
                self._trials.pop(_identity(batch), None)


def _piece(rows: int) -> int:
    return max(1, -(-rows // _PIECES))


def _cut(indices: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(indices), size):
        yield indices[start : start + size]


def _code(text: str) -> str:
    """The database's own code, if the text has one."""
    codes = _CODE.findall(text)
    return next((code for code in codes if code.startswith("ORA-")), codes[0] if codes else LOST)


def _identity(batch: Batch) -> Hashable:
    """The same for each attempt at a batch; that of another one costs a few attempts, at worst."""
    stamps = batch.timestamps_ns
    first, last = (stamps, stamps) if isinstance(stamps, int) else (stamps[0], stamps[-1])
    return len(batch), first, last, batch.names[0], batch.names[-1]
