"""CREATE, DROP, TRUNCATE, GRANT: tables, indexes, sequences, synonyms, triggers. Each commits, as Oracle's DDL does."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from sqlglot import exp

from oracle_standin.errors import OraError
from oracle_standin.sql.datatype import column_type
from oracle_standin.sql.scope import SessionView
from oracle_standin.sql.statement import Statement, name_of, table_name
from oracle_standin.store.table import Check, Column, Sequence, Table, Trigger, Unique

if TYPE_CHECKING:
    from oracle_standin.store.database import Database

_constraint_numbers = itertools.count(8)


def execute(database: Database, session: SessionView, statement: Statement) -> None:
    """Runs one DDL statement; the caller holds the store's lock and has committed."""
    node = statement.tree
    match node:
        case exp.Create(kind="TABLE"):
            _create_table(database, session, node, statement.temporary)
        case exp.Create(kind="INDEX"):
            _create_index(database, session, node)
        case exp.Create(kind="SEQUENCE"):
            _create_sequence(database, session, node)
        case exp.Create(kind="VIEW") if statement.raises is not None:
            _create_trigger(database, session, node, *statement.raises)
        case exp.Create(kind="VIEW") if isinstance(node.expression, exp.Select):
            schema, name = _full_name(node.this, session)
            target = _full_name(node.expression.args["from_"].this, session)
            database.synonyms["PUBLIC" if statement.public else schema, name] = target
        case exp.Drop():
            _drop(database, session, node)
        case exp.TruncateTable():
            _truncate(database.table(node.expressions[0], session, "DROP"))
        case exp.Grant() | exp.Revoke():
            _grant(database, session, node)
        case _:
            raise OraError(3001)


def _full_name(reference: exp.Expr, session: SessionView) -> tuple[str, str]:
    schema, name = table_name(reference)
    return schema or session.schema, name


def _create_table(database: Database, session: SessionView, node: exp.Create, temporary: str) -> None:
    if not isinstance(node.this, exp.Schema):
        raise OraError(3001, "unimplemented feature: the stand-in has no CREATE TABLE AS SELECT")
    key = _full_name(node.this.this, session)
    if key in database.tables:
        if node.args.get("exists"):
            return
        raise OraError(955)
    table = Table(*key, columns=[], temporary=temporary)
    constraints: list[tuple[str | None, exp.Expr, str | None]] = []  # name, constraint, its column
    for item in node.this.expressions:
        if isinstance(item, exp.ColumnDef):
            constraints += _column(table, item)
        elif isinstance(item, exp.Constraint):
            constraints += [(name_of(item.this), c, None) for c in item.expressions]
        else:
            constraints.append((None, item, None))
    for name, constraint, column in constraints:
        _constrain(database, table, name, constraint, column)
    database.tables[key] = table


def _column(table: Table, item: exp.ColumnDef) -> list[tuple[str | None, exp.Expr, str | None]]:
    name = name_of(item)
    if any(c.name == name for c in table.columns):
        raise OraError(957)
    column = Column(name, column_type(item.args["kind"]))
    table.columns.append(column)
    out: list[tuple[str | None, exp.Expr, str | None]] = []
    for constraint in item.args.get("constraints") or ():
        kind = constraint.args["kind"]
        if isinstance(kind, exp.NotNullColumnConstraint):
            column.nullable = bool(kind.args.get("allow_null"))
        elif isinstance(kind, exp.DefaultColumnConstraint):
            column.default, column.default_text = kind.this, kind.this.sql("oracle")
        else:
            label = constraint.args.get("this")
            out.append((name_of(label) if label is not None else None, kind, name))
    return out


def _constrain(database: Database, table: Table, name: str | None, node: exp.Expr, column: str | None) -> None:
    name = name or f"SYS_C{next(_constraint_numbers):03}"
    if isinstance(node, exp.CheckColumnConstraint):
        table.checks.append(Check(name, node.this))
        return
    primary = isinstance(node, exp.PrimaryKey | exp.PrimaryKeyColumnConstraint)
    if not primary and not isinstance(node, exp.UniqueColumnConstraint):
        raise OraError(3001, f"unimplemented feature: {node.sql('oracle')}")
    listed = node.expressions or (node.this.expressions if isinstance(node.this, exp.Schema) else [])
    positions = tuple(table.position(n) for n in ([name_of(_bare(i)) for i in listed] or [column or ""]))
    if primary:
        if any(u.primary for u in table.uniques):
            raise OraError(2260)
        for i in positions:
            table.columns[i].nullable = False
    _forbid_same_name(database, table, name)
    table.uniques.append(Unique(name, positions, primary, True))


