"""The listener, the sessions, and what the control port can do to them."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from oracle_standin.counters import Counters
from oracle_standin.ddl.clauses import condition
from oracle_standin.errors import OraError
from oracle_standin.faults import Faults
from oracle_standin.plans.dml import Insert, Merge, Update
from oracle_standin.plans.query import Select, UnionAll
from oracle_standin.session import Session
from oracle_standin.sql import charset
from oracle_standin.sql.conversion import Settings, Value
from oracle_standin.sql.scope import Frame
from oracle_standin.sql.statement import What
from oracle_standin.store.accounts import Accounts
from oracle_standin.store.database import Database
from oracle_standin.store.policy import STATEMENTS, Policy
from oracle_standin.store.transaction import Transaction
from oracle_standin.wire.release import RELEASES

HOST = "127.0.0.1"  # loopback only
_BACKLOG = 128
_END_SECONDS = 5.0


class Server:
    """One stand-in database. Thread-safe."""

    def __init__(
        self,
        port: int,
        users: dict[str, str],
        service: str,
        profile: str = "23",
        count_only: bool = False,
        character_set: str = charset.UNICODE,
    ) -> None:
        """Raises ValueError for an unknown character set."""
        self.port = port
        self.release = RELEASES[profile]
        self.faults = Faults()
        self.database = Database(self.release, Accounts(users), service, count_only, charset.find(character_set))
        self.black_hole = False
        self.failures: list[str] = []  # tracebacks of defects in the stand-in itself
        self._lock = threading.Lock()
        self._ended = threading.Condition(self._lock)  # a session has
        self._connections: set[Session] = set()
        self._silent: list[socket.socket] = []  # accepted by the black hole, never answered
        self._total = Counters()
        self._last_sid = 10
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None

    # ------------------------------------------------------------------ listener

    def start(self) -> None:
        """Listens; port 0 picks a free one. Does nothing if it already listens."""
        if self._listener is not None:
            return
        listener = socket.create_server((HOST, self.port), backlog=_BACKLOG)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._thread = threading.Thread(target=self._accept, args=(listener,), name="listener", daemon=True)
        self._thread.start()

    def _accept(self, listener: socket.socket) -> None:
        while self._listener is listener:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            if self._listener is not listener:  # woken up to stop
                sock.close()
                return
            if self.black_hole:
                self._silent.append(sock)
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._last_sid += 1
                session = Session(self, sock, self._last_sid)
                self._connections.add(session)
            threading.Thread(target=session.run, name=f"session-{session.sid}", daemon=True).start()

    def stop_listening(self) -> None:
        """New connections are refused by the operating system; open ones continue."""
        listener, self._listener = self._listener, None
        if listener is None:
            return
        with socket.socket() as waker:  # closing does not wake a thread that waits in accept
            waker.settimeout(1)
            waker.connect_ex((HOST, self.port))
        if self._thread is not None:
            self._thread.join(5)
        listener.close()

    def set_black_hole(self, on: bool) -> None:
        """New connections are accepted and never answered; switching off closes them."""
        self.black_hole = on
        if not on:
            silent, self._silent = self._silent, []
            for sock in silent:
                with contextlib.suppress(OSError):
                    sock.setblocking(False)
                    sock.recv(65536)  # unread data would turn the close into a reset
                sock.close()

    def stop(self) -> None:
        self.stop_listening()
        self.set_black_hole(False)
        self.drop_sessions()

    # ------------------------------------------------------------------ sessions

    def register(self, session: Session) -> None:
        self.database.sessions.add(session)

    def unregister(self, session: Session) -> None:
        """The session has ended; its counts stay."""
        with self.database.locks.lock:
            self.database.sessions.discard(session)
            self.database.clear_temporary(session, closing=True)
        with self._lock:
            self._connections.discard(session)
            session.counters.closed += 1
            self._total.add(session.counters)
            self._ended.notify_all()

    def kill_sessions(self, code: int = 28, user: str | None = None) -> int:
        """Rolls back every session (or those of ``user``); its next call fails with ``code`` and is its last."""
        killed = 0
        for session in self._snapshot():
            if session.user and user in (None, session.user):
                session.kill_code = code
                killed += 1
                with self.database.locks.lock:
                    if session.transaction.active:
                        session.transaction.rollback()
                        session.transaction = Transaction(self.database.locks, session.check)
        return killed

    def drop_sessions(self, rst: bool = False) -> int:
        """Closes every connection and waits, at most 5 s, until their transactions are rolled back."""
        sessions = self._snapshot()
        for session in sessions:
            session.channel.close(rst)
        with self._ended:
            self._ended.wait_for(lambda: self._connections.isdisjoint(sessions), _END_SECONDS)
        return len(sessions)

    def _snapshot(self) -> list[Session]:
        with self._lock:
            return list(self._connections)

    def describe_sessions(self) -> list[dict[str, Any]]:
        return [
            {"sid": s.sid, "serial": s.serial, "user": s.user, "program": s.program, "in_transaction": s.in_transaction}
            for s in self._snapshot()
            if s.user
        ]

    def reset(self) -> None:
        """Back to the start, except for the tables and their rows."""
        self.faults.clear()
        self.set_black_hole(False)
        self.start()
        self.drop_sessions()
        self.database.accounts.restore()
        self.database.unprotect()
        self.reset_counters()

    # ------------------------------------------------------------------ inspection

    def counters(self) -> dict[str, int]:
        with self._lock:
            total = Counters()
            total.add(self._total)
            for session in self._connections:
                total.add(session.counters)
            return asdict(total) | {"sessions": len(self._connections)}

    def reset_counters(self) -> None:
        with self._lock:
            self._total.reset()
            for session in self._connections:
                session.counters.reset()

    def tables(self) -> dict[str, int]:
        """Committed rows of each table."""
        with self.database.locks.lock:
            return {f"{t.schema}.{t.name}": t.count(None) for t in self.database.tables.values()}

    def sql(self, sql: str, user: str | None = None) -> list[tuple[Value, ...]] | int:
        """Runs a statement (not over the wire) and commits it. Returns a query's rows or the number of rows changed.

        Raises OraError. It does not wait for row locks, because that would only block the test that calls it.
        """
        session = _Insider(self.database, (user or self.database.accounts.names()[0]).upper())
        statement = self.database.parse(sql)
        with self.database.locks.lock:
            if statement.what is What.DDL:
                self.database.define(statement, session)
                return 0
            plan = self.database.plan(statement, session, [])
            if isinstance(plan, Select | UnionAll):
                return plan.values(Frame(session, ()))
            assert isinstance(plan, Insert | Update | Merge)
            try:
                changed = plan.execute(Frame(session, ()))
            except OraError:
                session.transaction.rollback()
                raise
            session.transaction.commit()
            return changed

    def protect(
        self,
        table: str,
        predicate: str | None,
        name: str = "POLICY",
        statements: Iterable[str] = STATEMENTS,
        check: bool = False,
        user: str | None = None,
    ) -> None:
        """Adds a row-level security policy (see :class:`Policy`); without a predicate it removes all of the table."""
        session = _Insider(self.database, (user or self.database.accounts.names()[0]).upper())
        chosen = frozenset(statement.upper() for statement in statements)
        if not chosen <= STATEMENTS:
            raise ValueError(f"statements are {', '.join(sorted(STATEMENTS))}")
        policy = None if predicate is None else Policy(name.upper(), condition(predicate), chosen, check)
        with self.database.locks.lock:
            self.database.protect(session, table, policy)

    def log_failure(self, text: str) -> None:
        self.failures.append(text)


class _Insider:
    """A session without a socket."""

    sid = 0
    exempt = True  # it sees the rows that policies hide

    def __init__(self, database: Database, user: str) -> None:
        self.user = self.schema = user
        self.settings = Settings()
        self.transaction = Transaction(database.locks, self._refuse_to_wait)

    @staticmethod
    def _refuse_to_wait() -> None:
        raise OraError(54)

    def context(self, name: str) -> str | None:
        return self.user if name in ("SESSION_USER", "CURRENT_USER", "CURRENT_SCHEMA") else None
