"""Space: what the account can see of the room in the table's tablespace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from agent_core.api import Finding, Severity
from oracle_sink.table.dictionary import Dictionary
from oracle_sink.table.identifiers import TableName

_FULL_PERCENT: Final = 90.0
_MIB: Final = 1024 * 1024

_OF_TABLE: Final = "SELECT tablespace_name FROM all_tables WHERE owner = :1 AND table_name = :2"
_OF_PARTITIONS: Final = "SELECT def_tablespace_name FROM all_part_tables WHERE owner = :1 AND table_name = :2"
_USAGE: Final = "SELECT used_percent FROM dba_tablespace_usage_metrics WHERE tablespace_name = :1"
_FREE: Final = "SELECT SUM(bytes) FROM user_free_space WHERE tablespace_name = :1"


def headroom(dictionary: Dictionary, table: TableName, subject: str) -> Iterator[Finding]:
    """How full the tablespace is, if a DBA's view may be read; else the free space in its files; else nothing."""
    space = _tablespace(dictionary, table)
    if space is None:
        return
    usage = dictionary.rows_if_there(_USAGE, space)
    if usage:
        used = float(usage[0][0])
        message = f"{used:.0f} % of tablespace {space} is used, as far as its files can grow"
        if used >= _FULL_PERCENT:
            yield Finding(Severity.WARNING, subject, message, "ask the DBA to extend it, or delete old rows")
        else:
            yield Finding(Severity.OK, subject, message)
        return
    free = dictionary.rows_if_there(_FREE, space)
    if free and free[0][0] is not None:
        megabytes = int(free[0][0]) // _MIB
        message = f"{megabytes:,} MiB are free in tablespace {space}; how far its files can grow, only a DBA sees"
        yield Finding(Severity.OK, subject, message)


def _tablespace(dictionary: Dictionary, table: TableName) -> str | None:
    for sql in (_OF_TABLE, _OF_PARTITIONS):
        found = dictionary.rows_if_there(sql, str(table.owner), table.name)
        if found and found[0][0] is not None:
            return str(found[0][0])
    return None
