"""ALTER TABLE."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from oracle_standin.ddl.partition import alter_partitions
from oracle_standin.errors import OraError
from oracle_standin.sql.scope import SessionView

if TYPE_CHECKING:
    from oracle_standin.store.database import Database


def alter_table(database: Database, session: SessionView, match: re.Match[str]) -> None:
    """Runs one clause. Raises ORA-00054 while a transaction has the table's rows open."""
    table = database.find_table(match[1], session, "ALTER")
    clause = match[2].strip()
    if alter_partitions(table, clause, database, session):
        return
    raise OraError(3001, f"unimplemented feature: ALTER TABLE {' '.join(clause.split()[:2])}")
