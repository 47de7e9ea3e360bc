"""CREATE, ALTER and DROP INDEX. Only unique indexes do anything."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oracle_standin.ddl.clauses import closing, qualified, split, word
from oracle_standin.ddl.constraint import fill, forbid_index_name, forbid_long_key, require_partition_key
from oracle_standin.errors import OraError
from oracle_standin.sql.scope import SessionView
from oracle_standin.store.table import Table, Unique

if TYPE_CHECKING:
    from oracle_standin.store.database import Database


def create(database: Database, session: SessionView, match: re.Match[str]) -> None:
    """Raises ORA-00955, 01408, 01452 and 14039; ORA-03001 for an index on an expression."""
    table = database.find_table(match[3], session, "INDEX")
    name = qualified(match[2], session)[1]
    forbid_index_name(database, table, name)
    end = closing(match[4])
    items = [item.split()[0] for item in split(match[4][1 : end - 1])]
    if any("(" in item for item in items):
        raise OraError(3001, "unimplemented feature: the stand-in has no indexes on expressions")
    columns = tuple(word(item) for item in items)
    unique = Unique(name, tuple(table.position(c) for c in columns), False, False)
    if unique.columns in [u.columns for u in table.uniques] or columns in table.indexes.values():
        raise OraError(1408)
    forbid_long_key(table, unique)
    if not match[1]:
        table.indexes[name] = columns
        return
    unique.local = bool(re.search(r"\bLOCAL\b", match[4][end:], re.I))
    unique.reverse = bool(re.search(r"\bREVERSE\b", match[4][end:], re.I))
    require_partition_key(table, unique)
    if fill(table, unique):
        raise OraError(1452)
    table.uniques.append(unique)


def _find(database: Database, key: tuple[str, str]) -> tuple[Table, Unique | None]:
    """Raises ORA-01418."""
    for table in database.tables.values():
        if table.schema == key[0]:
            for unique in table.uniques:
                if unique.name == key[1]:
                    return table, unique
            if key[1] in table.indexes:
                return table, None
    raise OraError(1418)


def alter(database: Database, session: SessionView, match: re.Match[str]) -> None:
    """REBUILD and UNUSABLE."""
    table, unique = _find(database, qualified(match[1], session))
    if unique is not None:
        unique.unusable = match[2].upper() == "UNUSABLE"
        if not unique.unusable and fill(table, unique):
            raise OraError(1452)


def drop(database: Database, session: SessionView, match: re.Match[str]) -> None:
    key = qualified(match[1], session)
    table, unique = _find(database, key)
    if unique is None and all(u.index != key[1] for u in table.uniques):
        del table.indexes[key[1]]
    elif unique is None or unique.constraint:
        raise OraError(2429, "cannot drop index used for enforcement of unique/primary key")
    else:
        table.uniques.remove(unique)
