"""CREATE and DROP VIEW."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oracle_standin.ddl.clauses import inside, parse, pattern, qualified, split, word
from oracle_standin.errors import OraError
from oracle_standin.sql.scope import SessionView
from oracle_standin.store.view import View

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

_GUARD = pattern(r"^(.*?) WITH (CHECK OPTION|READ ONLY)(?: CONSTRAINT WORD)?\s*$")


def create(database: Database, session: SessionView, match: re.Match[str]) -> None:
    """Raises what its query raises, unless with FORCE."""
    replace, force, name, columns, text = match.groups()
    key = qualified(name, session)
    if not (replace and key in database.views):
        database.forbid_same_name(key)
    guarded = _GUARD.match(text)
    query = parse(guarded[1] if guarded is not None else text)
    names = tuple(word(item) for item in split(inside(columns))) if columns else ()
    guard = re.sub(r"\s+", " ", guarded[2].upper()) if guarded is not None else ""
    view = View(*key, text.strip(), query, names, guard)
    if not force:
        database.view_columns(view, session)
    database.views[key] = view


def drop(database: Database, session: SessionView, match: re.Match[str]) -> None:
    if database.views.pop(qualified(match[1], session), None) is None:
        raise OraError(942)
