"""Doubt: what earlier batches say about the question whether rows or the table are to blame.

The judge asks it. It keeps the last batch of which a record is in the table (its records are the witnesses), the codes
that have come again for the same row, and how often no witness could decide.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from agent_core.api import EMPTY, Batch, Clock, WriteOutcome
from oracle_sink.write.witness_file import WitnessFile

_WITNESSES: Final = 16
"""Records that are tried in the table's favour: some of them may be of tags that it no longer takes."""

_FAMILIAR_SECONDS: Final = 3600.0
_FIRST_WAIT: Final = 16
"""Attempts without a decision before a batch is given up; with a probe each minute, a quarter of an hour."""


class Doubt:
    """The memory of one sink. Thread-safe."""

    def __init__(self, clock: Clock, file: WitnessFile | None = None) -> None:
        """``file`` keeps witnesses for the next process."""
        self._clock = clock
        self._file = file
        self._lock = threading.Lock()
        self._is_kept = False
        self._last: tuple[Batch, WriteOutcome] = EMPTY, WriteOutcome(inserted=0)
        self._earlier: Batch | None = None
        self._undecided = 0
        self._familiar: dict[str, float] = {}

    def stored(self, batch: Batch, outcome: WriteOutcome) -> None:
        """Records of the batch are in the table. Costs two assignments, except for the first time."""
        self._last = batch, outcome
        self._undecided = 0
        if not self._is_kept:
            self.keep()

    def keep(self) -> None:
        """Store witnesses for the next process: a fresh set at the end, and one at the start in case there is none."""
        with self._lock:
            self._is_kept = True
            if self._file is not None and (records := self._stored()):
                self._file.keep(records)

    def witnesses(self) -> Batch:
        """Records that the table has taken, spread over the last batch, or those of an earlier process; or EMPTY."""
        if (records := self._stored()) or self._file is None:
            return records
        with self._lock:
            if self._earlier is None:
                self._earlier = self._file.read()
            return self._earlier

    def _stored(self) -> Batch:
        batch, outcome = self._last
        refused = {rejection.position for rejection in outcome.rejected}
        return with_time(batch, [position for position in range(len(batch)) if position not in refused], 0)

    def decided(self) -> None:
        """A witness has decided."""
        self._undecided = 0

    def gives_up(self) -> bool:
        """Count an attempt that nobody could decide. True for the 16th in succession, the 32nd, the 64th and so on.

        So the rows of no batch keep others waiting forever, and if the table is to blame after all, a month of probes
        sets a dozen batches aside.
        """
        with self._lock:
            self._undecided += 1
            count = self._undecided
        return count >= _FIRST_WAIT and count & (count - 1) == 0

    def is_familiar(self, code: str) -> bool:
        """True if within the last hour the code has come again for a row that was retried."""
        return self._clock.monotonic() - self._familiar.get(code, -_FAMILIAR_SECONDS) < _FAMILIAR_SECONDS

    def came_again(self, code: str) -> None:
        """A row was refused with the code, retried, and refused with it again."""
        with self._lock:
            self._familiar[code] = self._clock.monotonic()


def with_time(batch: Batch, positions: Sequence[int], at_ns: int) -> Batch:
    """A few of the records at ``positions``, evenly spread, all with the same time."""
    if not positions:
        return EMPTY
    step = -(-len(positions) // _WITNESSES)
    return replace(batch.select(positions[::step]), timestamps_ns=at_ns)
