"""Cursors: executing statements for a session and writing what the client gets back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle_standin.errors import FATAL_CODES, OraError
from oracle_standin.faults import Rule
from oracle_standin.plans.dml import Insert, Merge, Update
from oracle_standin.plans.query import Query, Select, UnionAll
from oracle_standin.sql.conversion import Value
from oracle_standin.sql.datatype import LONG, Datatype, Row
from oracle_standin.sql.scope import Frame
from oracle_standin.sql.statement import Statement, What
from oracle_standin.wire.request import ExecuteRequest, drain, read_execute, read_rows, skip_rows

if TYPE_CHECKING:
    from oracle_standin.session import Session

_NO_DATA = OraError(1403)


class Cursor:
    """A parsed statement with its binds and, for a query, the rows that were not fetched yet."""

    def __init__(self, number: int, statement: Statement) -> None:
        self.id = number
        self.statement = statement
        self.binds: list[Datatype] = []
        self.sizes: list[int] = []
        self.rows: list[tuple[Value, ...]] | None = None
        self.fetched = 0
        self.described: object = None  # the columns that the client knows
        self.longs: frozenset[int] = frozenset()  # the numbers of its LONG columns


class Cursors:
    """The open cursors of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._open: dict[int, Cursor] = {}
        self._last = 0

    def close(self, number: int) -> None:
        self._open.pop(number, None)

    def _get(self, number: int) -> Cursor:
        """Raises ORA-01001."""
        try:
            return self._open[number]
        except KeyError:
            raise OraError(1001) from None

    def execute(self, function: int) -> None:
        """Reads and answers an EXECUTE or one of its repeats."""
        session = self._session
        reader, channel = session.reader, session.channel
        try:
            request = read_execute(reader, function, session.fields)
            cursor = self._cursor(request)
        except OraError:
            drain(reader, channel)
            raise
        statement = cursor.statement
        is_dml = statement.what is What.DML
        count = request.iterations if is_dml else 1
        rows: Sequence[Row] = [()] * count
        if cursor.binds:
            counting = self._counts_only(statement) and not request.batch_errors
            if counting:
                skip_rows(reader, channel, len(cursor.binds), count)
            elif request.execute:
                rows = read_rows(reader, channel, cursor.binds, cursor.sizes, count)
        try:
            if statement.what is What.QUERY:
                self._query(cursor, rows[0], request)
            elif is_dml:
                self._change(cursor, rows, count, request)
            else:
                self._other(cursor)
        except OraError as error:
            error.cursor_id = cursor.id
            raise

    def _cursor(self, request: ExecuteRequest) -> Cursor:
        """The cursor to run, newly parsed or known, with the request's binds. Raises ORA-01008 and ORA-01036."""
        session = self._session
        if request.sql is None:
            cursor = self._get(request.cursor_id)
        else:
            session.counters.parses += 1
            statement = session.database.parse(request.sql)
            if request.cursor_id in self._open:
                cursor = self._open[request.cursor_id]
                cursor.statement, cursor.described = statement, None
            else:
                self._last += 1
                cursor = self._open[self._last] = Cursor(self._last, statement)
        if request.binds is not None and request.sizes is not None:
            charset = session.database.charset
            cursor.binds = [bind.within(charset) for bind in request.binds] if charset is not None else request.binds
            cursor.sizes = request.sizes
        wanted = len(cursor.statement.binds)
        if request.execute and len(cursor.binds) != wanted:
            raise OraError(1008 if len(cursor.binds) < wanted else 1036)
        return cursor

    def _counts_only(self, statement: Statement) -> bool:
        return self._session.database.count_only and statement.tree is not None and statement.tree.key == "insert"

    # ------------------------------------------------------------------ queries

    def _query(self, cursor: Cursor, row: Row, request: ExecuteRequest) -> None:
        session = self._session
        text = cursor.statement.text
        if request.execute:
            session.counters.queries += 1
            session.fire("query", "before", text)
        with session.database.locks.lock:
            plan = session.database.plan(cursor.statement, session, cursor.binds)
            assert isinstance(plan, Select | UnionAll)
            if request.execute:
                binds = [kind.decode(raw) for kind, raw in zip(cursor.binds, row, strict=True)]
                cursor.rows = plan.raw(Frame(session, binds))
                cursor.fetched = 0
        cursor.longs = frozenset(i for i, column in enumerate(plan.columns) if column[1] is LONG)
        self._describe(cursor, plan, always=not request.execute)
        if request.execute:
            session.fire("query", "after", text)
        if request.execute and request.fetch and not cursor.longs:  # rows with a LONG are only sent when fetched
            self._send_rows(cursor, request.fetch)
        else:
            session.reply.error(session.in_transaction, cursor_id=cursor.id)

    def _describe(self, cursor: Cursor, plan: Query, always: bool) -> None:
        if always or cursor.described != plan.columns:
            self._session.reply.describe(plan.columns)
            cursor.described = plan.columns

    def fetch(self, number: int, count: int) -> None:
        """Answers a FETCH. Raises ORA-01001 and ORA-01002."""
        cursor = self._get(number)
        if cursor.rows is None:
            raise OraError(1002)
        self._session.fire("fetch", "before", cursor.statement.text)
        self._send_rows(cursor, count)
        self._session.fire("fetch", "after", cursor.statement.text)

    def _send_rows(self, cursor: Cursor, count: int) -> None:
        session = self._session
        assert cursor.rows is not None
        rows = cursor.rows[cursor.fetched : cursor.fetched + count]
        cursor.fetched += len(rows)
        session.counters.rows_fetched += len(rows)
        session.reply.rows(rows, cursor.longs)
        # the end is only reported with fewer rows than requested
        end = _NO_DATA if len(rows) < count else None
        session.reply.error(session.in_transaction, end, cursor.id, cursor.fetched)

    # ------------------------------------------------------------------ changes

    def _change(self, cursor: Cursor, rows: Sequence[Row], count: int, request: ExecuteRequest) -> None:
        session, text = self._session, cursor.statement.text
        session.counters.executes += 1
        rule = session.fire("execute", "before", text)
        errors: list[tuple[int, OraError]] = []
        with session.database.locks.lock:
            plan = session.database.plan(cursor.statement, session, cursor.binds)
            assert isinstance(plan, Insert | Update | Merge)
            if self._counts_only(cursor.statement) and not request.batch_errors:
                plan.target.table.counted += count
                counts = [1] * count
            elif rule is None and isinstance(plan, Insert) and plan.bulk(rows, session):
                counts = [1] * count
            else:
                counts = self._one_by_one(plan, cursor, rows, request.batch_errors, errors, rule)
        session.counters.rows += (total := sum(counts))
        failed = errors[0][1] if errors and not request.batch_errors else None
        if failed is not None:  # the rows before it stay in the transaction, as in Oracle
            failed.position = errors[0][0] if count > 1 else 0
            failed.rowcount = total
            failed.row_counts = counts if request.row_counts else None
            raise failed
        session.fire("execute", "after", text)
        if request.commit and not errors:
            session.commit()
        if request.row_counts:
            session.reply.row_counts(counts)
        end = None
        if errors:
            session.counters.errors += 1
            end = OraError(24381)
            # not in row order: a server reports duplicates last, because it checks keys after values
            errors.sort(key=lambda item: (item[1].code == 1, item[0]))
        session.reply.error(session.in_transaction, end, cursor.id, total, errors)

    def _one_by_one(
        self,
        plan: Insert | Update | Merge,
        cursor: Cursor,
        rows: Sequence[Row],
        go_on: bool,
        errors: list[tuple[int, OraError]],
        rule: Rule | None,
    ) -> list[int]:
        """Runs each iteration separately; one that fails is undone. Returns how many rows each one changed."""
        session = self._session
        counts: list[int] = []
        for number, row in enumerate(rows):
            mark = session.transaction.mark
            binds = [kind.decode(raw) for kind, raw in zip(cursor.binds, row, strict=True)]
            try:
                if rule is not None and _hits(rule, number, binds):
                    session.act(rule)
                counts.append(plan.execute(Frame(session, binds)))
            except OraError as error:
                session.transaction.rollback_to(mark)
                if error.code in FATAL_CODES:  # the session is over, not only this row
                    raise
                session.counters.rows_failed += 1
                errors.append((number, error))
                if not go_on:
                    break
                counts.append(0)
        return counts

    # ------------------------------------------------------------------ the rest

    def _other(self, cursor: Cursor) -> None:
        """Transaction control, ALTER SESSION and DDL."""
        session, statement = self._session, cursor.statement
        locks = session.database.locks
        if statement.what is What.COMMIT:
            session.commit()
        elif statement.what is What.ROLLBACK and statement.savepoint is None:
            session.rollback()
        elif statement.what is What.ROLLBACK:
            savepoints = session.transaction.savepoints
            if statement.savepoint not in savepoints:
                raise OraError(1086, name=statement.savepoint)
            with locks.lock:
                session.transaction.rollback_to(savepoints[statement.savepoint or ""])
        elif statement.what is What.SAVEPOINT:
            session.transaction.savepoints[statement.savepoint or ""] = session.transaction.mark
        elif statement.what is What.CONSTRAINTS:
            session.set_constraints(statement.constraints, statement.deferred)
        else:
            session.fire("execute", "before", statement.text)
            if statement.what is What.SESSION:
                session.alter(statement.settings)
            else:
                session.end_transaction(commit=True)
                with locks.lock:
                    session.database.define(statement, session)
            session.fire("execute", "after", statement.text)
        session.reply.error(session.in_transaction, cursor_id=cursor.id)


def _hits(rule: Rule, number: int, binds: Sequence[Value]) -> bool:
    """Whether a fault rule for single rows matches this one."""
    if rule.row is not None and rule.row != number:
        return False
    return rule.value is None or any(re.search(rule.value, str(value)) for value in binds)
