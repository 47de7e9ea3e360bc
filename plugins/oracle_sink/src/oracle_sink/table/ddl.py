"""Ddl: the statements that create a table for a configuration. The sink never runs them."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from oracle_sink.config import OracleSinkConfig
from oracle_sink.table.identifiers import TableName, parse_table
from oracle_sink.table.mapping import Mapped, RecordField, read_mapping

RECOMMENDED: Final = MappingProxyType(
    {
        "TAG_NAME": "name",
        "VALUE_NUMBER": "value_number",
        "TAG_VALUE": "value_text",
        "TIMESTAMP": "timestamp",
        "QUALITY": "quality",
    }
)
"""``columns:`` for a new table: numbers as numbers, which need no conversion here, in a report or in a model. The
scripts in ``ddl/`` are rendered for it; their tables also take the default of ``columns:``, all values as text."""

_INDEX_NOTE: Final = """\
-- Optional: an index on the time alone, for reports on all tags of a period. Every session inserts into its last block,
-- the right-hand one, and they wait for each other there (buffer busy waits; on RAC, gc buffer busy). The primary key
-- begins with the tag, so its inserts are spread."""

_SHORT: Final = 30
"""Bytes of a name before 12.2."""

_TYPES: Final = {
    RecordField.NAME: "VARCHAR2(100 CHAR) NOT NULL",
    RecordField.VALUE: "VARCHAR2(255 CHAR) NOT NULL",
    RecordField.VALUE_NUMBER: "BINARY_DOUBLE",
    RecordField.VALUE_TEXT: "VARCHAR2(255 CHAR)",
    RecordField.VALUE_TYPE: "VARCHAR2(10) NOT NULL",
    RecordField.TIMESTAMP: "TIMESTAMP(6) NOT NULL",
    RecordField.TIMESTAMP_NS: "NUMBER(19) NOT NULL",
    RecordField.QUALITY: "VARCHAR2(20) NOT NULL",
    RecordField.QUALITY_CODE: "NUMBER(3) NOT NULL",
    RecordField.SOURCE: "VARCHAR2(100 CHAR) NOT NULL",
    RecordField.DEVICE: "VARCHAR2(100 CHAR) NOT NULL",
    RecordField.GROUP: "VARCHAR2(100 CHAR) NOT NULL",
    RecordField.AGENT: "VARCHAR2(100 CHAR) NOT NULL",
}
_EXPRESSION_TYPES: Final = {"SYSTIMESTAMP": "TIMESTAMP(6) WITH TIME ZONE NOT NULL", "SYSDATE": "DATE NOT NULL"}


class Storage(StrEnum):
    """How the table is stored.

    ``heap``: the plain table, for up to a few hundred million rows. ``partitioned``: one partition per day, created by
    the database as rows arrive, so that old days are dropped in an instant (needs the Partitioning option, or a free
    edition). ``index_organised``: the primary key is the table, and each block stores a tag name once; half the space,
    but slower to insert out of order.
    """

    HEAP = "heap"
    PARTITIONED = "partitioned"
    INDEX_ORGANISED = "index_organised"


def render(config: OracleSinkConfig, storage: Storage) -> str:
    """The statements, each ended by a semicolon; what is optional is a comment.

    Raises ValueError for ``partitioned`` without a column for the field ``timestamp``, and for ``columns:`` that
    ``checks`` reports.
    """
    table = parse_table(config.table)
    mapping, mistakes = read_mapping(config.columns)
    if mistakes:
        raise mistakes[0]
    return "\n".join(_statements(table, mapping, storage))


def _statements(table: TableName, mapping: tuple[Mapped, ...], storage: Storage) -> Iterator[str]:
    time = next((m.name for m in mapping if m.field is RecordField.TIMESTAMP), None)
    key = [m.name for m in mapping if m.field is RecordField.NAME]
    stamp = time or next((m.name for m in mapping if m.field is RecordField.TIMESTAMP_NS), None)
    if stamp is not None:
        key.append(stamp)
    for mapped in mapping:
        if mapped.uses_sequence and mapped.expression is not None:
            yield f"CREATE SEQUENCE {mapped.expression.removesuffix('.NEXTVAL')} CACHE 1000;"
    columns = [f'    "{mapped.name}" {_type(mapped)}' for mapped in mapping]
    partitioned = storage is Storage.PARTITIONED
    constraint = f'    CONSTRAINT "{_short("PK_" + table.name)}" PRIMARY KEY ({_quoted(key)})'
    columns.append(constraint + (" USING INDEX LOCAL" if partitioned else ""))
    yield f"CREATE TABLE {table.sql} (\n" + ",\n".join(columns) + "\n)" + _tail(storage, time)
    if stamp is not None:
        owner = f'"{table.owner}".' if table.owner else ""
        index = f'{owner}"{_short("IX_" + table.name + "_TIME")}"'
        yield _INDEX_NOTE
        yield f"-- CREATE INDEX {index} ON {table.sql} ({_quoted([stamp])}){' LOCAL' if partitioned else ''};"


def _tail(storage: Storage, time: str | None) -> str:
    if storage is Storage.HEAP:
        return ";"
    if storage is Storage.INDEX_ORGANISED:
        return "\nORGANIZATION INDEX COMPRESS 1;"
    if time is None:
        raise ValueError("partitions need a column for the field timestamp")
    return (
        f"\nPARTITION BY RANGE ({_quoted([time])}) INTERVAL (NUMTODSINTERVAL(1, 'DAY'))\n"
        "(PARTITION p_first VALUES LESS THAN (TIMESTAMP '2026-01-01 00:00:00'));"
    )


def _type(mapped: Mapped) -> str:
    if mapped.field is not None:
        return _TYPES[mapped.field]
    if mapped.expression is not None:
        return _EXPRESSION_TYPES.get(mapped.expression, "NUMBER(19) NOT NULL")
    if isinstance(mapped.constant, str):
        return f"VARCHAR2({max(len(mapped.constant), 20)} CHAR) NOT NULL"
    return "NUMBER NOT NULL"


def _quoted(names: list[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _short(name: str) -> str:
    return name.encode()[:_SHORT].decode(errors="ignore")
