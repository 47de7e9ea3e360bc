"""One client connection: its state and the loop over its requests."""

from __future__ import annotations

import socket
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from oracle_standin.counters import Counters
from oracle_standin.errors import FATAL_CODES, MESSAGES, ConnectionLost, DropConnection, Interrupted, OraError
from oracle_standin.execution import Cursors
from oracle_standin.faults import Rule
from oracle_standin.sql.conversion import Settings
from oracle_standin.store.transaction import Transaction
from oracle_standin.wire.handshake import AUTH_ONE, AUTH_TWO, DATA_TYPES, FAST_AUTH, FUNCTION, PROTOCOL, Handshake
from oracle_standin.wire.packets import Channel
from oracle_standin.wire.release import FIELDS_23_1_EXT1
from oracle_standin.wire.reply import END_OF_RESPONSE, TOKEN, Reply
from oracle_standin.wire.request import EXECUTE, REEXECUTE, REEXECUTE_AND_FETCH
from oracle_standin.wire.wire import Reader, ub

if TYPE_CHECKING:
    from oracle_standin.server import Server

_PIGGYBACK, _FLUSH_OUT = 17, 19
_FETCH, _LOGOFF, _COMMIT, _ROLLBACK, _PING = 5, 9, 14, 15, 147
_CLOSE_CURSORS, _END_TO_END, _SET_SCHEMA, _SESSION_STATE = 105, 135, 152, 176
_HANG_SECONDS = 3600.0