def _bare(node: exp.Expr) -> exp.Expr:
    """A column of an index or key, without ASC or DESC."""
    inner: exp.Expr = node.this if isinstance(node, exp.Ordered) else node
    return inner


def _forbid_same_name(database: Database, table: Table, name: str) -> None:
    for other in [*database.tables.values(), table]:
        if other.schema == table.schema and (name in other.indexes or any(u.name == name for u in other.uniques)):
            raise OraError(955)


def _create_index(database: Database, session: SessionView, node: exp.Create) -> None:
    index = node.this
    table = database.table(index.args["table"], session, "INDEX")
    name = name_of(index)
    _forbid_same_name(database, table, name)
    columns = tuple(name_of(_bare(c)) for c in index.args["params"].args["columns"])
    positions = tuple(table.position(c) for c in columns)
    if positions in [u.columns for u in table.uniques] or columns in table.indexes.values():
        raise OraError(1408)
    if not node.args.get("unique"):
        table.indexes[name] = columns
        return
    unique = Unique(name, positions, False, False)
    for rid, row in table.rows.items():
        key = None if row is None else unique.key(row)
        if key is not None and unique.rids.setdefault(key, rid) != rid:
            raise OraError(1452)
    table.uniques.append(unique)


def _create_sequence(database: Database, session: SessionView, node: exp.Create) -> None:
    key = _full_name(node.this, session)
    if key in database.sequences:
        raise OraError(955)
    start, increment = 1, 1
    for properties in node.find_all(exp.SequenceProperties):
        start = int(properties.args["start"].name) if properties.args.get("start") else start
        increment = int(properties.args["increment"].name) if properties.args.get("increment") else increment
    database.sequences[key] = Sequence(start - increment, increment)


def _create_trigger(database: Database, session: SessionView, node: exp.Create, code: int, message: str) -> None:
    schema, name = _full_name(node.this, session)
    select = node.expression
    table = database.table(select.args["from_"].this, session, "DROP")
    owners = [t for t in database.tables.values() if t.schema == schema and any(g.name == name for g in t.triggers)]
    if owners and (owners != [table] or not node.args.get("replace")):
        raise OraError(4081, f"trigger '{name}' already exists")
    table.triggers = [trigger for trigger in table.triggers if trigger.name != name]
    table.triggers.append(Trigger(name, select.args["where"].this, code, message))


def _drop(database: Database, session: SessionView, node: exp.Drop) -> None:
    kind = str(node.args.get("kind"))
    reference = node.args["tables"][0]
    key = _full_name(reference, session)
    if kind == "TABLE":
        if node.args.get("exists") and key not in database.tables:
            return
        table = database.table(reference, session, "DROP")
        if table.pending:
            raise OraError(54)
        del database.tables[key]
    elif kind == "SEQUENCE":
        if database.sequences.pop(key, None) is None:
            raise OraError(2289)
    elif kind == "INDEX":
        for table in database.tables.values():
            if table.schema == key[0] and table.indexes.pop(key[1], None) is not None:
                return
            for unique in table.uniques:
                if table.schema == key[0] and unique.name == key[1]:
                    if unique.constraint:
                        raise OraError(2429, "cannot drop index used for enforcement of unique/primary key")
                    table.uniques.remove(unique)
                    return
        raise OraError(1418)
    else:
        raise OraError(3001)


def _truncate(table: Table) -> None:
    if table.pending:
        raise OraError(54)
    table.rows.clear()
    table.counted = 0
    for unique in table.uniques:
        unique.rids.clear()


def _grant(database: Database, session: SessionView, node: exp.Expr) -> None:
    """Object privileges: GRANT INSERT, SELECT ON t TO user."""
    if node.args.get("securable") is None:
        return  # a system privilege or a role: every user has what it needs
    table = database.table(node.args["securable"], session, "GRANT")
    for principal in node.args["principals"]:
        for privilege in node.args["privileges"]:
            entry = (name_of(principal), table.schema, table.name, privilege.this.name.upper())
            if isinstance(node, exp.Grant):
                database.grants.add(entry)
            else:
                database.grants.discard(entry)
