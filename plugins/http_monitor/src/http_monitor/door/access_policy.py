"""AccessPolicy: who may ask for what. Pure; the guard in front of the paths asks it about each request."""

from __future__ import annotations

import hmac
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from agent_core.api import AgentError, Secret
from http_monitor.config import Protect
from http_monitor.door.listen_address import ListenAddress, is_loopback

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS: Final = frozenset({"/", "/healthz", "/readyz", "/openapi.json", "/api/access", "/favicon.ico"})
"""What ``protect: everything`` leaves open: the page itself holds no data, and probes carry no token."""
OPEN_PREFIX: Final = "/assets/"
TOKEN_PROTOCOL: Final = "bearer."  # noqa: S105 - a prefix, not a token
"""A browser cannot set headers on a WebSocket, but it can offer a subprotocol: ``bearer.`` and the token in hex."""
LIVE_PROTOCOL: Final = "agent-live"
"""The subprotocol that the server picks, so that the token is never sent back."""


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What access depends on. Header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    subprotocols: tuple[str, ...] = ()
    websocket: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status and why."""

    status: int
    message: str


class AccessPolicy:
    """The rules. ``token`` is read at each use, so that it can be changed while the agent runs."""

    def __init__(
        self, address: ListenAddress, token: Secret | None, protect: Protect, allowed_hosts: Iterable[str]
    ) -> None:
        self._loopback = address.loopback
        self._token = token
        self._everything = token is not None and protect is Protect.EVERYTHING
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)

    @property
    def token_required(self) -> bool:
        """True when state-changing calls need a token."""
        return self._token is not None

    @property
    def reads_protected(self) -> bool:
        """True when reading needs it too."""
        return self._everything

    def refusal(self, request: AccessRequest) -> Refusal | None:
        """Why ``request`` is refused, or None when it is allowed."""
        host = request.headers.get("host", "")
        if not self._knows(host):
            return Refusal(403, f"the host name {shown(host)} is not known here; add it to allowed_hosts")
        changes = request.method not in READING
        if changes or request.websocket:
            problem = self._foreign(request.headers, host)
            if problem is not None:
                return problem
        open_path = request.path in OPEN_PATHS or request.path.startswith(OPEN_PREFIX)
        needs_token = self._token is not None and (changes or (self._everything and not open_path))
        offered = self.offered_token(request)
        if offered is None:
            return Refusal(401, "this needs the token: Authorization: Bearer ...") if needs_token else None
        if (needs_token or request.websocket) and self._token is not None and not self.accepts(offered):
            return Refusal(401, "the token is wrong")
        return None

    def offered_token(self, request: AccessRequest) -> str | None:
        """The token that comes with a request, right or wrong."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
        for protocol in request.subprotocols:
            if protocol.startswith(TOKEN_PROTOCOL):
                return from_protocol(protocol)
        return None

    def accepts(self, offered: str) -> bool:
        """Compare in constant time. False when the token cannot be read now, or is empty."""
        if self._token is None:
            return False
        try:
            expected = self._token.reveal().strip()
        except AgentError:
            return False
        matches = hmac.compare_digest(offered.encode(errors="surrogatepass"), expected.encode(errors="surrogatepass"))
        return matches and bool(expected)

    def _knows(self, host: str) -> bool:
        """On a loopback address only names that mean this machine: a page may point a name of its own at 127.0.0.1."""
        if not self._loopback and not self._allowed_hosts:
            return True
        name = _host_name(host)
        if name is None:
            return False
        return is_loopback(name) or name in self._allowed_hosts or (not self._loopback and _is_ip(name))

    def _foreign(self, headers: Mapping[str, str], host: str) -> Refusal | None:
        """Refuse what a page of another site sends."""
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return Refusal(403, "this call comes from a page of another site")
        origin = headers.get("origin")
        if origin is None:
            return None
        if _site(origin) != host.lower():
            return Refusal(403, f"this call comes from a page of {shown(origin)}")
        return None


def from_protocol(protocol: str) -> str:
    """The token in a WebSocket subprotocol; subprotocols allow fewer characters than tokens, so it is in hex."""
    try:
        return bytes.fromhex(protocol.removeprefix(TOKEN_PROTOCOL)).decode()
    except ValueError:
        return ""


def to_protocol(token: str) -> str:
    """The subprotocol that carries ``token``."""
    return TOKEN_PROTOCOL + token.encode().hex()


def _site(origin: str) -> str | None:
    """Host and port of an Origin header; None for ``null`` and for what is none."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None


def _host_name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname if host else None
    except ValueError:
        return None


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def shown(text: str) -> str:
    """What a stranger sent, quoted, so that it cannot garble a log or an answer."""
    return ascii(text[:80])
