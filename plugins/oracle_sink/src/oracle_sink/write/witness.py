"""Witnesses: rows that the table took before. Are they taken now? Whatever goes in is undone by a savepoint."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Final

from agent_core.api import Batch
from oracle_sink.config import OnConflict
from oracle_sink.session.codes import DUPLICATE, NO_PARTITION
from oracle_sink.session.errors import may_blame_row
from oracle_sink.table.layout import Layout
from oracle_sink.write.array_dml import ArrayDml, RowError
from oracle_sink.write.doubt import Doubt, with_time
from oracle_sink.write.rows import encode

_SAVEPOINT: Final = "tagferry_witness"
"""Halves of a call set savepoints of another name."""


class Answer(Enum):
    """What the table says to the witnesses."""

    TAKEN = "one goes in, or only its key, which is checked last, is there"
    REFUSED = "none goes in, or there is none"
    NO_PARTITION = "none has a partition"


class Witnesses:
    """Those for one batch: its records at ``stored``, which went in; else some of an earlier batch; else a row of the
    table's own, its oldest as a rule."""

    def __init__(self, dml: ArrayDml, layout: Layout, batch: Batch, stored: Sequence[int], doubt: Doubt) -> None:
        self._dml = dml
        self._layout = layout
        self._batch = batch
        self._records = with_time(batch, stored, 0) if stored else doubt.witnesses()
        self.known = bool(self._records)
        """True if there are records; a row of the table's own may be one that it has long not been taking."""

    def fit(self, at_ns: int) -> bool:
        """Whether the known columns can hold one of the records; True if there are none. Asks nobody."""
        records = with_time(self._records, range(len(self._records)), at_ns)
        return not self.known or bool(encode(records, self._layout, OnConflict.KEEP, at_ns).rows)

    def ask(self, at_ns: int) -> Answer:
        """Try them with this time. Raises SinkError if the database fails."""
        undo = self._dml.mark(_SAVEPOINT)
        tried, errors = self._try_records(at_ns) if self.known else self._copy_a_row(at_ns)
        for error in errors:
            if error.code != DUPLICATE and not may_blame_row(error.code, error.message):
                self._dml.fail(error)
        self._dml.execute(undo)
        if len(errors) < tried or any(error.code == DUPLICATE for error in errors):
            return Answer.TAKEN
        unplaced = errors and all(error.code == NO_PARTITION for error in errors)
        return Answer.NO_PARTITION if unplaced else Answer.REFUSED

    def _try_records(self, at_ns: int) -> tuple[int, Sequence[RowError]]:
        records = with_time(self._records, range(len(self._records)), at_ns)
        rows = encode(records, self._layout, OnConflict.KEEP, at_ns).rows
        sql, sizes = self._layout.insert_sql, self._layout.input_sizes
        return len(rows), self._dml.run(sql, sizes, range(len(rows)), rows) if rows else ()

    def _copy_a_row(self, at_ns: int) -> tuple[int, Sequence[RowError]]:
        binds = self._layout.copy_binds(with_time(self._batch, range(1), at_ns))
        changed, error = self._dml.run_once(self._layout.copy_sql, self._layout.copy_sizes, binds)
        return changed, () if error is None else (error,)
