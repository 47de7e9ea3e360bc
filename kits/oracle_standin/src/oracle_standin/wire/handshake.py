"""From the first packet to a logged-on session: TNS connect, protocol negotiation, O5LOGON.

Layouts follow python-oracledb's published Thin code. A 19c server is asked in four round trips; a 23ai server
offers fast authentication, where the first three requests come in one message.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from oracle_standin.errors import DropConnection, OraError
from oracle_standin.wire.logon import Exchange
from oracle_standin.wire.packets import ACCEPT, CONNECT, REFUSE
from oracle_standin.wire.release import CAP_TIME_ZONE, Release
from oracle_standin.wire.reply import CHARSET_AL32UTF8, PARAMETER

if TYPE_CHECKING:
    from oracle_standin.session import Session

PROTOCOL, DATA_TYPES, FUNCTION, FAST_AUTH = 1, 2, 3, 34
AUTH_TWO, AUTH_ONE = 115, 118
_CHANGE_PASSWORD = 0x2
_FLAG_FAST_AUTH, _FLAG_END_OF_RESPONSE = 0x10000000, 0x02000000
_MAX_SDU = 65535
_UTC_INTERVAL = bytes((0x80, 0, 0, 0, 60, 60, 0x80, 0, 0, 0, 0))  # hours and minutes are biased by 60


class Handshake:
    """The log-on of one session."""

    def __init__(self, session: Session, release: Release) -> None:
        self._session = session
        self._release = release
        self._end_of_response = False
        self._name = ""
        self._exchange: Exchange | None = None

    # ------------------------------------------------------------------ connect

    def accept(self) -> bool:
        """Answers the CONNECT packet; False if the connection was refused."""
        session, channel = self._session, self._session.channel
        kind, body = channel.packet()
        if kind != CONNECT:
            return False
        length, offset = struct.unpack(">HH", body[16:20])
        version, sdu = struct.unpack(">H4xH", body[:8])
        if len(body) >= 58:
            sdu = max(sdu, int.from_bytes(body[50:54], "big"))
        data = body[offset - 8 : offset - 8 + length]
        if len(data) < length:  # a long connect string has its own packet, after two flag bytes
            data = channel.packet()[1][2 : 2 + length]
        text = data.decode("utf-8", "replace")
        session.counters.connections += 1
        code = self._refusal(text)
        if code is not None:
            session.counters.refused += 1
            reason = f"(DESCRIPTION=(TMP=)(VSNNUM=0)(ERR={code})(ERROR_STACK=(ERROR=(CODE={code})(EMFI=4))))".encode()
            channel.send_packet(REFUSE, struct.pack(">BBH", 34, 0, len(reason)) + reason)
            return False
        sdu = min(max(sdu, 512), _MAX_SDU)
        version = min(version, self._release.tns_version)
        flags = _FLAG_FAST_AUTH | _FLAG_END_OF_RESPONSE if self._release.modern and version >= 319 else 0
        body = struct.pack(">HHHHHHHBB8xII", version, 1, sdu, sdu, 0x0100, 0, 45, 0x04, 0x04, sdu, sdu)
        channel.send_packet(ACCEPT, body + (struct.pack(">xI", flags) if version >= 318 else b""))
        channel.large = True
        channel.sdu = sdu
        self._end_of_response = bool(flags)
        return True

    def _refusal(self, text: str) -> int | None:
        """The listener's error code for a connect string, if any."""
        session = self._session
        rule = session.server.faults.pick("connect", "before", text)
        if rule is not None:
            if rule.action in ("drop", "rst"):
                raise DropConnection(rst=rule.action == "rst")
            if rule.action in ("refuse", "ora"):
                return rule.code or 12514
            session.wait(rule)
        found = re.search(r"SERVICE_NAME\s*=\s*([^)\s]*)", text, re.IGNORECASE)
        return None if found and found[1].lower() == session.database.service.lower() else 12514

    # ------------------------------------------------------------------ negotiation

    def negotiate(self, kind: int) -> None:
        """Answers PROTOCOL, DATA_TYPES or FAST_AUTH."""
        session = self._session
        if kind == PROTOCOL:
            self._read_protocol()
            self._write_protocol()
        elif kind == DATA_TYPES:
            zone = self._read_data_types()
            session.reply.u8(DATA_TYPES).raw(zone).u8(0, 0)
        else:
            reader = session.reader
            reader.raw(4)
            self._read_protocol()
            reader.raw(7)
            zone = self._read_data_types()
            self._write_protocol()
            session.reply.u8(DATA_TYPES).raw(zone).u8(0, 0)
            session.channel.end_of_response = self._end_of_response
            reader.raw(3)  # function, its code and sequence number: always the first half of the log-on
            self.authenticate(AUTH_ONE)

    def _read_protocol(self) -> None:
        reader = self._session.reader
        reader.u8()
        reader.until_zero()
        reader.until_zero()  # driver name

    def _write_protocol(self) -> None:
        reply = self._session.reply
        reply.u8(PROTOCOL, 6, 0).raw(b"x86_64/Linux 2.4.xx\0")
        reply.raw(struct.pack("<HBH", CHARSET_AL32UTF8, 1, 0))
        fdo = bytes(9) + struct.pack(">H", 2000)  # national character set AL16UTF16
        reply.raw(struct.pack(">H", len(fdo)) + fdo)
        reply.clr(self._release.compile_capabilities()).clr(self._release.runtime_capabilities())

    def _read_data_types(self) -> bytes:
        """The time zone of the database, as an interval, for a client that has sent its own; else nothing."""
        reader = self._session.reader
        reader.raw(5)
        compile_caps = reader.chunked() or b""
        runtime_caps = reader.chunked() or b""
        self._session.fields = min(self._release.field_version, compile_caps[7])
        zones = len(runtime_caps) > CAP_TIME_ZONE and bool(runtime_caps[CAP_TIME_ZONE] & 1)
        if zones:
            reader.raw(len(_UTC_INTERVAL))
        while reader.u16():
            if reader.u16():
                reader.raw(4)
        return _UTC_INTERVAL if zones else b""

    # ------------------------------------------------------------------ log-on

    def authenticate(self, function: int) -> None:
        """Both halves of the log-on, and a password change. Raises ORA-01017, 28000 or 28001."""
        session = self._session
        user, mode, pairs = self._read_pairs()
        if function == AUTH_TWO and mode & _CHANGE_PASSWORD and session.user:
            self._change_password(pairs)
        elif function == AUTH_ONE:
            self._name = user.strip('"') if user.startswith('"') else user.upper()
            session.fire("auth", "before", user)
            self._exchange = Exchange(session.database.accounts.verifier(self._name))
            session.program = pairs.get("AUTH_PROGRAM_NM", "")
            session.machine = pairs.get("AUTH_MACHINE", "")
            session.terminal, session.os_user = pairs.get("AUTH_TERMINAL", ""), pairs.get("AUTH_SID", "")
            session.reply.parameters(self._exchange.challenge())
            session.reply.status(False)
            session.channel.end_of_response = self._end_of_response
        else:
            self._log_on(pairs)

    def _read_pairs(self) -> tuple[str, int, dict[str, str]]:
        reader = self._session.reader
        reader.u8()
        reader.ub()
        mode = reader.ub()
        reader.u8()
        count = reader.ub()
        reader.raw(2)
        user = (reader.chunked() or b"").decode()
        pairs = {}
        for _ in range(count):
            key = reader.with_length().decode().rstrip("\0")
            pairs[key] = reader.with_length().decode()
            reader.ub()
        return user, mode, pairs

    def _log_on(self, pairs: dict[str, str]) -> None:
        session, exchange = self._session, self._exchange
        accounts = session.database.accounts
        try:
            right = exchange is not None and exchange.check(pairs)
            account = accounts.admit(self._name, right, self._release.bad_logon)
            assert exchange is not None
            if "AUTH_NEWPASSWORD" in pairs:
                self._set_password(self._name, exchange.password(pairs["AUTH_NEWPASSWORD"]))
            account.forbid_expired()
            client = self._client(pairs)
        except OraError:
            session.counters.bad_logons += 1
            session.closing = True
            raise
        session.fire("auth", "after", self._name)
        session.log_on(client)
        zone = re.search(r"TIME_ZONE\s*=\s*'?([^'\0]+)", pairs.get("AUTH_ALTER_SESSION", ""), re.IGNORECASE)
        if zone:
            session.alter([("TIME_ZONE", zone[1].strip())])
        if account.expires_in_days is not None:
            session.reply.warning(28002, OraError(28002, days=account.expires_in_days).message)
        name = session.database.service
        session.reply.parameters(
            [
                ("AUTH_VERSION_STRING", "- Production", 0),
                ("AUTH_VERSION_NO", str(self._release.version_number), 0),
                ("AUTH_SESSION_ID", str(session.sid), 0),
                ("AUTH_SERIAL_NUM", str(session.serial), 0),
                ("AUTH_SC_SERVER_HOST", "standin", 0),
                ("AUTH_SC_DBUNIQUE_NAME", name, 0),
                ("AUTH_SC_REAL_DBUNIQUE_NAME", name, 0),
                ("AUTH_SC_INSTANCE_NAME", "standin", 0),
                ("AUTH_SC_SERVICE_NAME", name, 0),
                ("AUTH_SC_DB_DOMAIN", "", 0),
                ("AUTH_INSTANCENAME", "standin", 0),
                ("AUTH_MAX_OPEN_CURSORS", "300", 0),
                ("AUTH_MAX_IDEN_LENGTH", "128", 0),
                ("AUTH_SVR_RESPONSE", exchange.response(), 0),
            ]
        )
        session.reply.status(False)

    def _client(self, pairs: dict[str, str]) -> str:
        """The user that the session works as: the one who logged on, or whom it is a proxy for. Raises ORA-28150."""
        name = pairs.get("PROXY_CLIENT_NAME")
        if name is None:
            return self._name
        client = self._session.database.accounts.get(name.strip('"') if name.startswith('"') else name.upper())
        if client is None or self._name not in client.proxies:
            raise OraError(28150, "proxy not authorized to connect as client")
        return client.name

    def _change_password(self, pairs: dict[str, str]) -> None:
        session, exchange = self._session, self._exchange
        assert exchange is not None
        accounts = session.database.accounts
        if exchange.password(pairs["AUTH_PASSWORD"]) != accounts[session.user].verifier.password:
            raise OraError(28008, "invalid old password")
        self._set_password(session.user, exchange.password(pairs["AUTH_NEWPASSWORD"]))
        session.reply.u8(PARAMETER).ub(0)
        session.reply.status(session.in_transaction)

    def _set_password(self, name: str, password: str) -> None:
        """Raises what a password beyond the release's limit raises."""
        longest = self._release.password_bytes
        if len(password.encode()) > longest:
            if not password[0].isalpha():
                raise OraError(988, "missing or invalid password(s)")
            raise OraError(28218) if self._release.modern else OraError(972)
        self._session.database.accounts.change_password(name, password)
