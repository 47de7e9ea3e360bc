"""Tables in the store: columns, keys, rows, and the rows that an open transaction has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from oracle_standin.errors import OraError
from oracle_standin.sql.datatype import Datatype, Raw, Row

if TYPE_CHECKING:
    from sqlglot import exp

    from oracle_standin.store.partition import Partitioning
    from oracle_standin.store.policy import Policy
    from oracle_standin.store.transaction import Transaction
    from oracle_standin.store.trigger import Trigger

Key: TypeAlias = Raw | Row


@dataclass(slots=True)
class Sequence:
    """NEXTVAL outlives a rollback, as Oracle's does."""

    value: int
    increment: int

    def next(self) -> int:
        self.value += self.increment
        return self.value


@dataclass(slots=True)
class Column:
    """One column; ``default`` is the parsed DEFAULT expression, ``default_text`` its source."""

    name: str
    type: Datatype
    nullable: bool = True
    default: exp.Expr | None = None
    default_text: str | None = None
    on_null: bool = False  # DEFAULT ON NULL
    virtual: exp.Expr | None = None  # GENERATED ALWAYS AS; default_text is its source
    identity: str = ""  # ALWAYS or BY DEFAULT
    sequence: Sequence | None = None  # of an identity
    hidden: bool = False  # INVISIBLE: only who names it gets it
    system: bool = False  # made by the server, not by the user
    not_null: bool = False  # declared so; a column of a primary key is not nullable without


class Unique:
    """A primary key, a unique constraint or a unique index: ``rids`` maps each key to its row number."""

    __slots__ = (
        "columns",
        "constraint",
        "deferrable",
        "deferred",
        "index",
        "key",
        "local",
        "name",
        "primary",
        "reverse",
        "rids",
        "unusable",
        "validated",
    )

    def __init__(self, name: str, columns: tuple[int, ...], primary: bool, constraint: bool) -> None:
        self.name = name
        self.columns = columns
        self.primary = primary
        self.constraint = constraint
        self.deferrable = self.deferred = False
        self.validated = True
        self.index: str | None = None  # an index, not unique, that was there before the constraint and serves it
        self.local = False  # its index is partitioned as the table is
        self.reverse = False
        self.unusable = False  # DML fails with ORA-01502 until the index is rebuilt
        self.rids: dict[Key, int] = {}
        self.key = _key_function(columns)

    def move(self, columns: tuple[int, ...]) -> None:
        """Its columns have other numbers now."""
        self.columns, self.key = columns, _key_function(columns)

    def empty_copy(self) -> Unique:
        copy = Unique(self.name, self.columns, self.primary, self.constraint)
        for name in ("deferrable", "deferred", "index", "local", "reverse", "unusable", "validated"):
            setattr(copy, name, getattr(self, name))
        return copy


def _key_function(columns: tuple[int, ...]) -> Callable[[Row], Key]:
    """The key of a row; None if all its columns are null (such rows are not indexed)."""
    if len(columns) == 1:
        first = columns[0]
        return lambda row: row[first]

    def key(row: Row) -> Key:
        values = tuple([row[c] for c in columns])
        return None if values.count(None) == len(values) else values

    return key


@dataclass(slots=True)
class Pending:
    """The open transaction that has changed a row, and what others still see: None if they see no row."""

    owner: Transaction
    before: Row | None


@dataclass(slots=True)
class Check:
    """A CHECK constraint."""

    name: str
    condition: exp.Expr
    deferrable: bool = False
    deferred: bool = False
    validated: bool = True


@dataclass(slots=True, eq=False)
class Table:
    """A heap of rows by row number. A deleted row stays as None until its transaction ends."""

    schema: str
    name: str
    columns: list[Column]
    uniques: list[Unique] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    disabled: list[Unique | Check] = field(default_factory=list)
    triggers: list[Trigger] = field(default_factory=list)
    policies: list[Policy] = field(default_factory=list)
    indexes: dict[str, tuple[str, ...]] = field(default_factory=dict)  # not unique: accepted, not used
    rows: dict[int, Row | None] = field(default_factory=dict)
    pending: dict[int, Pending] = field(default_factory=dict)
    reclaimed: set[Transaction] = field(default_factory=set)  # they have freed a key and used it again
    doubled: set[Transaction] = field(default_factory=set)  # they have rows whose key is another row's, to be checked
    deferrable: bool = False  # one of its keys is
    overlapping: bool = False  # NOVALIDATE: rows share a key, and the index leads to the first of them only
    read_only: bool = False
    archive_state: int | None = None  # ROW ARCHIVAL: its hidden column
    next_rid: int = 0
    counted: int = 0  # rows in count-only mode
    partitioning: Partitioning | None = None
    temporary: str = ""  # "delete" or "preserve" (rows at commit), "drop" (the definition at commit)

    def empty_copy(self) -> Table:
        """The same definition without rows: a temporary table as one session has it."""
        uniques = [u.empty_copy() for u in self.uniques]
        return Table(
            self.schema,
            self.name,
            self.columns,
            uniques,
            self.checks,
            triggers=self.triggers,
            deferrable=self.deferrable,
            temporary=self.temporary,
        )

    def position(self, name: str) -> int:
        """Raises ORA-00904."""
        for i, column in enumerate(self.columns):
            if column.name == name:
                return i
        raise OraError(904, name=f'"{name}"')

    def qualified(self, i: int) -> str:
        return f'"{self.schema}"."{self.name}"."{self.columns[i].name}"'

    def remove(self, rid: int) -> None:
        """Takes a committed row out of the table and its keys."""
        row = self.rows.pop(rid)
        for unique in self.uniques:
            key = None if row is None else unique.key(row)
            if key is not None and unique.rids.get(key) == rid:
                del unique.rids[key]

    def scan(self, reader: Transaction) -> Iterator[tuple[int, Row]]:
        """What ``reader`` sees: committed rows and its own changes."""
        if not self.pending:
            yield from self.rows.items()  # type: ignore[misc]  # without pending changes no row is None
            return
        pending = self.pending
        for rid, row in self.rows.items():
            change = pending.get(rid)
            if change is not None and change.owner is not reader:
                row = change.before
            if row is not None:
                yield rid, row

    def visible(self, rid: int, reader: Transaction) -> Row | None:
        change = self.pending.get(rid)
        if change is not None and change.owner is not reader:
            return change.before
        return self.rows.get(rid)

    def count(self, reader: Transaction | None) -> int:
        """Rows ``reader`` sees; None sees committed rows only."""
        total = len(self.rows) + self.counted
        for rid, change in self.pending.items():
            row = self.rows[rid] if change.owner is reader else change.before
            total -= row is None
        return total
