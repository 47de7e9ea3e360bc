"""CREATE, ALTER and DROP TRIGGER: before INSERT, for each row, with one RAISE_APPLICATION_ERROR."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oracle_standin.ddl.clauses import condition, pattern, qualified
from oracle_standin.errors import OraError
from oracle_standin.sql.scope import SessionView
from oracle_standin.store.table import Table, Trigger

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

_BODY = pattern(
    r"BEFORE INSERT ON (NAME) FOR EACH ROW WHEN\s*(\(.+\))\s*BEGIN RAISE_APPLICATION_ERROR\s*\("
    r"\s*-(20\d{3})\s*,\s*'([^']*)'\s*\)\s*;\s*END(?: WORD)?\s*;\s*/?\s*$"
)


def create(database: Database, session: SessionView, match: re.Match[str]) -> None:
    """Raises ORA-04081 if it exists and is not replaced."""
    replace, name, rest = match.groups()
    body = _BODY.match(rest)
    if body is None:
        raise OraError(3001, "unimplemented feature: the stand-in runs no such trigger")
    schema, name = qualified(name, session)
    table = database.find_table(body[1], session, "DROP")
    owners = _owners(database, schema, name)
    if owners and (owners != [table] or not replace):
        raise OraError(4081, f"trigger '{name}' already exists")
    table.triggers = [trigger for trigger in table.triggers if trigger.name != name]
    table.triggers.append(Trigger(name, condition(body[2]), int(body[3]), body[4]))


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
