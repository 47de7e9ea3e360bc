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

_TIME_ZONE: Final = "TIME_ZONE = '+00:00'"
"""The driver sets that of the client, in which TIMESTAMP WITH LOCAL TIME ZONE columns are read and written."""

_OWN: Final = (
    # COMMIT_WAIT: an instance may have NOWAIT, then a commit returns before it is on disk. NLS_COMP: with LINGUISTIC, a
    # look-up by key would find the rows of other tags, because the unique index compares bytes.
    (_TIME_ZONE, "COMMIT_WAIT = 'WAIT'", "NLS_COMP = 'BINARY'"),
    # On its own, because it is no parameter of the instance. A deferrable key then refuses a row, not the commit.
    ("CONSTRAINTS = IMMEDIATE",),
)
"""What is set together, in one round trip."""

REFUSED_STEP: Final = "ask the DBA to allow it (a lockdown profile?), or to set it for the instance"

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


def prepare(connection: oracledb.Connection, statements: Sequence[str]) -> list[str]:
    """Run the statements of ``session:``, then the sink's own.

    Returns the settings of its own that the database refuses, with its messages: a lockdown profile may forbid them.
    Raises ConfigurationError, with the statement, if it refuses one of ``session:``; else the driver's error.
    """
    refused: list[str] = []
    with connection.cursor() as cursor:
        for number, statement in enumerate(statements, 1):
            if (error := _tried(cursor, statement)) is not None:
                step = f"correct statement {number} of session:, or remove it"
                message = f"session: {statement}: {text_of(error)} ({step})"
                raise ConfigurationError(message, code=code_of(error), next_step=step) from error
        for settings in _OWN:
            if _tried(cursor, f"ALTER SESSION SET {' '.join(settings)}") is None:
                continue
            for setting in settings:
                if (error := _tried(cursor, f"ALTER SESSION SET {setting}")) is not None:
                    if setting == _TIME_ZONE:
                        raise error
                    refused.append(f"{setting}: {text_of(error)}")
    return refused


def _tried(cursor: oracledb.Cursor, statement: str) -> Exception | None:
    """The database's refusal of the statement; None if it was run. Raises what is not the statement's fault."""
    try:
        cursor.execute(statement)
    except DRIVER_ERRORS as error:
        code = code_of(error)
        if code is None or not code.startswith("ORA-") or action_of(code) in _NOT_THE_STATEMENTS_FAULT:
            raise
        return error
    return None
