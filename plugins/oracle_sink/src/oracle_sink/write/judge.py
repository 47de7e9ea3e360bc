"""Judge: decides whether refused rows are to blame, or the table.

A code alone does not tell. ORA-02290 may be one bad value, or a CHECK constraint that somebody added this morning::

    rows refused --> facts older than a minute, and fresher ones may explain it --> read them, begin again
                 --> others go in ------------------------------------------------> the rows
                 --> none goes in: ask witnesses, records that the table took since the start
                       |--> one is taken now -------------------------------------> the rows
                       |--> none is ----------------------------------------------> the table: all wait
                       '--> there are none: copy one of the table's own rows
                             |--> it is taken ------------------------------------> the rows
                             '--> it is not, or the table is empty ---------------> wait, but not forever

    no partition --> for a time far ahead ----------------------------------------> the rows
                 --> others of that time or later go in, or a witness does -------> the rows (LIST partitions)
                 --> else --------------------------------------------------------> the table: all wait

    a code that may not come again (a trigger's, an unknown one) --> the batch is retried once before a row is rejected

Witnesses are inserted with the time of now, and that is undone: a savepoint, one call and a rollback to the savepoint,
only when nothing else can decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from agent_core.api import Batch, ConfigurationError, RetryableError, SinkError
from oracle_sink.config import OnConflict
from oracle_sink.session.codes import DUPLICATE, NEXT_STEPS, NO_PARTITION, RULE_STEPS, Action
from oracle_sink.session.errors import DOUBTFUL, action_of, may_blame_row, next_step, one_line
from oracle_sink.table.layout import Layout
from oracle_sink.write.array_dml import ArrayDml, RowError
from oracle_sink.write.doubt import Doubt, with_time
from oracle_sink.write.rows import Rows, encode
from oracle_sink.write.trials import Trial

AHEAD_NS: Final = 86_400 * 1_000_000_000
"""How far ahead of the clock partitions must exist: for a time beyond that, a missing one is the row's fault."""

_OF_THE_FACTS: Final = frozenset(
    (DUPLICATE, *(f"ORA-{number:05}" for number in (1400, 1401, 1407, 1426, 1438, 1461, 1722, 12713, 12899)))
)
"""Refusals that the columns and keys explain: with fresh facts they do not happen."""

_ANY_STEP: Final = "ask the DBA what has changed in the table: constraints, triggers, policies, lengths of columns"


_SAVEPOINT: Final = "tagferry_witness"
_NONE_YET: Final = "the table has not taken a row since the start, and does not take one of its own again"
_NONE_NOW: Final = "the table takes no row, not even one like those that it took before"


class FactsDoubted(Exception):
    """The database refuses rows that the known columns and keys allow: read them again, then write the batch again."""


