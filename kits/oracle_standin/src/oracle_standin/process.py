"""The stand-in as a test uses it: in its own process, started and stopped by a ``with`` statement."""

from __future__ import annotations

import http.client
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any

_START_SECONDS = 120.0
_STOP_SECONDS = 60.0
_CONTROL_SECONDS = 60.0


class StandinError(Exception):
    """The stand-in could not be started, or it refused a request; the text says why."""


class Standin:
    """A running stand-in. Not Oracle: see the README of this folder.

    ``with Standin() as db: oracledb.connect(user=db.user, password=db.password, dsn=db.dsn)``

    Every method raises :class:`StandinError` if the process has ended or refuses.
    """

    def __init__(
        self,
        *,
        user: str = "scott",
        password: str = "tiger",
        service: str = "FREEPDB1",
        profile: str = "23",
        ddl: Iterable[str] = (),
        count_only: bool = False,
        users: Iterable[tuple[str, str]] = (),
        port: int = 0,
        character_set: str = "AL32UTF8",
    ) -> None:
        """``ddl`` are statements to run after the start; ``users`` are more names and passwords."""
        self.user = user
        self.password = password
        self.service = service
        self.port = port
        self.control_port = 0
        self._ddl = list(ddl)
        self._arguments = ["--port", str(port), "--service", service, "--profile", profile]
        for name, secret in ((user, password), *users):
            self._arguments += ["--user", f"{name}/{secret}"]
        if character_set != "AL32UTF8":
            self._arguments += ["--character-set", character_set]
        if count_only:
            self._arguments.append("--count-only")
        self._process: subprocess.Popen[str] | None = None

    @property
    def dsn(self) -> str:
        """EZConnect string."""
        return f"127.0.0.1:{self.port}/{self.service}"

    @property
    def address(self) -> tuple[str, int, str]:
        """Host, port and service of the dsn."""
        where, _, service = self.dsn.rpartition("/")
        host, _, port = where.partition(":")
        return host, int(port or 1521), service

    # ------------------------------------------------------------------ life

    def start(self) -> Standin:
        """Starts the process and waits, at most 2 min, until it listens. When that or ``ddl`` fails, it is stopped."""
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "oracle_standin", *self._arguments],
            stdout=subprocess.PIPE,
            text=True,
        )
        line = _first_line(process, _START_SECONDS)
        found = re.match(r"listening port=(\d+) control=(\d+)", line)
        if found is None:
            self.stop()
            raise StandinError(f"the stand-in did not start: {line.strip() or 'no output'} (see its stderr above)")
        self.port, self.control_port = int(found[1]), int(found[2])
        try:
            for statement in self._ddl:
                self.sql(statement)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stops the process; kills it after a minute. Safe without start, and twice."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_SECONDS)
        if process.stdout is not None:
            process.stdout.close()

    def suspend(self) -> None:
        """Freezes the process, like a network that loses every packet: the kernel accepts connections, but nothing is
        answered, not even the other methods of this object. Not on Windows."""
        self._signal("SIGSTOP")

    def resume(self) -> None:
        """Ends :meth:`suspend`."""
        self._signal("SIGCONT")

    def _signal(self, name: str) -> None:
        if self._process is None:
            raise StandinError(f"the stand-in is not running ({name})")
        self._process.send_signal(getattr(signal, name))

    def __enter__(self) -> Standin:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # ------------------------------------------------------------------ faults

    def fault(self, point: str, action: str, **fields: Any) -> int:
        """Adds a fault rule and returns its id: ``when="after"``, ``nth=2``, ``times=0`` (forever), ``match``,
        ``code``, ``codes``, ``message``, ``row``, ``value``, ``seconds``.

        Points: connect auth execute query fetch commit rollback ping. Actions: drop rst hang freeze latency ora
        midpacket refuse.
        """
        added: int = self._ask("POST", "/faults", {"point": point, "action": action, **fields})["id"]
        return added

    def clear_fault(self, id: int) -> None:  # noqa: A002 - as in JSON
        """Removes one rule."""
        self._ask("DELETE", "/faults", {"id": id})

    def clear_faults(self) -> None:
        """Removes all rules and the latency."""
        self._ask("DELETE", "/faults")

    def faults(self) -> list[dict[str, Any]]:
        """The rules, and how often each was ``seen`` and has ``fired``."""
        rules: list[dict[str, Any]] = self._ask("GET", "/faults")
        return rules

    def latency(self, seconds: float) -> None:
        """Delays every reply."""
        self._ask("POST", "/latency", {"seconds": seconds})

    def fill_tablespace(self, full: bool = True) -> None:
        """Every INSERT and MERGE fails with ORA-01653; False removes all fault rules."""
        if full:
            self.fault("execute", "ora", code=1653, times=0, match=r"^\s*(insert|merge)")
        else:
            self.clear_faults()

    def listener_stop(self) -> None:
        """New connections are refused by the operating system."""
        self._ask("POST", "/listener/stop")

    def listener_start(self) -> None:
        """Listens again, on the same port."""
        self._ask("POST", "/listener/start")

    def black_hole(self, on: bool) -> None:
        """New connections are accepted and never answered."""
        self._ask("POST", "/listener/black_hole", {"on": on})

    def kill_sessions(self, code: int = 28) -> int:
        """Rolls back all sessions; the next call of each fails with ``code`` and is its last."""
        killed: int = self._ask("POST", "/kill", {"code": code})["killed"]
        return killed

    def drop_sessions(self, rst: bool = False) -> int:
        """Closes all connections at once."""
        dropped: int = self._ask("POST", "/drop", {"rst": rst})["dropped"]
        return dropped

    def reset(self) -> None:
        """Between two tests: no faults, policies or sessions, the initial accounts, counters at 0. Tables stay."""
        self._ask("POST", "/reset")

    # ------------------------------------------------------------------ accounts

    def _account(self, user: str | None, **fields: Any) -> None:
        self._ask("POST", "/users", {"name": user or self.user, **fields})

    def expire_password(self, user: str | None = None) -> None:
        """Log-ons fail with ORA-28001 until :meth:`change_password`."""
        self._account(user, expired=True)

    def expire_soon(self, days: int | None, user: str | None = None) -> None:
        """Log-ons work and warn with ORA-28002; None ends that."""
        self._account(user, expires_in_days=days)

    def lock_account(self, locked: bool = True, user: str | None = None) -> None:
        """Log-ons fail with ORA-28000, as after 10 wrong passwords in a row."""
        self._account(user, locked=locked)

    def grant_connect_through(self, *proxies: str, user: str | None = None) -> None:
        """Which users may log on as ``user``, as ``proxy[user]`` with their own passwords; others get ORA-28150."""
        self._account(user, proxies=[proxy.upper() for proxy in proxies])

    def change_password(self, password: str, user: str | None = None) -> None:
        """Changes it on the server only; :attr:`password` is still the old one."""
        self._account(user, password=password)

    # ------------------------------------------------------------------ row-level security

    def policy(
        self,
        table: str,
        predicate: str | None,
        *,
        statements: Iterable[str] = ("SELECT", "INSERT", "UPDATE", "DELETE"),
        check: bool = False,
        name: str = "POLICY",
    ) -> None:
        """Hides the rows of a table that do not meet ``predicate`` from ``statements``; keys still collide with them.

        With ``check``, a new row that does not meet it is refused with ORA-28115. A policy of the same name is
        replaced; without a predicate all of the table's are removed. :meth:`sql` sees all rows.
        """
        fields = {"statements": list(statements), "check": check, "name": name}
        self._ask("POST", "/policies", {"table": table, "predicate": predicate, **fields})

    # ------------------------------------------------------------------ inspection

    def sql(self, text: str, user: str | None = None) -> Any:
        """Runs one statement (not over the wire) and commits it. Returns the rows of a query as lists (timestamps as
        ISO text, numbers as int or float), or the number of rows changed. It sees committed rows only."""
        return self._ask("POST", "/sql", {"sql": text, "user": user})["result"]

    def drop(self, what: str) -> None:
        """``DROP what``, for example ``TABLE t``, unless there is none."""
        try:
            self.sql(f"DROP {what}{' PURGE' if what.upper().startswith('TABLE ') else ''}")
        except Exception as error:
            if not re.search("ORA-00942|ORA-02289", str(error)):
                raise

    def counters(self) -> dict[str, int]:
        """connections refused logons bad_logons closed dropped requests parses executes queries rows rows_failed
        rows_fetched commits rollbacks pings errors breaks bytes_in bytes_out sessions."""
        counts: dict[str, int] = self._ask("GET", "/counters")
        return counts

    def reset_counters(self) -> None:
        self._ask("POST", "/counters/reset")

    def sessions(self) -> list[dict[str, Any]]:
        """sid, serial, user, program and in_transaction of each session that has logged on and not off."""
        found: list[dict[str, Any]] = self._ask("GET", "/sessions")
        return found

    def tables(self) -> dict[str, int]:
        """Committed rows of each ``SCHEMA.TABLE``."""
        counts: dict[str, int] = self._ask("GET", "/tables")
        return counts

    def failures(self) -> list[str]:
        """Tracebacks of defects in the stand-in itself; a test can assert that there are none."""
        found: list[str] = self._ask("GET", "/failures")
        return found

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        if self._process is None or self._process.poll() is not None:
            raise StandinError(f"the stand-in is not running ({method} {path})")
        connection = http.client.HTTPConnection("127.0.0.1", self.control_port, timeout=_CONTROL_SECONDS)
        try:
            connection.request(method, path, None if body is None else json.dumps(body))
            response = connection.getresponse()
            answer = json.loads(response.read())
        except OSError as error:
            raise StandinError(f"{method} {path}: {error}") from error
        finally:
            connection.close()
        if response.status != 200:
            raise StandinError(f"{method} {path}: {answer['error']}")
        return answer


def _first_line(process: subprocess.Popen[str], seconds: float) -> str:
    """The first line of a process's output; empty if it has ended or time is up."""
    lines: list[str] = []
    output = process.stdout
    assert output is not None
    reader = threading.Thread(target=lambda: lines.append(output.readline()), daemon=True)
    reader.start()
    reader.join(seconds)
    return lines[0] if lines else ""
