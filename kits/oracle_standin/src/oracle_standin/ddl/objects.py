"""Sequences and synonyms; DROP, TRUNCATE and GRANT."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oracle_standin.ddl.clauses import qualified, word
from oracle_standin.errors import OraError
from oracle_standin.sql.scope import SessionView
from oracle_standin.store.table import Sequence

if TYPE_CHECKING:
    from oracle_standin.store.database import Database


def create_sequence(database: Database, session: SessionView, match: re.Match[str]) -> None:
    key = qualified(match[2], session)
    if key in database.sequences and match[1]:
        return
    database.forbid_same_name(key)
    database.sequences[key] = read_sequence(match[3])


def read_sequence(options: str) -> Sequence:
    """START WITH and INCREMENT BY; the other options are accepted."""
    start, increment = (
        int(found[1]) if (found := re.search(rf"{words}\s+(-?\d+)", options, re.I)) is not None else 1
        for words in (r"START\s+WITH", r"INCREMENT\s+BY")
    )
    return Sequence(start - increment, increment)


def drop_sequence(database: Database, session: SessionView, match: re.Match[str]) -> None:
    if database.sequences.pop(qualified(match[1], session), None) is None:
        raise OraError(2289)


def create_synonym(database: Database, session: SessionView, match: re.Match[str]) -> None:
    """Its target need not exist."""
    schema, name = qualified(match[3], session)
    key = ("PUBLIC" if match[2] else schema, name)
    if not match[1]:
        database.forbid_same_name(key)
    database.synonyms[key] = qualified(match[4], session)


def drop_synonym(database: Database, session: SessionView, match: re.Match[str]) -> None:
    schema, name = qualified(match[2], session)
    if database.synonyms.pop(("PUBLIC" if match[1] else schema, name), None) is None:
        raise OraError(1432 if match[1] else 1434, f"{'public' if match[1] else 'private'} synonym does not exist")


def drop_table(database: Database, session: SessionView, match: re.Match[str]) -> None:
    key = qualified(match[2], session)
    if match[1] and key not in database.tables:
        return
    table = database.find_table(match[2], session, "DROP")
    if table.pending:
        raise OraError(54)
    identities = [column.sequence for column in table.columns if column.sequence is not None]
    database.sequences = {k: s for k, s in database.sequences.items() if not any(s is i for i in identities)}
    del database.tables[key]
    database.grants -= {grant for grant in database.grants if grant[1:3] == key}


def truncate(database: Database, session: SessionView, match: re.Match[str]) -> None:
    table = database.find_table(match[1], session, "DROP")
    if table.pending:
        raise OraError(54)
    table.rows.clear()
    table.counted = 0
    for unique in table.uniques:
        unique.rids.clear()
        unique.unusable = False


def grant(database: Database, session: SessionView, match: re.Match[str]) -> None:
    """GRANT and REVOKE of object privileges. Of system privileges and roles every user has what it needs."""
    verb, privileges, name, grantees = match.groups()
    if name is None:
        return
    schema, target = database.locate(name, session, "GRANT")
    listed = ["SELECT", "INSERT", "UPDATE", "DELETE"] if privileges.strip().upper() == "ALL" else privileges.split(",")
    for grantee in re.sub(r"\s+WITH\s+GRANT\s+OPTION\s*$", "", grantees, flags=re.I).split(","):
        for privilege in listed:
            entry = (word(grantee), schema, target, privilege.strip().upper())
            if verb.upper() == "GRANT":
                database.grants.add(entry)
            else:
                database.grants.discard(entry)


def unknown(database: Database, session: SessionView, match: re.Match[str]) -> None:
    """Raises ORA-03001 for what a server knows and the stand-in does not."""
    raise OraError(3001, f"unimplemented feature: {' '.join(match[0].split()[:2])}")
