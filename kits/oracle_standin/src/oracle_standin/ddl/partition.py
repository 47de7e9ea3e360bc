"""PARTITION BY behind a CREATE TABLE, and the ALTER TABLE clauses for partitions."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

from oracle_standin.ddl.clauses import closing, constant, inside, pattern, split, stored_constant, word
from oracle_standin.errors import OraError
from oracle_standin.sql.datatype import WireType
from oracle_standin.sql.scope import SessionView
from oracle_standin.store.partition import MAXVALUE, Interval, Partition, Partitioning, bound_text
from oracle_standin.store.table import Table

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

_BY = pattern(r"\bPARTITION BY (WORD)\s*\(")
_INTERVAL = pattern(r"\s*INTERVAL\s*(?=\()")
_ITEM = pattern(r"PARTITION (?:(?!VALUES\b)(WORD) )?VALUES (LESS THAN)?\s*(?=\()")
_DAY_TIME = pattern(r"NUMTO(DS|YM)INTERVAL\s*\(\s*([\d.]+)\s*,\s*'(WORD)'\s*\)\s*$")
_LITERAL = pattern(r"INTERVAL '(\d+)' (WORD)(?:\(\d+\))?\s*$")
_SECONDS = {"SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400}
_MONTHS = {"MONTH": 1, "YEAR": 12}
_KEY_TYPES = frozenset({
    WireType.NUMBER, WireType.DATE, WireType.TIMESTAMP, WireType.TIMESTAMP_LTZ, WireType.VARCHAR, WireType.CHAR,
    WireType.RAW,
})  # fmt: skip


def read_partitioning(table: Table, tail: str, database: Database, session: SessionView) -> Partitioning | None:
    """The PARTITION BY clause among what stands behind a table's columns. Raises the ORA-14nnn of a wrong one."""
    head = _BY.search(tail)
    if head is None:
        return None
    kind = head[1].upper()
    if kind not in ("RANGE", "LIST", "HASH"):
        raise OraError(3001, f"unimplemented feature: PARTITION BY {kind}")
    end = closing(tail, head.end() - 1)
    columns = tuple(table.position(word(name)) for name in split(tail[head.end() : end - 1]))
    types = tuple(table.columns[c].type for c in columns)
    if any(t.kind not in _KEY_TYPES for t in types):
        raise OraError(14135, "a LOB column cannot serve as a partitioning column")
    out = Partitioning(kind, columns, types, row_movement=bool(re.search(r"ENABLE\s+ROW\s+MOVEMENT", tail, re.I)))
    interval = _INTERVAL.match(tail, end)
    if interval is not None:
        stop = closing(tail, interval.end())
        out.interval = _interval(tail[interval.end() + 1 : stop - 1], out, database, session)
        end = stop
    if kind == "HASH":
        out.partitions = [Partition("SYS_P1", "")]
        return out
    for item in _ITEM.finditer(tail, end):
        try:
            partition = _partition(item, tail, out, database, session, len(out.partitions))
            out.add(partition)
        except OraError as error:
            if error.code == 14074:
                raise OraError(14037, f'partition bound of partition "{partition.name}" is too high') from None
            raise
        if out.interval is not None and MAXVALUE in partition.bound:
            raise OraError(14761, "MAXVALUE partition cannot be specified for Interval partitioned objects")
    if not out.partitions:
        raise OraError(14004, "missing PARTITION keyword")
    return out


