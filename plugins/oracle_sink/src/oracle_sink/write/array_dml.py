"""ArrayDml: statements with many rows; each row has its own outcome, also if a call fails as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, NoReturn

from agent_core.api import RetryableError, SinkError
from oracle_sink.session.codes import CLIENT_ENCODING, Action
from oracle_sink.session.connections import Session
from oracle_sink.session.driver import DRIVER_ERRORS
from oracle_sink.session.errors import (
    action_of,
    code_of,
    failure,
    may_blame_row,
    one_line,
    text_of,
    translate,
)
from oracle_sink.session.soundness import connection_is_lost
from oracle_sink.table.binding import InputSize
from oracle_sink.table.layout import Layout
from oracle_sink.write.ending import Ending, ending_named, ending_of
from oracle_sink.write.rows import Row, Rows
from oracle_sink.write.trials import Trial

_ROWS_PER_CALL: Final = 20_000
"""The driver takes at most 65,535 errors per call."""

_UNDO_ALL: Final = "ROLLBACK"
"""Undoes the first call of a transaction, without a round trip for a savepoint."""

_NOT_SENT: Final = (TypeError, ValueError, OverflowError)
"""What the driver raises, besides its own errors, for a value that it cannot encode."""


class RowError(NamedTuple):
    """Row number ``row`` of the bound rows was refused."""

    row: int
    code: str
    message: str


class ArrayDml:
    """Array DML for the rows of one batch, in one session. Raises SinkError; the owner of the session rolls back."""

    def __init__(self, session: Session, layout: Layout, rows: Rows, trial: Trial) -> None:
        self._session = session
        self._layout = layout
        self._rows = rows
        self._trial = trial
        self.doing = f"insert into {layout.table}"

    def insert(self, wanted: Sequence[int]) -> list[RowError]:
        """One call, as a rule. More if there are very many rows, or rows that may be what loses sessions."""
        sql, sizes = self._layout.insert_sql, self._layout.input_sizes
        errors: list[RowError] = []
        done = 0
        for part in self._trial.pieces(wanted, self._rows.positions, _ROWS_PER_CALL):
            undo = self.mark() if done else _UNDO_ALL
            try:
                found = self.run(sql, sizes, part, self._bound(part), undo)
            except SinkError as error:
                if (ending := ending_of(error.__cause__)) is not None:
                    self._lost(part, ending, str(error), others_went_in=done > len(errors))
                raise
            errors.extend(found)
            fatal = next(
                (refused for refused in found if action_of(refused.code, refused.message) is Action.RECONNECT), None
            )
            if fatal is not None:  # the row is known; the session ends with it
                went_in = done + len(part) > len(errors)
                self._lost([fatal.row], ending_named(fatal.message), fatal.message, others_went_in=went_in)
                self._session.lost = True
                raise failure(fatal.code, one_line(fatal.message), self.doing)
            done += len(part)
        self._trial.passed()
        return errors

    def _lost(self, part: Sequence[int], ending: Ending, text: str, *, others_went_in: bool) -> None:
        positions = [self._rows.positions[index] for index in part]
        self._trial.lost(positions, ending, one_line(text), others_went_in=others_went_in)

    def mark(self, name: str = "tagferry") -> str:
        """Begin what the returned statement undoes."""
        self.execute(f"SAVEPOINT {name}")
        return f"ROLLBACK TO SAVEPOINT {name}"

    def execute(self, statement: str) -> None:
        """Run what has no rows. Raises SinkError."""
        try:
            with self._session.connection.cursor() as cursor:
                cursor.execute(statement)
        except DRIVER_ERRORS as error:
            self._raise(error)

    def _bound(self, indices: Sequence[int]) -> Sequence[Row]:
        rows = self._rows.rows
        return rows if len(indices) == len(rows) else [rows[i] for i in indices]

    def run(
        self,
        sql: str,
        sizes: Sequence[InputSize],
        indices: Sequence[int],
        rows: Sequence[Row],
        undo: str | None = None,
    ) -> list[RowError]:
        """Run array DML; each row either changes the table or is among the errors.

        ``undo``: the statement that undoes this call alone; not needed if the rows may be written again.
        """
        cursor = self._session.cursor
        bound = rows if isinstance(rows, list) else list(rows)
        try:
            cursor.setinputsizes(*sizes)
            cursor.executemany(sql, bound, batcherrors=True, arraydmlrowcounts=True)
            failed = sorted(cursor.getbatcherrors(), key=lambda error: int(error.offset))
            counts = cursor.getarraydmlrowcounts()
        except (*DRIVER_ERRORS, *_NOT_SENT) as error:
            return self._halve(error, sql, sizes, indices, rows, undo)
        errors = [RowError(indices[e.offset], e.full_code, e.message or "") for e in failed]
        offsets = {int(e.offset) for e in failed}
        # An UPDATE changes several rows if the key was declared over old doubles.
        changed = len(counts) - counts.count(0) == len(rows) - len(failed) and len(counts) == len(rows)
        if not changed or len(offsets) != len(failed) or any(counts[offset] for offset in offsets):
            self._session.lost = True
            raise RetryableError(
                f"{self.doing}: the driver's row counts ({sum(counts)} of {len(rows)}) and errors ({len(failed)}) "
                "contradict each other"
            )
        return errors

    def _halve(
        self,
        error: BaseException,
        sql: str,
        sizes: Sequence[InputSize],
        indices: Sequence[int],
        rows: Sequence[Row],
        undo: str | None,
    ) -> list[RowError]:
        """The call failed as a whole. If a row is to blame, find it by halving: no offset says which one it was."""
        code = code_of(error)
        blames_a_row = isinstance(error, _NOT_SENT) and not isinstance(error, OSError)
        if not blames_a_row and code not in CLIENT_ENCODING and action_of(code) is not Action.REJECT:
            self._raise(error)
        if len(indices) == 1:
            return [RowError(indices[0], code or type(error).__name__, text_of(error))]
        if undo is not None:  # rows before the one that failed may have gone in, and a large call is sent in parts
            self.execute(undo)
        middle = len(indices) // 2
        errors: list[RowError] = []
        for half in (slice(middle), slice(middle, None)):
            mark = None if undo is None else self.mark()
            errors += self.run(sql, sizes, indices[half], rows[half], mark)
        return errors

    def run_once(self, sql: str, sizes: Sequence[InputSize], binds: Row) -> tuple[int, RowError | None]:
        """Run a statement with one set of binds: how many rows it changed, and a refusal that may be theirs."""
        cursor = self._session.cursor
        try:
            cursor.setinputsizes(*sizes)
            cursor.execute(sql, binds)
        except DRIVER_ERRORS as error:
            code = code_of(error)
            if not may_blame_row(code, text_of(error)):
                self._raise(error)
            return 0, RowError(0, code or "", text_of(error))
        return cursor.rowcount, None

    def fail(self, error: RowError) -> NoReturn:
        """Raise what a code means that came with a row and does not blame it."""
        self._session.lost |= connection_is_lost(error.code, error.message)
        raise failure(error.code, one_line(error.message), self.doing)

    def _raise(self, error: BaseException) -> None:
        if connection_is_lost(code_of(error), text_of(error)):
            self._session.lost = True
        raise translate(error, self.doing) from error
