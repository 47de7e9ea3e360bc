"""Judge: decides whether refused rows are to blame, or the table.

A code alone does not tell. ORA-02290 may be one bad value, or a CHECK constraint that somebody added this morning::

    rows refused --> facts older than a minute, and fresher ones may explain it --> read them, begin again
                 --> others go in ------------------------------------------------> the rows
                 --> none goes in: ask witnesses, records that the table took earlier
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
from typing import Final, NamedTuple

from agent_core.api import Batch, ConfigurationError, RetryableError, SinkError
from oracle_sink.session.codes import DUPLICATE, NEXT_STEPS, NO_PARTITION, RULE_STEPS, Action
from oracle_sink.session.errors import DOUBTFUL, action_of, may_blame_row, next_step, one_line
from oracle_sink.table.layout import Layout
from oracle_sink.write.array_dml import ArrayDml, RowError
from oracle_sink.write.doubt import Doubt
from oracle_sink.write.rows import Rows
from oracle_sink.write.trials import Trial
from oracle_sink.write.witness import Answer, Witnesses

AHEAD_NS: Final = 86_400 * 1_000_000_000
"""How far ahead of the clock partitions must exist: for a time beyond that, a missing one is the row's fault."""

_OF_THE_FACTS: Final = frozenset(
    (DUPLICATE, *(f"ORA-{number:05}" for number in (1400, 1401, 1407, 1426, 1438, 1461, 1722, 12713, 12899)))
)
"""Refusals that the columns and keys explain: with fresh facts they do not happen."""

_ANY_STEP: Final = "ask the DBA what has changed in the table: constraints, triggers, policies, lengths of columns"


_NONE_YET: Final = "the table has not taken a row since the start, and does not take one of its own again"
_NONE_NOW: Final = "the table takes no row, not even one like those that it took before"


class FactsDoubted(Exception):
    """The database refuses rows that the known columns and keys allow: read them again, then write the batch again."""


class Case(NamedTuple):
    """The transaction that is judged."""

    dml: ArrayDml
    layout: Layout
    rows: Rows


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

    def judge(self, case: Case, refused: Sequence[RowError], stored: Sequence[int]) -> Sequence[RowError]:
        """Return those of the refused rows that are to blame; else raise SinkError: all rows of the batch wait.

        ``refused``: by the database, without those whose key is in the table. ``stored``: indices of the rows that it
        has taken, or would have if it had not had them. What is not returned has gone in meanwhile.
        """
        for error in refused:
            self.doubt_facts(error.code)
        positions, stamps = case.rows.positions, self._batch.stamps()
        near = self._now_ns + AHEAD_NS
        unplaced = [(stamps[positions[error.row]], error) for error in refused if error.code == NO_PARTITION]
        unplaced = expected = [(at, error) for at, error in unplaced if at <= near]
        if expected and stored:
            latest = max(stamps[positions[index]] for index in stored)
            unplaced = [(at, error) for at, error in expected if at > latest]
        if expected and not unplaced:  # the partition may have come between two rows
            refused = _tried_again(case, refused)
        if unplaced or not stored:
            records = [positions[index] for index in stored]
            witnesses = Witnesses(case.dml, case.layout, self._batch, records, self._doubt)
            if unplaced:
                at_ns = max(self._now_ns, *(at for at, _ in unplaced))
                refused = self._ask(witnesses, [at_ns], case, refused, unplaced[0][1])
            elif refused:  # the time of now, if there is a partition for it
                times = [self._now_ns, stamps[positions[refused[0].row]]]
                refused = self._ask(witnesses, times, case, refused, refused[0])
            else:
                self._ask_columns(witnesses, case)
        self._retry_first(case, refused)
        return refused

    def _ask(
        self,
        witnesses: Witnesses,
        times: Sequence[int],
        case: Case,
        refused: Sequence[RowError],
        blamed: RowError,
    ) -> Sequence[RowError]:
        """What is left of ``refused`` when the table takes a witness at the first of ``times`` with a partition."""
        if not witnesses.known and blamed.code != NO_PARTITION and self._doubt.gives_up():
            return refused  # without asking: that, too, may fail each time
        answer = Answer.NO_PARTITION
        for at_ns in times:
            if answer is Answer.NO_PARTITION:
                answer = witnesses.ask(at_ns)
        if answer is not Answer.TAKEN:
            raise _fault(case.dml.doing, blamed.code, blamed.message, _NONE_NOW if witnesses.known else _NONE_YET)
        self._doubt.decided()
        return _tried_again(case, refused)

    def _ask_columns(self, witnesses: Witnesses, case: Case) -> None:
        """The known columns have refused every row. If they hold no witness either, they are to blame."""
        for code, text in case.rows.refusals.values():
            if code.startswith("ORA-"):
                if not witnesses.fit(self._now_ns):
                    raise _fault(case.dml.doing, code, text, _NONE_NOW)
                return

    def _retry_first(self, case: Case, refused: Sequence[RowError]) -> None:
        """Raise RetryableError if nobody knows yet whether a code comes again for the same row."""
        first: RowError | None = None
        for error in refused:
            if error.code == DUPLICATE or (action := action_of(error.code, error.message)) not in DOUBTFUL:
                continue
            kind = action.name if action is Action.TRIGGER else error.code
            if self._doubt.is_familiar(kind):
                continue
            if self._trial.comes_again(case.rows.positions[error.row]):
                self._doubt.came_again(kind)
            else:
                first = error
        if first is not None:
            shown = one_line(first.message)
            raise RetryableError(
                f"{case.dml.doing}: a row was refused and is tried once more: {shown}",
                code=first.code,
                next_step=next_step(first.code, shown),
            )


def _tried_again(case: Case, refused: Sequence[RowError]) -> Sequence[RowError]:
    """Insert the refused rows once more: what they and the witnesses met may have changed between the two."""
    dml, layout = case.dml, case.layout
    indices = [error.row for error in refused]
    again = [case.rows.rows[index] for index in indices]
    errors = dml.run(layout.insert_sql, layout.input_sizes, indices, again, dml.mark())
    duplicates = {error.row for error in refused if error.code == DUPLICATE}
    for error in errors:
        if error.code == DUPLICATE and error.row not in duplicates:
            raise RetryableError(f"{dml.doing}: a row was refused, and then taken: {one_line(error.message)}")
        if error.code != DUPLICATE and not may_blame_row(error.code, error.message):
            dml.fail(error)
    return errors


def _fault(doing: str, code: str, text: str, why: str) -> SinkError:
    """The table is to blame. An unknown code may be one of the database's own troubles: it is retried."""
    message = f"{doing}: {why}: {one_line(text)}"
    if action_of(code, text) is Action.UNKNOWN and code != DUPLICATE:
        return RetryableError(message, code=code)
    step = NEXT_STEPS.get(code) or RULE_STEPS.get(code, _ANY_STEP)
    return ConfigurationError(f"{message} ({step})", code=code, next_step=step)