class Judge:
    """Judges the refusals of one write."""

    def __init__(self, batch: Batch, doubt: Doubt, trial: Trial, now_ns: int, *, facts_are_old: bool) -> None:
        self._batch = batch
        self._doubt = doubt
        self._trial = trial
        self._now_ns = now_ns
        self._facts_are_old = facts_are_old

    def doubt_facts(self, code: str) -> None:
        """Raise FactsDoubted if a row was refused with a code that fresher facts may explain."""
        if self._facts_are_old and code in _OF_THE_FACTS:
            raise FactsDoubted

    def judge(
        self, dml: ArrayDml, layout: Layout, rows: Rows, refused: Sequence[RowError], stored: Sequence[int]
    ) -> None:
        """Return if the refused rows are to blame; else raise SinkError: all rows of the batch wait.

        ``refused``: by the database, without those whose key is in the table. ``stored``: indices of the rows that it
        has taken, or would have if it had not had them.
        """
        for error in refused:
            self.doubt_facts(error.code)
        stamps = self._batch.stamps()
        near = self._now_ns + AHEAD_NS
        unplaced = [(stamps[rows.positions[e.row]], e) for e in refused if e.code == NO_PARTITION]
        latest = max((stamps[rows.positions[index]] for index in stored), default=None)
        unplaced = [(at, e) for at, e in unplaced if at <= near and (latest is None or at > latest)]
        if unplaced or not stored:
            blamed = unplaced[0][1] if unplaced else next(iter(refused), None)
            at_ns = max([self._now_ns, *(at for at, _ in unplaced)])
            if stored:
                witnesses = with_time(self._batch, [rows.positions[index] for index in stored], at_ns)
            else:
                witnesses = self._doubt.witnesses(at_ns)
            self._ask(witnesses, at_ns, dml, layout, rows, blamed)
        self._retry_first(dml, rows, refused)

    def _ask(
        self, witnesses: Batch, at_ns: int, dml: ArrayDml, layout: Layout, rows: Rows, blamed: RowError | None
    ) -> None:
        """Return if the rows are to blame. ``blamed`` is None if the columns' own limits have refused them all."""
        if blamed is None and not any(refusal.code.startswith("ORA-") for refusal in rows.refusals.values()):
            return
        if not witnesses:
            if blamed is None or self._takes_its_own(dml, layout, at_ns):
                return
            if blamed.code != NO_PARTITION and self._doubt.gives_up():
                return
            raise _fault(dml.doing, blamed.code, blamed.message, _NONE_YET)
        trial = encode(witnesses, layout, OnConflict.KEEP, self._now_ns + AHEAD_NS)
        if trial.rows and (blamed is None or self._takes(trial, dml, layout)):
            return
        code, text = (blamed.code, blamed.message) if blamed is not None else next(iter(rows.refusals.values()))
        raise _fault(dml.doing, code, text, _NONE_NOW)

    def _takes(self, trial: Rows, dml: ArrayDml, layout: Layout) -> bool:
        """Whether the table takes a witness: it goes in, or only its key, which is checked last, is taken."""
        undo = dml.mark(_SAVEPOINT)
        errors = dml.run(layout.insert_sql, layout.input_sizes, range(len(trial.rows)), trial.rows)
        for error in errors:
            if not may_blame_row(error.code, error.message):
                dml.fail(error)
        dml.execute(undo)
        return len(errors) < len(trial.rows) or any(error.code == DUPLICATE for error in errors)

    def _takes_its_own(self, dml: ArrayDml, layout: Layout, at_ns: int) -> bool:
        """Whether the table takes one of its rows again: its oldest, as a rule. False if it is empty."""
        undo = dml.mark(_SAVEPOINT)
        binds = layout.copy_binds(with_time(self._batch, [0], at_ns))
        changed, refused = dml.run_once(layout.copy_sql, layout.copy_sizes, binds)
        dml.execute(undo)
        return changed > 0 or (refused is not None and refused.code == DUPLICATE)

    def _retry_first(self, dml: ArrayDml, rows: Rows, refused: Sequence[RowError]) -> None:
        """Raise RetryableError if nobody knows yet whether a code comes again for the same row."""
        first: RowError | None = None
        for error in refused:
            if error.code == DUPLICATE or (action := action_of(error.code, error.message)) not in DOUBTFUL:
                continue
            kind = action.name if action is Action.TRIGGER else error.code
            if self._doubt.is_familiar(kind):
                continue
            if self._trial.comes_again(rows.positions[error.row]):
                self._doubt.came_again(kind)
            else:
                first = error
        if first is not None:
            shown = one_line(first.message)
            raise RetryableError(
                f"{dml.doing}: a row was refused and is tried once more: {shown}",
                code=first.code,
                next_step=next_step(first.code, shown),
            )


def _fault(doing: str, code: str, text: str, why: str) -> SinkError:
    """The table is to blame. An unknown code may be one of the database's own troubles: it is retried."""
    message = f"{doing}: {why}: {one_line(text)}"
    if action_of(code, text) is Action.UNKNOWN and code != DUPLICATE:
        return RetryableError(message, code=code)
    step = NEXT_STEPS.get(code) or RULE_STEPS.get(code, _ANY_STEP)
    return ConfigurationError(f"{message} ({step})", code=code, next_step=step)
