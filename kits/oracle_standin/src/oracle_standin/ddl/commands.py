"""Which statement is which: DDL by its first words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from oracle_standin.ddl import alter, index, objects, table, trigger, view
from oracle_standin.ddl.clauses import pattern
from oracle_standin.errors import OraError
from oracle_standin.sql.scope import SessionView

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

Command = Callable[["Database", SessionView, re.Match[str]], None]

_COMMENT = re.compile(r"('(?:[^']|'')*'|\"[^\"]*\")|--[^\n]*|/\*.*?\*/", re.S)
_COMMANDS: list[tuple[re.Pattern[str], Command]] = [
    (pattern(r"CREATE (?:(GLOBAL|PRIVATE) TEMPORARY )?TABLE (IF NOT EXISTS )?(NAME)(.*)$"), table.create),
    (pattern(r"CREATE (OR REPLACE )?(?:EDITIONABLE )?TRIGGER (NAME) (.*)$"), trigger.create),
    (pattern(r"CREATE (UNIQUE )?INDEX (NAME) ON (NAME)\s*(\(.*)$"), index.create),
    (pattern(r"CREATE SEQUENCE (IF NOT EXISTS )?(NAME)(.*)$"), objects.create_sequence),
    (pattern(r"CREATE (OR REPLACE )?(PUBLIC )?SYNONYM (NAME) FOR (NAME)\s*$"), objects.create_synonym),
    (
        pattern(r"CREATE (OR REPLACE )?(?:NOFORCE |(FORCE) )?(?:EDITIONABLE )?VIEW (NAME)\s*(\([^()]*\))?\s*AS (.+)$"),
        view.create,
    ),
    (pattern(r"ALTER TABLE (NAME) (.*)$"), alter.alter_table),
    (pattern(r"ALTER INDEX (NAME) (REBUILD|UNUSABLE)\b.*$"), index.alter),
    (pattern(r"ALTER TRIGGER (NAME) (ENABLE|DISABLE|COMPILE)\s*$"), trigger.alter),
    (pattern(r"DROP TABLE (IF EXISTS )?(NAME)(?: CASCADE CONSTRAINTS)?(?: PURGE)?\s*$"), objects.drop_table),
    (pattern(r"DROP INDEX (NAME)\s*$"), index.drop),
    (pattern(r"DROP TRIGGER (NAME)\s*$"), trigger.drop),
    (pattern(r"DROP VIEW (NAME)(?: CASCADE CONSTRAINTS)?\s*$"), view.drop),
    (pattern(r"DROP SEQUENCE (NAME)\s*$"), objects.drop_sequence),
    (pattern(r"DROP (PUBLIC )?SYNONYM (NAME)\s*$"), objects.drop_synonym),
    (pattern(r"TRUNCATE TABLE (NAME)\b.*$"), objects.truncate),
    (pattern(r"(GRANT|REVOKE) (.+?)(?: ON (NAME))? (?:TO|FROM) ([\w\s,\"$#]+)$"), objects.grant),
    (pattern(r"COMMENT ON .*$"), lambda database, session, match: None),
    (pattern(r"(CREATE|ALTER|DROP) .*$"), objects.unknown),
]


def execute(database: Database, session: SessionView, text: str) -> None:
    """Runs one DDL statement; the caller holds the store's lock and has committed. Raises OraError."""
    plain = _COMMENT.sub(lambda match: match[1] or " ", text).strip()
    for known, command in _COMMANDS:
        if (match := known.match(plain)) is not None:
            return command(database, session, match)
    raise OraError(900)
