"""The HTTP control port: faults, sessions, accounts, counters and rows, separate from the wire.

Bodies and answers are JSON. An error is answered 400 with ``{"error": text}``.
"""

from __future__ import annotations

import datetime as dt
import json
import threading
from collections.abc import Callable
from dataclasses import asdict
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from oracle_standin.errors import OraError
from oracle_standin.server import HOST, Server

Body = dict[str, Any]


def _plain(value: object) -> object:
    if isinstance(value, dt.datetime):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value.hex() if isinstance(value, bytes) else str(value)


class Control:
    """The actions of the control port, by method and path."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._actions: dict[str, Callable[[Body], object]] = {
            "GET /counters": lambda body: server.counters(),
            "GET /faults": lambda body: [asdict(rule) for rule in server.faults.rules],
            "GET /sessions": lambda body: server.describe_sessions(),
            "GET /tables": lambda body: server.tables(),
            "GET /failures": lambda body: server.failures,
            "DELETE /faults": lambda body: server.faults.clear(**body),
            "POST /faults": lambda body: asdict(server.faults.add(body)),
            "POST /reset": lambda body: server.reset(),
            "POST /counters/reset": lambda body: server.reset_counters(),
            "POST /listener/stop": lambda body: server.stop_listening(),
            "POST /listener/start": lambda body: server.start(),
            "POST /listener/black_hole": lambda body: server.set_black_hole(bool(body["on"])),
            "POST /kill": lambda body: {"killed": server.kill_sessions(**body)},
            "POST /drop": lambda body: {"dropped": server.drop_sessions(**body)},
            "POST /latency": self._latency,
            "POST /sql": lambda body: {"result": server.sql(**body)},
            "POST /users": self._user,
            "POST /policies": lambda body: server.protect(**body),
        }

    def act(self, method: str, path: str, body: Body) -> object:
        """Raises KeyError, TypeError, ValueError or OraError for a request that makes no sense."""
        action = self._actions.get(f"{method} {path}")
        if action is None:
            raise KeyError(f"no {method} {path}; there are: {', '.join(self._actions)}")
        return action(body)

    def _latency(self, body: Body) -> None:
        self._server.faults.latency_seconds = float(body["seconds"])

    def _user(self, body: Body) -> None:
        """``{"name", "password"?, "locked"?, "expired"?, "expires_in_days"?, "proxies"?}``: creates or changes one."""
        accounts = self._server.database.accounts
        name = str(body.pop("name"))
        password = body.pop("password", None)
        if password is not None and accounts.get(name.upper()) is None:
            accounts.add(name, password)
        elif password is not None:
            accounts.change_password(name, password)
        account = accounts[name]
        for field in body:
            if field not in ("locked", "expired", "expires_in_days", "proxies"):
                raise ValueError(f"unknown field {field}")
            setattr(account, field, body[field])
        if body.get("locked") is False:
            account.failed_logons = 0


class _Handler(BaseHTTPRequestHandler):
    control: Control

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Logs nothing."""

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        status, answer = 200, None
        try:
            body = json.loads(self.rfile.read(length) or b"{}")
            answer = self.control.act(self.command, self.path, body)
        except OraError as error:
            status, answer = 400, {"error": error.message}
        except (KeyError, TypeError, ValueError, OSError) as error:
            status, answer = 400, {"error": str(error.args[0]) if error.args else type(error).__name__}
        raw = json.dumps({"ok": True} if answer is None else answer, default=_plain).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_DELETE = _handle  # noqa: N815


def start_control(server: Server, port: int) -> ThreadingHTTPServer:
    """Serves the control port on loopback in its own thread."""
    handler = type("Handler", (_Handler,), {"control": Control(server)})
    http = ThreadingHTTPServer((HOST, port), handler)
    http.daemon_threads = True
    threading.Thread(target=http.serve_forever, args=(0.05,), name="control", daemon=True).start()
    return http
