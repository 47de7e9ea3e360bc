"""The database: objects by name, privileges, statement and plan caches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sqlglot import exp

from oracle_standin.ddl import commands
from oracle_standin.ddl.clauses import qualified
from oracle_standin.errors import OraError
from oracle_standin.plans.dml import Insert, Merge, Plan, Update
from oracle_standin.plans.query import Query, Rows, Select, UnionAll
from oracle_standin.plans.relation import Relation, is_simple
from oracle_standin.sql.charset import UNICODE, Charset
from oracle_standin.sql.conversion import Value
from oracle_standin.sql.datatype import Datatype
from oracle_standin.sql.scope import Frame, Owner, Scope, SessionView, Source
from oracle_standin.sql.statement import Statement, What, name_of, table_name
from oracle_standin.store import dictionary
from oracle_standin.store.accounts import Accounts
from oracle_standin.store.deferral import Deferrable
from oracle_standin.store.policy import Policy
from oracle_standin.store.table import Sequence as NumberSequence
from oracle_standin.store.table import Table
from oracle_standin.store.transaction import Locks
from oracle_standin.store.view import View
from oracle_standin.wire.release import Release

if TYPE_CHECKING:
    from oracle_standin.session import Session

_CACHED = 500
_ROWS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE"})
_PRIVILEGES = {"MERGE": "INSERT"}


class Database:
    """Everything that outlives a session. Parsing needs no lock; for everything else, hold ``locks.lock``."""

    def __init__(
        self,
        release: Release,
        accounts: Accounts,
        service: str,
        count_only: bool,
        charset: Charset | None = None,  # None: AL32UTF8
    ) -> None:
        self.release: Release = release
        self.accounts = accounts
        self.service = service
        self.count_only = count_only
        self.charset = charset
        self.locks = Locks(release.modern)
        self.tables: dict[tuple[str, str], Table] = {}
        self.sequences: dict[tuple[str, str], NumberSequence] = {}
        self.synonyms: dict[tuple[str, str], tuple[str, str]] = {}  # schema (or PUBLIC) and name -> schema and name
        self.views: dict[tuple[str, str], View] = {}
        self.grants: set[tuple[str, str, str, str]] = set()  # grantee, owner, table, privilege
        self.sessions: set[Session] = set()
        self._statements: dict[str, Statement] = {}
        self._private: dict[tuple[int, str, str], Table] = {}  # a session's rows of a temporary table
        self._plans: dict[tuple[object, ...], Plan | Query] = {}

    @property
    def character_set(self) -> str:
        """NLS_CHARACTERSET."""
        return UNICODE if self.charset is None else self.charset.name

    def parse(self, text: str) -> Statement:
        """Parses a statement. Raises ORA-00900 if it is not SQL, ORA-03001 if the stand-in does not support it."""
        statement = self._statements.get(text)
        if statement is None:
            statement = Statement(text if self.charset is None else self.charset.hold(text))
            if len(self._statements) >= _CACHED:
                self._statements.clear()
            self._statements[text] = statement
        return statement

    # ------------------------------------------------------------------ names

    def relation(self, reference: exp.Expr, session: SessionView, statement: str) -> Relation:
        """The table, or the view of one, that a statement (SELECT, INSERT, UPDATE, DELETE or MERGE) names.

        Raises ORA-00942 if it does not exist or is not visible, 00980 and 01775 for a synonym that leads nowhere, 01031
        without the privilege, 01732 for a view that cannot be changed, 04063 for one whose query is not valid any more.
        """
        schema, name = table_name(reference)
        return self._relation(
            self._locate(schema, name, session, _PRIVILEGES.get(statement, statement)), session, statement
        )

    def _relation(self, key: tuple[str, str], session: SessionView, statement: str) -> Relation:
        view = self.views.get(key)
        if view is None:
            return Relation(self, session, self._table(key, session, statement), statement)
        if not is_simple(view):
            raise OraError(1732)
        owner = Owner(session, view.schema)
        try:
            found = self.relation(view.query.args["from_"].this, owner, statement)
            found.narrow(self, owner, view)
        except OraError as error:
            raise OraError(4063, name=f'view "{key[0]}.{key[1]}"') if error.code in (904, 942, 980) else error from None
        return found

    def view_columns(self, view: View, session: SessionView) -> list[tuple[str, Datatype, bool]]:
        """Names, types and nullability. Raises what its query raises."""
        owner = Owner(session, view.schema)
        if is_simple(view):
            found = self.relation(view.query.args["from_"].this, owner, "SELECT")
            found.narrow(self, owner, view)
            return [(name, *found.columns[i][1:]) for name, i in found.positions.items()]
        columns = self.query(view.query, owner, [], None).columns
        return [
            (name, *column[1:]) for name, column in zip(view.names or [c[0] for c in columns], columns, strict=True)
        ]

    def find_table(self, name: str, session: SessionView, privilege: str) -> Table:
        """A table by its name in DDL. Raises ORA-01702 for a view."""
        key = self.locate(name, session, privilege)
        if key in self.views:
            raise OraError(1702)
        return self._table(key, session, privilege)

    def locate(self, name: str, session: SessionView, privilege: str) -> tuple[str, str]:
        """Owner and name of the table or view that a name in DDL means. Raises as :meth:`relation` does."""
        schema, plain = qualified(name, session)
        return self._locate(schema if "." in name else None, plain, session, privilege)

    def _locate(self, schema: str | None, name: str, session: SessionView, privilege: str) -> tuple[str, str]:
        asked = key = (schema or session.schema, name)
        passed: set[tuple[str, str]] = set()
        while key not in self.tables and key not in self.views:
            public = self.synonyms.get(("PUBLIC", name)) if schema is None and not passed else None
            target = self.synonyms.get(key) or public
            if target is None:
                break
            if target in passed:
                raise OraError(1775)
            passed.add(target)
            key = target
        if key not in self.tables and key not in self.views:
            if passed:
                raise OraError(980)
            raise self._missing(asked)
        granted = {p for who, *what, p in self.grants if who == session.user and what == [*key]}
        if key[0] != session.user and not granted:
            raise self._missing(key)
        if key[0] != session.user and privilege not in granted:
            raise OraError(1031)
        return key

    def _missing(self, key: tuple[str, str]) -> OraError:
        return OraError(942, f'table or view "{key[0]}"."{key[1]}" does not exist' if self.release.modern else None)

    def _table(self, key: tuple[str, str], session: SessionView, privilege: str) -> Table:
        table = self.tables[key]
        if table.temporary and privilege in _ROWS:
            return self._private.setdefault((session.sid, *key), table.empty_copy())
        return table

    def forbid_same_name(self, key: tuple[str, str]) -> None:
        """Raises ORA-00955."""
        if any(key in objects for objects in (self.tables, self.views, self.sequences, self.synonyms)):
            raise OraError(955)

    def constraint(self, schema: str, name: str) -> Deferrable:
        """Raises ORA-02448."""
        for table in self.tables.values():
            constraints: list[Deferrable] = [*table.uniques, *table.checks]
            for constraint in constraints:
                if table.schema == schema and constraint.name == name:
                    return constraint
        raise OraError(2448, "constraint does not exist")

    def in_use(self, table: Table) -> bool:
        """Whether a session has rows in a temporary table."""
        return any(key[1:] == (table.schema, table.name) for key in self._private)

    def clear_temporary(self, session: SessionView, closing: bool = False) -> None:
        """Empties or drops the temporary tables of a session when its transaction (with ``closing``: it) ends."""
        for key, table in list(self._private.items()):
            if key[0] == session.sid and (closing or table.temporary != "preserve"):
                del self._private[key]
                self._plans.clear()
                if table.temporary == "drop":
                    self.tables.pop(key[1:], None)

    def sequence(self, schema: str | None, name: str, session: SessionView) -> NumberSequence:
        try:
            return self.sequences[schema or session.schema, name]
        except KeyError:
            raise OraError(2289) from None

    def source(
        self, item: exp.Expr, session: SessionView, types: list[Datatype], outer: Scope | None
    ) -> tuple[Source, Rows | None]:
        """One item of a FROM clause; rows are None for a table, which is scanned by its reader."""
        alias = item.args.get("alias")
        label = name_of(alias) if alias is not None else None
        if isinstance(item, exp.Subquery):
            query = self.query(item.this, session, types, outer)
            return Source(label or "", query.columns), lambda frame: query.values(frame.parent or frame)
        schema, name = table_name(item)
        view = dictionary.view(name) if schema in (None, "SYS") and (session.schema, name) not in self.tables else None
        if view is not None:
            columns = [(column, kind, True) for column, kind in view.columns]

            def rows(frame: Frame) -> Iterable[Sequence[Value]]:
                assert view is not None
                return view.rows(self, frame.session)

            return Source(label or name, columns), rows
        key = self._locate(schema, name, session, "SELECT")
        if key in self.views and not is_simple(self.views[key]):
            return self._complex(self.views[key], session, label or name)
        return self._relation(key, session, "SELECT").source(label or name), None

    def _complex(self, view: View, session: SessionView, label: str) -> tuple[Source, Rows]:
        """A view that is a query. Raises ORA-04063."""
        try:
            columns = self.view_columns(view, session)
            query = self.query(view.query, Owner(session, view.schema), [], None)
        except OraError as error:
            if error.code in (904, 942, 980):
                raise OraError(4063, name=f'view "{view.schema}.{view.name}"') from None
            raise
        return Source(label, columns), lambda frame: query.values(Frame(frame.session, ()))

    # ------------------------------------------------------------------ plans

    def query(self, node: exp.Expr, session: SessionView, types: list[Datatype], outer: Scope | None) -> Query:
        while isinstance(node, exp.Subquery | exp.Paren):
            node = node.this
        if isinstance(node, exp.Union):
            return UnionAll(self, session, node, types, outer)
        if not isinstance(node, exp.Select) or node.args.get("with_"):
            raise OraError(3001)
        return Select(self, session, node, types, outer)

    def subquery(self, node: exp.Expr, session: SessionView, types: list[Datatype], scope: Scope) -> Query:
        return self.query(node, session, types, scope)

    def plan(self, statement: Statement, session: SessionView, types: list[Datatype]) -> Plan | Query:
        """A compiled query or DML statement; cached until the next DDL."""
        private = session.sid if any(t.temporary for t in self.tables.values()) else 0
        key = (statement.text, private, session.user, session.schema, session.exempt, *types)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._compile(statement, session, types)
            if len(self._plans) >= _CACHED:
                self._plans.clear()
            self._plans[key] = plan
        return plan

    def _compile(self, statement: Statement, session: SessionView, types: list[Datatype]) -> Plan | Query:
        match statement.tree:
            case exp.Insert() as node:
                return Insert(self, session, node, types)
            case exp.Update() | exp.Delete() as node:
                return Update(self, session, node, types)
            case exp.Merge() as node:
                return Merge(self, session, node, types)
            case exp.Query() as node:
                return self.query(node, session, types, None)
        raise OraError(900)

    def protect(self, session: SessionView, table: str, policy: Policy | None) -> None:
        """Adds a row-level security policy, or replaces the one of its name; None removes all of the table."""
        found = self.find_table(table, session, "POLICY")
        kept = [p for p in found.policies if policy is not None and p.name != policy.name]
        found.policies[:] = kept if policy is None else [*kept, policy]
        self._plans.clear()

    def unprotect(self) -> None:
        """Removes all policies."""
        with self.locks.lock:
            for table in self.tables.values():
                table.policies.clear()
            self._plans.clear()

    def define(self, statement: Statement, session: SessionView) -> None:
        """Runs DDL; plans and parse trees made before are discarded."""
        assert statement.what is What.DDL
        try:
            commands.execute(self, session, statement.text)
        finally:
            self._plans.clear()
            self._statements.clear()
