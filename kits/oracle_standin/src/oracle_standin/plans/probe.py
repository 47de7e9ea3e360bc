"""Index probes: the rows of a table by unique key, if a condition fixes all its columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Value
from oracle_standin.sql.datatype import ANY_SCALE, NATIONAL, TEXT, Datatype, Raw, WireType
from oracle_standin.sql.expression import Compiler, Function, conjuncts, row_parts
from oracle_standin.sql.scope import Frame, Source
from oracle_standin.store.table import Key, Table, Unique


class Probe:
    """The rows of a table by unique key, if a condition fixes all its columns: ``=``, ``IN``, or ORs of those."""

    def __init__(self, unique: Unique, keys: list[list[tuple[Function, Datatype]]]) -> None:
        self._unique = unique
        self._keys = keys  # one list of column values for each key to look up

    def rids(self, frame: Frame) -> list[int]:
        """Row numbers that may match; the whole condition must still be tested."""
        found: dict[int, None] = {}
        for parts in self._keys:
            values: list[Raw] = []
            for function, kind in parts:
                try:
                    values.append(kind.encode(function(frame), "", frame.session.settings))
                except OraError:  # a value that the column cannot hold matches nothing
                    values.append(None)
            if None not in values:
                key: Key = values[0] if len(values) == 1 else tuple(values)
                if (rid := self._unique.rids.get(key)) is not None:
                    found[rid] = None
        return list(found)


def find_probe(compiler: Compiler, conditions: Sequence[exp.Expr], source: int) -> Probe | None:
    """A probe for a source, from conditions on its columns and on sources before it. None: scan."""
    table = compiler.scope.sources[source].table
    if table is None:
        return None
    for unique in table.uniques:
        keys = _keys(compiler, conditions, source, table, unique)
        if keys is not None:
            return Probe(unique, keys)
    return None


def _keys(
    compiler: Compiler, conditions: Sequence[exp.Expr], source: int, table: Table, unique: Unique
) -> list[list[tuple[Function, Datatype]]] | None:
    fixed: dict[int, tuple[Function, Datatype]] = {}
    for condition in conditions:
        node = condition.unnest() if isinstance(condition, exp.Paren) else condition
        if isinstance(node, exp.Or):
            branches = [_keys(compiler, conjuncts(b), source, table, unique) for b in (node.this, node.expression)]
            if branches[0] is not None and branches[1] is not None:
                return branches[0] + branches[1]
        elif isinstance(node, exp.In) and node.expressions:
            left = [_own_column(compiler, part, source) for part in row_parts(node.this)]
            if None not in left and set(left) == set(unique.columns):
                keys = []
                for item in node.expressions:
                    values = [_fixed(compiler, v, source, table, c) for v, c in zip(row_parts(item), left, strict=True)]
                    by_column = dict(zip(left, values, strict=True))
                    parts = [p for c in unique.columns if (p := by_column[c]) is not None]
                    if len(parts) != len(unique.columns):
                        return None
                    keys.append(parts)
                return keys
        elif isinstance(node, exp.EQ):
            for one, other in ((node.this, node.expression), (node.expression, node.this)):
                column = _own_column(compiler, one, source)
                if column is not None and (value := _fixed(compiler, other, source, table, column)) is not None:
                    fixed.setdefault(column, value)
    if all(c in fixed for c in unique.columns):
        return [[fixed[c] for c in unique.columns]]
    return None


def _own_column(compiler: Compiler, node: exp.Expr, source: int) -> int | None:
    hit = compiler.scope.find(node) if isinstance(node, exp.Column) else None
    return hit[2] if hit is not None and hit[:2] == (0, source) else None


def _fixed(
    compiler: Compiler, node: exp.Expr, source: int, table: Table, column: int | None
) -> tuple[Function, Datatype] | None:
    """The value, if it needs no later source and converts without loss, and the type to encode it with."""
    assert column is not None
    for inner in node.find_all(exp.Column):
        hit = compiler.scope.find(inner)
        if hit is None or (hit[0] == 0 and hit[1] >= source):
            return None
    if node.find(exp.Query) is not None:
        return None
    function, kind = compiler.compile(node)
    target = table.columns[column].type
    dates = {WireType.DATE, WireType.TIMESTAMP}
    same = (
        (kind.kind in TEXT | NATIONAL and target.kind in (WireType.VARCHAR, WireType.NVARCHAR))
        or kind.kind is target.kind is WireType.NUMBER
        or (kind.kind in dates and target.kind is WireType.TIMESTAMP)
        or kind.kind is target.kind is WireType.DATE
    )
    return (function, Datatype(target.kind, scale=ANY_SCALE if target.kind is WireType.NUMBER else 9)) if same else None


def candidates(source: Source, probe: Probe | None, frame: Frame) -> Iterator[tuple[int, Sequence[Value]]]:
    """Number and content of the rows that the session of the frame sees and the probe, if any, does not exclude."""
    assert source.table is not None
    found = _candidates(source.table, probe, frame)
    if (shows := source.filter) is None:
        return found
    session = frame.session
    return ((rid, row) for rid, row in found if shows(row, session))


def _candidates(table: Table, probe: Probe | None, frame: Frame) -> Iterator[tuple[int, Sequence[Value]]]:
    reader = frame.session.transaction
    # a key that a transaction has freed and used again leads to its new row; others must still see the old one
    if probe is None or table.overlapping or table.doubled or table.reclaimed - {reader}:
        yield from table.scan(reader)
        return
    for rid in probe.rids(frame):
        row = table.visible(rid, reader)
        if row is not None:
            yield rid, row
