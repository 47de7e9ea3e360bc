"""Diagnosis: what ``tagferry doctor`` says about the monitor: whether its port can be had, else who has it."""

from __future__ import annotations

import errno
import http.client
import json
import ssl
from collections.abc import Iterator
from typing import Final

from agent_core.api import AgentError, Finding, Severity
from http_monitor.door.listen_address import ListenAddress

ASK_SECONDS: Final = 3.0
_MOST_BYTES: Final = 4 * 1024 * 1024
_CHANGE: Final = "stop what uses the port, or change listen:"


def diagnose(address: ListenAddress, agent_name: str, *, tls: bool) -> Iterator[Finding]:
    """Take the port and give it back at once. Who has it is asked without a token: it may be anybody."""
    subject = f"port {address}"
    try:
        address.bind().close()
    except AgentError as error:
        cause = error.__cause__
        if not (isinstance(cause, OSError) and cause.errno == errno.EADDRINUSE):
            reason = str(error).partition(": ")[2].partition("; ")[0]
            step = "choose a port above 1023" if isinstance(cause, PermissionError) else "change listen:"
            yield Finding(Severity.CRITICAL, subject, reason, step)
            return
        yield _taken(subject, address, agent_name, tls=tls)
    else:
        yield Finding(Severity.OK, subject, "free")


def _taken(subject: str, address: ListenAddress, agent_name: str, *, tls: bool) -> Finding:
    try:
        probe = _answer(address, "/healthz", tls=tls)
        name = (_answer(address, "/api/live", tls=tls) or {}).get("name")
    except (OSError, http.client.HTTPException, ValueError):
        probe, name = None, None
    if probe is None or not {"status", "phase"} <= probe.keys():
        return Finding(Severity.CRITICAL, subject, "another program uses it", _CHANGE)
    if name == agent_name:
        return Finding(Severity.OK, subject, "this agent runs now and answers there")
    if name is not None:
        shown = str(name)[:60]
        return Finding(Severity.CRITICAL, subject, f"another agent uses it: {shown!r}", _CHANGE)
    return Finding(
        Severity.WARNING,
        subject,
        "the monitor of an agent answers there, and tells its name only to who has a token",
        f"fine if it is this agent, which runs now; else {_CHANGE}",
    )


def _answer(address: ListenAddress, path: str, *, tls: bool) -> dict[str, object] | None:
    """The JSON object there; None when it answers with something else. Raises OSError, HTTPException, ValueError."""
    host = address.reached_at
    if tls:
        context = ssl.create_default_context()  # nothing secret is sent, so it does not matter whose certificate it is
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            host, address.port, timeout=ASK_SECONDS, context=context
        )
    else:
        connection = http.client.HTTPConnection(host, address.port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", path)
        found = json.loads(connection.getresponse().read(_MOST_BYTES))
    finally:
        connection.close()
    return found if isinstance(found, dict) else None
