"""Setup: the statements that prepare a session, those of the sink and those of ``session:``.

The sink's own come last, so nothing that ``session:``, a logon trigger or an instance parameter sets takes away what
the sink relies on. None of them needs a privilege.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import oracledb

from agent_core.api import ConfigurationError
from oracle_sink.session.codes import Action
from oracle_sink.session.driver import DRIVER_ERRORS
from oracle_sink.session.errors import action_of, code_of, text_of

_OWN: Final = (
    # TIME_ZONE: the driver sets that of the client, in which TIMESTAMP WITH LOCAL TIME ZONE columns are read and
    # written. COMMIT_WAIT: an instance may have NOWAIT, then a commit returns before it is on disk. NLS_COMP: with
    # LINGUISTIC, a look-up by key would find the rows of other tags, because the unique index compares bytes.
    "ALTER SESSION SET TIME_ZONE = '+00:00' COMMIT_WAIT = 'WAIT' NLS_COMP = 'BINARY'",
    # On its own, because it is no parameter of the instance. A deferrable key then refuses a row, not the commit.
    "ALTER SESSION SET CONSTRAINTS = IMMEDIATE",
)

_RESERVED: Final = {
    "TIME_ZONE": "the sink writes UTC",
    "COMMIT_WAIT": "a record counts as delivered when it is on disk",
    "COMMIT_WRITE": "a record counts as delivered when it is on disk",
    "CONSTRAINT": "the sink needs the refusal of a row, not of the commit",
    "CONSTRAINTS": "the sink needs the refusal of a row, not of the commit",
    "NLS_COMP": "the sink looks rows up by their exact key",
    "NLS_SORT": "the sink looks rows up by their exact key",
    "ISOLATION_LEVEL": "the sink must see the rows that others have committed",
}

_START: Final = re.compile(r"\s*ALTER\s+SESSION\s+(?:SET|ENABLE|DISABLE|FORCE|ADVISE|CLOSE|SYNC)\b", re.IGNORECASE)
_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"")
_PARAMETER: Final = re.compile(r"([\w$#]+)\s*=")
_FOREIGN: Final = {
    ";": "contains a semicolon: write each statement alone, without its end",
    ":": "contains a colon, which would be a bind variable",
    "--": "contains a comment",
    "/*": "contains a comment",
    "'": "has a quote without an end",
    '"': "has a quote without an end",
}
_NOT_THE_STATEMENTS_FAULT: Final = frozenset({Action.RECONNECT, Action.BACK_OFF, Action.THROTTLE})


class StatementMistake(NamedTuple):
    """What is wrong with statement ``position`` (0 is the first) of ``session:``."""

    position: int
    message: str
    hint: str | None = None


def statement_mistakes(statements: Sequence[str]) -> Iterator[StatementMistake]:
    """Everything in ``session:`` that is not one ALTER SESSION statement, or sets what the sink needs."""
    for position, statement in enumerate(statements):
        if not _START.match(statement):
            yield StatementMistake(
                position, "is not an ALTER SESSION statement", "write ALTER SESSION SET NAME = value"
            )
            continue
        bare = _QUOTED.sub("''", statement)
        unquoted = bare.replace("''", "")
        foreign = next((text for sign, text in _FOREIGN.items() if sign in unquoted), None)
        if foreign is not None:
            yield StatementMistake(position, foreign)
            continue
        for name in _PARAMETER.findall(bare):
            if (reason := _RESERVED.get(name.upper())) is not None:
                yield StatementMistake(position, f"{name.upper()} cannot be set: {reason}", "remove it")


def prepare(connection: oracledb.Connection, statements: Sequence[str]) -> None:
    """Run the statements of ``session:``, then the sink's own, one round trip each.

    Raises ConfigurationError, with the statement, if the database refuses one of ``session:``; else the driver's error.
    """
    with connection.cursor() as cursor:
        for number, statement in enumerate(statements, 1):
            try:
                cursor.execute(statement)
            except DRIVER_ERRORS as error:
                code = code_of(error)
                if code is None or not code.startswith("ORA-") or action_of(code) in _NOT_THE_STATEMENTS_FAULT:
                    raise
                step = f"correct statement {number} of session:, or remove it"
                message = f"session: {statement}: {text_of(error)} ({step})"
                raise ConfigurationError(message, code=code, next_step=step) from error
        for statement in _OWN:
            cursor.execute(statement)
