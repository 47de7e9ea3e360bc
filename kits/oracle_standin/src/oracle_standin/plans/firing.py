"""Triggers of a table, compiled for one statement: they change a new row or refuse it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlglot import exp

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Value
from oracle_standin.sql.datatype import Raw, Row
from oracle_standin.sql.expression import Compiler, Condition, Function
from oracle_standin.sql.scope import Frame, Scope, SessionView, Source
from oracle_standin.store.table import Table
from oracle_standin.store.trigger import Step, Trigger

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

Encode = Callable[[int, Value, SessionView], Raw]


class _Step:
    """A step with its closure. ``column`` is None where it raises."""

    def __init__(self, step: Step, table: Table, compiler: Compiler) -> None:
        self.column = table.position(step.column) if step.column else None
        self.value: Function | None = compiler.compile(step.value)[0] if step.value is not None else None
        self.code, self.message = step.code, step.message


class _Compiled:
    """A trigger with its closures: WHEN, and the steps by the IF around them."""

    def __init__(self, trigger: Trigger, table: Table, compiler: Compiler) -> None:
        self.name = f"{table.schema}.{trigger.name}"
        self.when = _optional(trigger.condition, compiler)
        self.blocks = [
            (_optional(block.condition, compiler), [_Step(step, table, compiler) for step in block.steps])
            for block in trigger.body
        ]


def _optional(condition: exp.Expr | None, compiler: Compiler) -> Condition | None:
    return None if condition is None else compiler.condition(condition)


class Triggers:
    """What fires for ``event`` (INSERT or UPDATE). Empty ones cost nothing: ask with ``if triggers``."""

    def __init__(self, database: Database, session: SessionView, table: Table, event: str, encode: Encode) -> None:
        self._encode = encode
        self._width = len(table.columns)
        self._fired: list[_Compiled] = []
        columns = [(c.name, c.type, c.nullable) for c in table.columns]
        sources = [Source("NEW", columns, table), Source("OLD", columns, table)]
        compiler = Compiler(database, session, [], Scope(sources))
        for trigger in table.triggers:
            if trigger.enabled and event in trigger.events:
                try:
                    self._fired.append(_Compiled(trigger, table, compiler))
                except OraError:  # a column was dropped or renamed since
                    name = f"{table.schema}.{trigger.name}"
                    raise OraError(4098, f"trigger '{name}' is invalid and failed re-validation") from None

    def __bool__(self) -> bool:
        return bool(self._fired)

    def fire(self, row: Row, session: SessionView, old: Row | None = None) -> Row:
        """The row as the triggers leave it. Raises what they raise, and ORA-06502 for a value that does not fit."""
        frame = Frame(session, (), 2)
        frame.rows[:] = row, old if old is not None else (None,) * self._width
        for trigger in self._fired:
            if trigger.when is None or trigger.when(frame):
                for condition, steps in trigger.blocks:
                    if condition is None or condition(frame):
                        for step in steps:
                            row = self._run(step, trigger, row, frame)
                            frame.rows[0] = row
        return row

    def _run(self, step: _Step, trigger: _Compiled, row: Row, frame: Frame) -> Row:
        if step.column is None or step.value is None:
            raise _error(trigger, step.code, step.message)
        try:
            value = self._encode(step.column, step.value(frame), frame.session)
        except OraError as error:
            reason = "character string buffer too small" if error.code == 12899 else "number precision too large"
            raise _error(trigger, 6502, f"PL/SQL: numeric or value error: {reason}") from None
        return (*row[: step.column], value, *row[step.column + 1 :])


def _error(trigger: _Compiled, code: int, message: str) -> OraError:
    trace = f"ORA-06512: at \"{trigger.name}\", line 1\nORA-04088: error during execution of trigger '{trigger.name}'"
    return OraError(code, f"{message}\n{trace}")