def _interval(text: str, partitioning: Partitioning, database: Database, session: SessionView) -> Interval:
    if partitioning.types[0].kind not in (WireType.NUMBER, WireType.DATE, WireType.TIMESTAMP):
        raise OraError(14751, "Invalid data type for partitioning column of an interval partitioned table")
    call, literal = _DAY_TIME.match(text.strip()), _LITERAL.match(text.strip())
    if call is None and literal is None:
        return Interval(text.strip(), Decimal(str(constant(text, database, session))))
    number, unit = (call[2], call[3]) if call is not None else (literal[1], literal[2])  # type: ignore[index]
    unit = unit.upper()
    if unit not in _SECONDS and unit not in _MONTHS:
        raise OraError(1760, "illegal argument for function")
    width = Decimal(number) * (_SECONDS.get(unit) or _MONTHS[unit])
    written = f"NUMTO{'YM' if unit in _MONTHS else 'DS'}INTERVAL({number},'{unit}')"
    return Interval(written, width, unit in _MONTHS)


def _partition(
    item: re.Match[str], text: str, of: Partitioning, database: Database, session: SessionView, number: int
) -> Partition:
    name = word(item[1]) if item[1] else f"SYS_P{number + 1}"
    values = split(text[item.end() + 1 : closing(text, item.end()) - 1])
    if of.kind == "LIST":
        if [v.upper() for v in values] == ["DEFAULT"]:
            return Partition(name, "DEFAULT")
        keys = [stored_constant(v, of.types[0], database, session) for v in values]
        return Partition(name, ", ".join(values), values=frozenset(keys))
    if item[2] is None or len(values) != len(of.columns):
        raise OraError(14308, "partition bound element must be one of: string, datetime or interval literal, number")
    bound, texts = [], []
    for value, kind in zip(values, of.types, strict=True):
        raw = MAXVALUE if value.upper() == "MAXVALUE" else stored_constant(value, kind, database, session)
        if raw is None:
            raise OraError(14019, "partition bound element must be one of: string, number, date or MAXVALUE")
        bound.append(raw)
        texts.append("MAXVALUE" if raw == MAXVALUE else bound_text(kind, kind.decode(raw)))
    return Partition(name, ", ".join(texts), tuple(bound))


# ---------------------------------------------------------------------- ALTER TABLE

_ADD = pattern(r"ADD (?=PARTITION )")
_DROP = pattern(r"(DROP|TRUNCATE) PARTITION (WORD)(.*)$")
_SET_INTERVAL = pattern(r"SET INTERVAL\s*(?=\()")
_ROW_MOVEMENT = pattern(r"(ENABLE|DISABLE) ROW MOVEMENT\s*$")


def alter_partitions(table: Table, clause: str, database: Database, session: SessionView) -> bool:
    """Runs a clause of ALTER TABLE that concerns partitions; False if it is another one."""
    found = next((m for p in (_ADD, _DROP, _SET_INTERVAL, _ROW_MOVEMENT) if (m := p.match(clause)) is not None), None)
    if found is None:
        return False
    partitioning = table.partitioning
    if partitioning is None:
        raise OraError(14501, "object is not partitioned")
    if found.re is _ADD:
        for item in _ITEM.finditer(clause, found.end()):
            partitioning.add(_partition(item, clause, partitioning, database, session, len(partitioning.partitions)))
    elif found.re is _DROP:
        name, rids = word(found[2]), _rows(table, partitioning, word(found[2]))
        if found[1].upper() == "DROP":
            partitioning.drop(name)
        for rid in rids:
            table.remove(rid)
        if rids and "INDEXES" not in found[3].upper():  # those that span partitions
            for unique in table.uniques:
                unique.unusable = not unique.local
    elif found.re is _SET_INTERVAL:
        text = inside(clause[found.end() :])
        partitioning.interval = _interval(text, partitioning, database, session) if text else None
    else:
        partitioning.row_movement = found[1].upper() == "ENABLE"
    return True


def _rows(table: Table, partitioning: Partitioning, name: str) -> list[int]:
    """The rows of a partition. Raises ORA-00054 if a transaction has one of them open, and ORA-02149."""
    partition = partitioning.named(name)
    rids = [rid for rid, row in table.rows.items() if row is not None and partitioning.place(row) is partition]
    if any(rid in table.pending for rid in rids):
        raise OraError(54)
    return rids
