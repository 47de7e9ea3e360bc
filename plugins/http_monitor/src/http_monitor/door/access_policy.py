"""AccessPolicy: who may ask for what; the guard in front of the paths asks it about each request."""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from agent_core.api import Clock
from http_monitor.config import NO_TOKEN, HttpMonitorConfig, NamedToken, Protect, Role
from http_monitor.door.listen_address import ListenAddress, is_loopback
from http_monitor.door.proxies import Seen
from http_monitor.door.refusal import Refusal
from http_monitor.door.tokens import Tokens, WrongTokens

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_PATHS: Final = frozenset({"", "/", "/healthz", "/readyz", "/openapi.json", "/api/access", "/favicon.ico"})
"""What stays open where reading needs a token: the page itself holds no data, and probes carry no token."""
OPEN_PREFIX: Final = "/assets/"
TOKEN_PROTOCOL: Final = "bearer."  # noqa: S105 - a prefix, not a token
"""A browser cannot set headers on a WebSocket, but it can offer a subprotocol: ``bearer.`` and the token in hex."""
LIVE_PROTOCOL: Final = "agent-live"
"""The subprotocol that the server picks, so that the token is never sent back."""


@dataclass(frozen=True, slots=True)
class AccessRequest:
    """What access depends on. Header names are in lower case; ``path`` is the monitor's own, without a sub-path."""

    method: str
    path: str
    headers: Mapping[str, str]
    seen: Seen
    subprotocols: tuple[str, ...] = ()
    websocket: bool = False


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who may come in: the name of the token, ``loopback`` where none was needed, and the client's address."""

    name: str
    client: str


class AccessPolicy:
    """The rules.

    *Elsewhere* is everything but a program on this machine: any address but loopback, and also loopback once a proxy
    is expected there (``allowed_hosts``, ``trusted_proxies`` or ``root_path``) or a request says that one passed it
    on. From elsewhere, changing needs a token that may operate, and reading needs any token unless it is public.
    """

    def __init__(self, config: HttpMonitorConfig, address: ListenAddress, tokens: Tokens, clock: Clock) -> None:
        self._loopback = address.loopback
        self._elsewhere = reachable_from_elsewhere(config, address)
        self._tokens = tokens
        self._wrong = WrongTokens(clock)
        self._everything = config.protect is Protect.EVERYTHING
        self._public = config.public_reading
        self._allowed_hosts = frozenset(host.lower() for host in config.allowed_hosts)

    @property
    def token_required(self) -> bool:
        """True when state-changing calls need a token."""
        return self._elsewhere or bool(self._tokens)

    @property
    def reads_protected(self) -> bool:
        """True when reading needs one too."""
        return self._role_for_reading(self._elsewhere) is not None

    def judge(self, request: AccessRequest) -> Visitor | Refusal:
        """Who asks, or why the request is refused."""
        host, client = request.seen.host, request.seen.client
        if not self._knows(host):
            return Refusal(403, f"the host name {shown(host)} is not known here; add it to allowed_hosts")
        changes = request.method not in READING
        if changes or request.websocket:
            problem = self._foreign(request)
            if problem is not None:
                return problem
        role = self._role(request, changes=changes)
        offered = self.offered_token(request)
        if role is None and not (request.websocket and offered is not None and self._tokens):
            return Visitor(NO_TOKEN, client)
        if not self._tokens:
            return Refusal(403, "this needs a token, and none is configured; add tokens: to http_monitor")
        if offered is None:
            return Refusal(401, "this needs a token: Authorization: Bearer ...")
        return self._owner(offered, client, role or Role.READ)

    def offered_token(self, request: AccessRequest) -> str | None:
        """The token that comes with a request, right or wrong."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and token.strip():
            return token.strip()
        for protocol in request.subprotocols:
            if protocol.startswith(TOKEN_PROTOCOL):
                return from_protocol(protocol)
        return None

    def _owner(self, offered: str, client: str, role: Role) -> Visitor | Refusal:
        seconds = self._wrong.seconds_to_wait(client)
        if seconds > 0:
            return Refusal(429, "too many wrong tokens from this address; try again later", math.ceil(seconds))
        owner = self._tokens.owner(offered)
        if owner is None:
            self._wrong.note(client)
            return Refusal(401, "the token is wrong")
        if not _may(owner, role):
            return Refusal(403, f"the token {owner.name} may read, but not change anything")
        return Visitor(owner.name, client)

    def _role(self, request: AccessRequest, *, changes: bool) -> Role | None:
        """What the request needs; None when it needs no token."""
        elsewhere = self._elsewhere or request.seen.proxied
        if changes:
            return Role.OPERATE if elsewhere or self._tokens else None
        if not request.websocket and (request.path in OPEN_PATHS or request.path.startswith(OPEN_PREFIX)):
            return None
        return self._role_for_reading(elsewhere)

    def _role_for_reading(self, elsewhere: bool) -> Role | None:
        return Role.READ if self._everything or (elsewhere and not self._public) else None

    def _knows(self, host: str) -> bool:
        """A page may point a name of its own at this machine, and read through its visitor's browser. So, where no
        token keeps it from that, a name has to mean this machine, be an address (elsewhere), or be listed.
        """
        if not self._loopback and not self._allowed_hosts and not self._public:
            return True
        name = _host_name(host)
        if name is None:
            return False
        return is_loopback(name) or name in self._allowed_hosts or (not self._loopback and _is_ip(name))

    def _foreign(self, request: AccessRequest) -> Refusal | None:
        """Refuse what a page of another site sends."""
        if request.headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return Refusal(403, "this call comes from a page of another site")
        origin = request.headers.get("origin")
        if origin is None or _same_site(origin, request.seen):
            return None
        return Refusal(403, f"this call comes from a page of {shown(origin)}")


def reachable_from_elsewhere(config: HttpMonitorConfig, address: ListenAddress) -> bool:
    """Whether anybody but programs of this machine is expected."""
    names = [host for host in config.allowed_hosts if not is_loopback(host)]
    return not address.loopback or bool(names or config.trusted_proxies or config.root_path)


def from_protocol(protocol: str) -> str:
    """The token in a WebSocket subprotocol; subprotocols allow fewer characters than tokens, so it is in hex."""
    try:
        return bytes.fromhex(protocol.removeprefix(TOKEN_PROTOCOL)).decode()
    except ValueError:
        return ""


def to_protocol(token: str) -> str:
    """The subprotocol that carries ``token``."""
    return TOKEN_PROTOCOL + token.encode().hex()


def shown(text: str) -> str:
    """What a stranger sent, quoted, so that it cannot garble a log or an answer."""
    return ascii(text[:80])


def _may(owner: NamedToken, role: Role) -> bool:
    return owner.role is Role.OPERATE or role is Role.READ


def _same_site(origin: str, seen: Seen) -> bool:
    """Whether the page that sent the request came from the address that the request went to."""
    try:
        page = urlsplit(origin)
    except ValueError:
        return False
    if page.scheme not in ("http", "https") or not page.netloc or seen.scheme not in (None, page.scheme):
        return False
    usual = ":443" if page.scheme == "https" else ":80"  # which a browser leaves out
    return page.netloc.lower() == seen.host.lower().removesuffix(usual)


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