class Session:
    """A connection, from accept to close; it runs in its own thread."""

    exempt = False

    def __init__(self, server: Server, sock: socket.socket, sid: int) -> None:
        self.server = server
        self.database = server.database
        self.counters = Counters()
        self.channel = Channel(sock, self.counters)
        self.sid, self.serial = sid, 20000 + sid
        self.user = self.schema = ""
        self.program = self.machine = self.terminal = self.os_user = ""
        self.module: str | None = None
        self.action: str | None = None
        self.settings = Settings()
        self.fields = server.release.field_version
        self.reader = Reader(b"", self.channel.data)
        self.reply = Reply(self.fields)
        self.closing = False
        self.kill_code: int | None = None
        self.transaction = Transaction(self.database.locks, self.check)
        self._cursors = Cursors(self)
        self._handshake = Handshake(self, server.release)
        self._partial_reply = False
        self._token = 0

    # ------------------------------------------------------------------ state

    @property
    def in_transaction(self) -> bool:
        return self.transaction.active

    def log_on(self, user: str) -> None:
        self.user = self.schema = user
        self.counters.logons += 1

    def alter(self, settings: Sequence[tuple[str, str]]) -> None:
        """ALTER SESSION SET."""
        for name, value in settings:
            if name == "CURRENT_SCHEMA":
                self.schema = value.upper()
            else:
                if name in ("CONSTRAINT", "CONSTRAINTS") and value.upper() == "IMMEDIATE":
                    with self.database.locks.lock:
                        self.transaction.deferral.verify()
                self.settings.alter(name, value)

    def context(self, name: str) -> str | None:
        """SYS_CONTEXT('USERENV', name)."""
        service = self.database.service
        return {
            "SID": str(self.sid), "SESSIONID": str(self.sid), "SERVICE_NAME": service, "DB_NAME": service,
            "DB_UNIQUE_NAME": service, "CON_NAME": service, "INSTANCE_NAME": "standin", "SERVER_HOST": "standin",
            "SESSION_USER": self.user, "CURRENT_USER": self.user, "CURRENT_SCHEMA": self.schema,
            "HOST": self.machine, "MODULE": self.module, "ACTION": self.action,
            "LANGUAGE": f"AMERICAN_AMERICA.{self.database.character_set}", "DATABASE_ROLE": "PRIMARY",
        }.get(name)  # fmt: skip

    def check(self) -> None:
        """Raises Interrupted after a break of the client, the kill code of a killed session, or ConnectionLost."""
        if self.channel.poll_break():
            raise Interrupted
        if self.kill_code is not None:
            raise OraError(self.kill_code)

    # ------------------------------------------------------------------ transactions

    def end_transaction(self, commit: bool) -> None:
        """Ends the transaction and begins the next one. Raises ORA-02091 if it had to be rolled back instead."""
        with self.database.locks.lock:
            try:
                if commit:
                    self.transaction.commit()
                else:
                    self.transaction.rollback()
            finally:
                if self.transaction.ended:
                    self.transaction = Transaction(self.database.locks, self.check)
                    self.database.clear_temporary(self)

    def set_constraints(self, names: Sequence[str], deferred: bool) -> None:
        """SET CONSTRAINTS. Raises ORA-02447 and 02448, and what a constraint raises that can no longer wait."""
        with self.database.locks.lock:
            for name in names:
                if not self.database.constraint(self.schema, name).deferrable:
                    raise OraError(2447, "cannot defer a constraint that is not deferrable")
            self.transaction.deferral.set(list(names), deferred)

    def commit(self) -> None:
        self.fire("commit", "before", "")
        with self.database.locks.lock:
            self._check_killed()  # it may have been killed and rolled back while this waited for the lock
            self.end_transaction(commit=True)
        self.counters.commits += 1
        self.fire("commit", "after", "")

    def rollback(self) -> None:
        self.fire("rollback", "before", "")
        self.end_transaction(commit=False)
        self.counters.rollbacks += 1
        self.fire("rollback", "after", "")

    # ------------------------------------------------------------------ faults

    def fire(self, point: str, when: str, text: str) -> Rule | None:
        """Applies a fault rule; returns it if it is for single rows of an array."""
        rule = self.server.faults.pick(point, when, text)
        if rule is not None:
            self.act(rule)
        return self.server.faults.pick(point, when, text, by_row=True)

    def act(self, rule: Rule) -> None:
        """What the rule says; raises if it ends the call."""
        if rule.action in ("drop", "rst"):
            raise DropConnection(rst=rule.action == "rst")
        if rule.action in ("hang", "latency"):
            self.wait(rule)
        elif rule.action == "freeze":
            self.server.faults.freeze(_HANG_SECONDS if rule.seconds is None else rule.seconds)
            raise DropConnection
        elif rule.action == "midpacket":
            self._partial_reply = True
        elif rule.action == "ora":
            raise self.injected(rule)

    def wait(self, rule: Rule) -> None:
        default = _HANG_SECONDS if rule.action == "hang" else 1.0
        self.channel.wait(default if rule.seconds is None else rule.seconds, self._check_killed)

    def _check_killed(self) -> None:
        if self.kill_code is not None:
            raise OraError(self.kill_code)

    @staticmethod
    def injected(rule: Rule) -> OraError:
        """The error of an ``ora`` rule."""
        assert rule.code is not None
        text = rule.message if rule.message is not None or rule.code in MESSAGES else "signalled by a fault rule"
        return OraError(rule.code, text, name='"SCOTT"."INJECTED"', actual=300, maximum=255)

    # ------------------------------------------------------------------ the loop

    def run(self) -> None:
        """Serves the connection until it ends; never raises."""
        rst = False
        try:
            if self._handshake.accept():
                self.server.register(self)
                while not self.closing:
                    self._serve_one()
        except ConnectionLost:
            pass
        except DropConnection as drop:
            rst = drop.rst
            self.counters.dropped += 1
        except Exception:
            self.server.log_failure(traceback.format_exc())
        finally:
            self.end_transaction(commit=False)
            self.channel.close(rst)
            self.server.unregister(self)

    def _serve_one(self) -> None:
        try:
            data = self.channel.gather()
        except Interrupted:
            self._answer_break()
            return
        if self.channel.eof and not data:
            self.closing = True
            return
        self.reader = Reader(data, self.channel.data)
        self.reply = Reply(self.fields)
        self._token = 0
        self.counters.requests += 1
        transaction, mark = self.transaction, self.transaction.mark
        try:
            self._message()
        except Interrupted:
            if self.transaction is transaction:  # what the broken call did is undone
                with self.database.locks.lock:
                    transaction.rollback_to(mark)
            self._answer_break()
            return
        except OraError as error:
            self._fail(error)
        self._send()

    def _answer_break(self) -> None:
        self.counters.breaks += 1
        self.channel.answer_break()
        self._token = 0
        self._fail(OraError(1013))
        self._send()

    def _fail(self, error: OraError) -> None:
        self.counters.errors += 1
        self.reply = Reply(self.fields)
        if error.row_counts is not None:
            self.reply.row_counts(error.row_counts)
        self.reply.error(self.in_transaction, error, error.cursor_id, error.rowcount)
        if error.code in FATAL_CODES:
            self.closing = True

    def _send(self) -> None:
        if self.server.faults.latency_seconds:
            self.server.faults.freeze(self.server.faults.latency_seconds)
        payload = self.reply.getvalue()
        if self._token:
            payload = bytes((TOKEN,)) + ub(self._token) + payload
        if self.channel.end_of_response:
            payload += bytes((END_OF_RESPONSE,))
        partial, self._partial_reply = self._partial_reply, False
        self.channel.send_data(payload, partial)

    # ------------------------------------------------------------------ requests

    def _message(self) -> None:
        """Reads one request, piggybacks first, and writes its reply. Raises OraError for an unknown one."""
        reader = self.reader
        while True:
            kind = reader.u8()
            if kind == _PIGGYBACK:
                self._piggyback()
            elif kind == FUNCTION:
                code = reader.u8()
                reader.u8()
                if self.fields >= FIELDS_23_1_EXT1 and (self.user or code == AUTH_TWO):
                    self._token = reader.ub()
                return self._function(code)
            elif kind in (PROTOCOL, DATA_TYPES, FAST_AUTH):
                return self._handshake.negotiate(kind)
            elif kind == _FLUSH_OUT:
                return None
            else:
                raise OraError(3115)

    def _function(self, code: int) -> None:
        self._check_killed()
        if code in (AUTH_ONE, AUTH_TWO):
            return self._handshake.authenticate(code)
        if not self.user:
            raise OraError(1012)
        if code in (EXECUTE, REEXECUTE, REEXECUTE_AND_FETCH):
            return self._cursors.execute(code)
        if code == _FETCH:
            return self._cursors.fetch(self.reader.ub(), self.reader.ub())
        if code == _COMMIT:
            self.commit()
        elif code == _ROLLBACK:
            self.rollback()
        elif code == _PING:
            self.counters.pings += 1
            self.fire("ping", "before", "")
        elif code == _LOGOFF:  # the session is over before its answer, whenever the socket goes
            self.end_transaction(commit=False)
            self.user = ""
        else:
            raise OraError(3115)
        self.reply.status(self.in_transaction)
        return None

    def _piggyback(self) -> None:
        """Small requests that travel in front of another one and have no reply."""
        reader = self.reader
        code = reader.u8()
        reader.u8()
        if self.fields >= FIELDS_23_1_EXT1:
            reader.ub()
        if code == _CLOSE_CURSORS:
            reader.u8()
            for _ in range(reader.ub()):
                self._cursors.close(reader.ub())
        elif code == _SET_SCHEMA:
            reader.u8()
            self.schema = reader.with_length().decode().upper()
        elif code == _SESSION_STATE:
            reader.ub()
        elif code == _END_TO_END:
            self._end_to_end()
        else:
            raise OraError(3115)

    def _end_to_end(self) -> None:
        """Client identifier, module, action and the like: a flag, then a pointer and length for each, then texts."""
        reader = self.reader
        reader.raw(2)
        flags = reader.ub()
        lengths = []
        for _ in range(9):
            reader.u8()
            lengths.append(reader.ub())
        texts: dict[int, str | None] = {}
        # client identifier, module, action, client info and database operation; the other four are not in use
        for bit, length in zip((0x1, 0x8, 0x10, 0x100, 0x200), (*lengths[:3], lengths[5], lengths[8]), strict=True):
            if flags & bit:
                texts[bit] = ((reader.chunked() or b"").decode() or None) if length else None
        self.module = texts.get(0x8, self.module)
        self.action = texts.get(0x10, self.action)
