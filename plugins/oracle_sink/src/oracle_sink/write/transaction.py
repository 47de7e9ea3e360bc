"""Transaction: writes one batch into the table and commits.

::

    rows -- insert --> stored -----------------------------------------> inserted
                  \\--> ORA-00001 --> look up --> same content ---------> duplicate
                  |                         \\--> other content --------> on_conflict
                  |                         \\--> not found ------------> rejected: another unique index, or hidden
                  |--> a code that may blame the row -----------------> rejected, unless the judge blames the table
                  '--> a code that blames the database ---> roll back, raise for the whole batch
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from agent_core.api import ConfigurationError, Rejection, RetryableError, WriteOutcome
from oracle_sink.config import OnConflict
from oracle_sink.session.codes import DUPLICATE, NULL_REFUSED, ROLLED_BACK
from oracle_sink.session.connections import Session
from oracle_sink.session.driver import DRIVER_ERRORS
from oracle_sink.session.errors import (
    code_of,
    may_blame_row,
    one_line,
    refused_column,
    text_of,
    translate,
    violated_constraint,
)
from oracle_sink.session.soundness import connection_is_lost
from oracle_sink.table.binding import HIDDEN, Bind, Refusal
from oracle_sink.table.layout import LOOKUP_SIZES, Layout
from oracle_sink.write.array_dml import ArrayDml, RowError
from oracle_sink.write.judge import Case, Judge
from oracle_sink.write.rows import ConflictError, Rows, conflict
from oracle_sink.write.trials import Trial
from oracle_sink.write.watermark import Mark

_HIDDEN_TEXT: Final = (
    "{row}: {key} refuses the key as taken, but several attempts found no row with it. A trigger may store another "
    "key, or row-level security, archiving or a valid time hide the row. Ask the DBA, then replay this record"
)


class KeysLeft(Exception):
    """Records were refused that had kept others of their key out: roll back, and write the batch without them.

    ``refused``: those records, by position.
    """

    def __init__(self, refused: Mapping[int, Refusal]) -> None:
        super().__init__(f"{len(refused)} refused records leave their keys to others of the batch")
        self.refused = refused


class Transaction:
    """Writes the rows of one batch with one session. Raises SinkError; the owner of the session rolls back."""

    def __init__(
        self,
        session: Session,
        layout: Layout,
        on_conflict: OnConflict,
        rows: Rows,
        judge: Judge,
        trial: Trial,
        mark: Mark | None = None,
    ) -> None:
        self._session = session
        self._layout = layout
        self._on_conflict = on_conflict
        self._rows = rows
        self._judge = judge
        self._trial = trial
        self._mark = mark
        self._dml = ArrayDml(session, layout, rows, trial)
        self._doing = self._dml.doing

    def run(self, *, look_up_first: bool = False, keys_pass_on: bool = True) -> WriteOutcome:
        """Insert, sort the errors, commit. ``look_up_first``: most rows are probably in the table already.

        ``keys_pass_on``: raise KeysLeft, before anything is committed, if it applies.
        """
        rows = self._rows.rows
        duplicates: set[int] = set()
        conflicts: dict[int, Sequence[Bind]] = {}
        rejected: dict[int, Refusal] = {}
        wanted: Sequence[int] = range(len(rows))
        if self._trial.condemned:
            rejected = self._condemned()
            wanted = [i for i in wanted if i not in rejected]
        committed = self._committed()
        if committed:
            duplicates.update(committed)
            wanted = [i for i in wanted if i not in committed]
        if look_up_first and self._layout.key is not None:
            self._sort_known(wanted, duplicates, conflicts)
            wanted = [i for i in wanted if i not in duplicates and i not in conflicts]
        errors = self._dml.insert(wanted)
        taken = self._sort_errors(errors, rejected)
        if taken:
            self._sort_taken(taken, duplicates, conflicts, rejected)
        if errors or rejected or self._rows.refusals:
            refused = [error for error in errors if error.row in rejected and rejected[error.row].code != HIDDEN]
            failed = {error.row for error in errors}
            known = [row for row in failed if row in duplicates or row in conflicts]
            stored = [*(i for i in wanted if i not in failed), *known, *committed]
            case = Case(self._dml, self._layout, self._rows)
            left = {error.row for error in self._judge.judge(case, refused, stored)}
            for error in refused:
                if error.row not in left:
                    del rejected[error.row]
        self._resolve(conflicts, rejected)
        if keys_pass_on and self._rows.rivals:
            self._leave_keys(rejected)
        self._commit(wanted, rejected)
        return self._outcome(duplicates, rejected)

    # ---- errors

    def _sort_errors(self, errors: Sequence[RowError], rejected: dict[int, Refusal]) -> list[RowError]:
        """Note the rows to reject; return those whose key, or another unique key, exists. Raises SinkError."""
        taken: list[RowError] = []
        for error in errors:
            if error.code == DUPLICATE:
                taken.append(error)
                continue
            if not may_blame_row(error.code, error.message):
                self._dml.fail(error)
            self._expect_mapped(error)
            rejected[error.row] = Refusal(error.code, one_line(error.message))
        return taken

    def _expect_mapped(self, error: RowError) -> None:
        """If ``columns:`` does not fill a column, NULL in it is not the row's fault."""
        if error.code not in NULL_REFUSED:
            return
        column = refused_column(error.message)
        if column is not None and all(column != encoder.column.name for encoder in self._layout.encoders):
            text = one_line(error.message)
            step = f"map {column} in columns:, or give it a DEFAULT"
            raise ConfigurationError(f"{self._doing}: {text} ({step})", code=error.code, next_step=step)

    # ---- rows whose key is in the table

    def _sort_taken(
        self,
        taken: Sequence[RowError],
        duplicates: set[int],
        conflicts: dict[int, Sequence[Bind]],
        rejected: dict[int, Refusal],
    ) -> None:
        """Distinguish duplicates, conflicts, and rows that another unique index refused.

        The name in the message alone does not decide it: a row that violates two unique indexes is reported under
        either. If its key is in the table with the same content, it is a duplicate under any name.
        """
        key = self._layout.key
        gone: list[str] = []
        if key is not None:
            self._sort_known([error.row for error in taken], duplicates, conflicts)
        for error in taken:
            if error.row in duplicates or error.row in conflicts:
                continue
            violated = violated_constraint(error.message)
            if key is None or not (key.declared or violated == key.constraint):
                rejected[error.row] = Refusal(DUPLICATE, one_line(error.message))
                continue
            self._judge.doubt_facts(error.code)
            shown = self._layout.shown(self._rows.rows[error.row])
            if not self._trial.is_hidden(self._rows.positions[error.row]):
                gone.append(shown)
            rejected[error.row] = Refusal(HIDDEN, _HIDDEN_TEXT.format(row=shown, key=violated))
        if gone:
            raise RetryableError(
                f"{self._doing}: the row of {gone[0]} was in the table and no longer is ({len(gone)} such rows)",
                code=DUPLICATE,
            )

    def _sort_known(self, indices: Sequence[int], duplicates: set[int], conflicts: dict[int, Sequence[Bind]]) -> None:
        """Look up the keys of rows; note those that exist. The last key is repeated to fill a look-up."""
        rows, layout = self._rows.rows, self._layout
        cursor = self._session.cursor
        done = 0
        while done < len(indices):
            left = len(indices) - done
            size = next((size for size in LOOKUP_SIZES if size >= left), LOOKUP_SIZES[-1])
            part = indices[done : done + size]
            filled = [*part, *[part[-1]] * (size - len(part))]
            binds = [bind for index in filled for bind in layout.key_binds(rows[index])]
            try:
                cursor.setinputsizes(*layout.key_sizes * size)
                cursor.arraysize = size + 1
                cursor.prefetchrows = size + 1
                found = cursor.execute(layout.lookup_sqls[size], binds, fetch_decimals=True).fetchall()
            except DRIVER_ERRORS as error:
                if connection_is_lost(code_of(error), text_of(error)):
                    self._session.lost = True
                raise translate(error, self._doing) from error
            for number, *stored in found:
                if number < len(part):
                    index = part[int(number)]
                    if layout.same(rows[index], stored):
                        duplicates.add(index)
                        conflicts.pop(index, None)
                    elif index not in duplicates:  # a key that was declared over old doubles has several rows
                        conflicts[index] = stored
            done += len(part)

    def _condemned(self) -> dict[int, Refusal]:
        """The rows that have lost their sessions, by index."""
        found = ((i, self._trial.condemned.get(position)) for i, position in enumerate(self._rows.positions))
        return {i: refusal for i, refusal in found if refusal is not None}

    def _committed(self) -> set[int]:
        """The rows that an earlier transaction has inserted, as the watermark says."""
        known = frozenset[int]() if self._mark is None else self._mark.known
        return {i for i, position in enumerate(self._rows.positions) if position in known} if known else set()

    def _resolve(self, conflicts: dict[int, Sequence[Bind]], rejected: dict[int, Refusal]) -> None:
        """Apply ``on_conflict``."""
        rows, layout = self._rows.rows, self._layout
        refusals = {i: conflict(layout, rows[i], stored, "the table") for i, stored in conflicts.items()}
        if not refusals:
            return
        if self._on_conflict is OnConflict.FAIL:
            raise ConflictError(next(iter(refusals.values())).message)
        if self._on_conflict is OnConflict.KEEP:
            rejected.update(refusals)
            return
        indices = sorted(refusals)
        changes = [(*layout.content(rows[i]), *layout.key_binds(rows[i])) for i in indices]
        errors = self._dml.run(layout.update_sql, layout.update_sizes, indices, changes)
        for error in self._sort_errors(errors, rejected):
            rejected[error.row] = Refusal(error.code, one_line(error.message))

    def _leave_keys(self, rejected: Mapping[int, Refusal]) -> None:
        """Raise KeysLeft if a record is rejected that another one of the batch was held against."""
        rows, left = self._rows, dict[int, Refusal]()
        for index, refusal in rejected.items():
            position = rows.positions[index]
            if position in rows.rivals:
                alike = (other for other in rows.followers.get(position, ()) if other not in rows.overwritten)
                left.update(dict.fromkeys((position, *alike), refusal))
        if left:
            raise KeysLeft(left)

    # ---- commit and outcome

    def _commit(self, wanted: Sequence[int], rejected: Mapping[int, Refusal]) -> None:
        mark, positions = self._mark, self._rows.positions
        if mark is not None:
            mark.put(self._session, (*self._rows.refusals, *(positions[i] for i in rejected)))
        try:
            self._session.connection.commit()
        except BaseException as error:
            self._session.lost = True
            ambiguous = code_of(error) not in ROLLED_BACK
            if mark is not None and ambiguous:
                mark.unanswered([positions[i] for i in wanted if i not in rejected])
            if isinstance(error, DRIVER_ERRORS):
                raise translate(error, f"commit to {self._layout.table}", ambiguous=ambiguous) from error
            raise
        if mark is not None:
            mark.committed()

    def _outcome(self, duplicates: set[int], rejected: dict[int, Refusal]) -> WriteOutcome:
        """Account for every record of the batch, including those that were not bound."""
        rows = self._rows
        if not (duplicates or rejected or rows.refusals or rows.followers):
            return WriteOutcome(inserted=len(rows.rows))
        refusals = dict(rows.refusals)
        duplicate_count = 0
        inserted = 0
        for index, position in enumerate(rows.positions):
            group = (position, *rows.followers.get(position, ()))
            if (refusal := rejected.get(index)) is not None:
                refusals.update(dict.fromkeys(group, refusal))
            elif index in duplicates:
                duplicate_count += len(group)
            else:
                # The record itself, and those of the batch that it has overwritten.
                fresh = 1 + sum(follower in rows.overwritten for follower in group[1:])
                inserted += fresh
                duplicate_count += len(group) - fresh
        rejections = tuple(Rejection(position, *refusals[position]) for position in sorted(refusals))
        return WriteOutcome(inserted, duplicate_count, rejections)
