"""What an expression sees while it runs: the session, the sources of its query, and their current rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from sqlglot import exp

from oracle_standin.errors import OraError
from oracle_standin.sql.conversion import Settings, Value
from oracle_standin.sql.datatype import Datatype
from oracle_standin.sql.statement import name_of
from oracle_standin.store.table import Table

if TYPE_CHECKING:
    from oracle_standin.store.transaction import Transaction


class SessionView(Protocol):
    """What an expression needs from the session in which it runs."""

    settings: Settings
    transaction: Transaction
    sid: int
    user: str
    schema: str
    exempt: bool  # from row-level security

    def context(self, name: str) -> str | None: ...


class Owner:
    """A session that resolves names as the owner of a view does."""

    def __init__(self, session: SessionView, owner: str) -> None:
        self.settings, self.transaction = session.settings, session.transaction
        self.sid, self.exempt = session.sid, session.exempt
        self.user = self.schema = owner
        self.context = session.context


class Frame:
    """The rows that an expression reads."""

    __slots__ = ("aggregates", "binds", "parent", "rids", "rownum", "rows", "session")

    def __init__(self, session: SessionView, binds: Sequence[Value], sources: int = 0, parent: Frame | None = None):
        self.session = session
        self.binds = binds
        self.rows: list[Sequence[Value]] = [()] * sources
        self.rids: list[int | None] = [None] * sources
        self.parent = parent
        self.rownum = 0
        self.aggregates: list[Value] = []


class Source:
    """One item of a FROM clause: its name and columns.

    ``table`` when its rows are stored bytes. Then ``columns`` are those of the table's rows, ``names`` the ones that
    show, in their order, and ``positions`` where each name is; ``filter``, if any, tells which rows are there.
    """

    __slots__ = ("columns", "filter", "name", "names", "positions", "table")

    def __init__(
        self,
        name: str,
        columns: list[tuple[str, Datatype, bool]],
        table: Table | None = None,
        filter: Callable[[Sequence[Value], SessionView], bool] | None = None,  # noqa: A002
        positions: Mapping[str, int] | None = None,
        names: Sequence[str] | None = None,
    ) -> None:
        self.name = name
        self.columns = columns  # name, type, nullable
        self.positions = {c[0]: i for i, c in enumerate(columns)} if positions is None else positions
        self.names = list(self.positions) if names is None else names
        self.table = table
        self.filter = filter


class Scope:
    """The sources a name may come from, then those of the outer query."""

    def __init__(self, sources: list[Source], parent: Scope | None = None) -> None:
        self.sources = sources
        self.parent = parent

    def find(self, column: exp.Column) -> tuple[int, int, int] | None:
        """(how many queries out, source, column). Raises ORA-00918 for an ambiguous name."""
        name, qualifier = name_of(column), column.args.get("table")
        depth, scope = 0, self
        while True:
            hits = [
                (depth, i, source.positions[name])
                for i, source in enumerate(scope.sources)
                if name in source.positions and (qualifier is None or name_of(qualifier) == source.name)
            ]
            if len(hits) > 1:
                raise OraError(918, name=f'"{name}"')
            if hits:
                return hits[0]
            if scope.parent is None:
                return None
            depth, scope = depth + 1, scope.parent
