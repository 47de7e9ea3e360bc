"""CREATE, ALTER and DROP TRIGGER.

The body of a trigger may assign to columns of :NEW (also by SELECT ... INTO from dual), raise an application error,
and do either within IF ... THEN ... END IF.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from sqlglot import exp

from oracle_standin.ddl.clauses import condition, expression, pattern, qualified, word
from oracle_standin.errors import OraError
from oracle_standin.sql.scope import SessionView
from oracle_standin.store.table import Table
from oracle_standin.store.trigger import Block, Step, Trigger

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

_HEAD = pattern(
    r"(BEFORE|AFTER) (INSERT|UPDATE)( OR (?:INSERT|UPDATE))? ON (NAME) FOR EACH ROW(?: WHEN\s*(\(.+?\)))?\s*"
)
_BODY = pattern(r"BEGIN (.+?;)\s*END(?: WORD)?\s*;\s*/?\s*$")
_LINE = re.compile(r"(?:'(?:[^']|'')*'|[^';])*;", re.S)
_IF = pattern(r"IF (.+?) THEN (.*)$")
_END_IF = pattern(r"END IF$")
_ASSIGN = pattern(r":NEW\.(WORD)\s*:=\s*(.+)$")
_SELECT = pattern(r"SELECT (.+?) INTO :NEW\.(WORD) FROM (?:SYS\.)?DUAL$")
_RAISE = pattern(r"RAISE_APPLICATION_ERROR\s*\(\s*-(20\d{3})\s*,\s*'((?:[^']|'')*)'\s*\)$")
_NEW_OLD = pattern(r":(NEW|OLD)\.")


def create(database: Database, session: SessionView, match: re.Match[str]) -> None:
    """Raises ORA-04081 if it exists and is not replaced."""
    replace, name, rest = match.groups()
    head = _HEAD.match(rest)
    body = _BODY.match(rest, head.end()) if head is not None else None
    if head is None or body is None:
        raise OraError(3001, "unimplemented feature: the stand-in runs no such trigger")
    schema, name = qualified(name, session)
    table = database.find_table(head[4], session, "DROP")
    owners = _owners(database, schema, name)
    if owners and (owners != [table] or not replace):
        raise OraError(4081, f"trigger '{name}' already exists")
    events = frozenset(re.findall(r"INSERT|UPDATE", f"{head[2]}{head[3] or ''}".upper()))
    blocks = _blocks(body[1], changes=head[1].upper() == "BEFORE")
    when = condition(head[5]) if head[5] else None
    table.triggers = [trigger for trigger in table.triggers if trigger.name != name]
    table.triggers.append(Trigger(name, events, when, blocks))


def _blocks(body: str, changes: bool) -> tuple[Block, ...]:
    """Raises ORA-03001 for PL/SQL that is not known, ORA-04084 for an assignment after the fact."""
    blocks: list[Block] = []
    steps: list[Step] = []
    around: exp.Expr | None = None  # the condition of the IF that is open
    for line in _LINE.findall(body):
        text = line[:-1].strip()
        if (opened := _IF.match(text)) is not None and around is None:
            blocks.append(Block(None, tuple(steps)))
            steps, around, text = [], condition(_NEW_OLD.sub(r"\1.", opened[1])), opened[2].strip()
        if _END_IF.match(text) and around is not None:
            blocks.append(Block(around, tuple(steps)))
            steps, around = [], None
        elif (raised := _RAISE.match(text)) is not None:
            steps.append(Step(code=int(raised[1]), message=raised[2].replace("''", "'")))
        elif (found := _ASSIGN.match(text) or _SELECT.match(text)) is not None:
            if not changes:
                raise OraError(4084, "cannot change NEW values for this trigger type")
            column, value = (found[1], found[2]) if found.re is _ASSIGN else (found[2], found[1])
            steps.append(Step(word(column), expression(_NEW_OLD.sub(r"\1.", value))))
        elif text.upper() != "NULL":
            raise OraError(3001, "unimplemented feature: the stand-in runs no such trigger")
    return (*blocks, Block(None, tuple(steps)))


def _owners(database: Database, schema: str, name: str) -> list[Table]:
    return [t for t in database.tables.values() if t.schema == schema and any(g.name == name for g in t.triggers)]


def _find(database: Database, session: SessionView, text: str) -> tuple[Table, Trigger]:
    """Raises ORA-04080."""
    schema, name = qualified(text, session)
    for table in _owners(database, schema, name):
        return table, next(trigger for trigger in table.triggers if trigger.name == name)
    raise OraError(4080, f"trigger '{name}' does not exist")


def alter(database: Database, session: SessionView, match: re.Match[str]) -> None:
    _, trigger = _find(database, session, match[1])
    if match[2].upper() != "COMPILE":
        trigger.enabled = match[2].upper() == "ENABLE"


def drop(database: Database, session: SessionView, match: re.Match[str]) -> None:
    table, trigger = _find(database, session, match[1])
    table.triggers.remove(trigger)
