"""Proxies: what a request looked like to the browser that sent it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

_TRACES: Final = frozenset({"forwarded", "via", "x-real-ip"})
_PREFIX: Final = re.compile(r"(?:/[A-Za-z0-9._~-]+)*/?", re.ASCII)
LONGEST_PREFIX: Final = 200

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Seen:
    """A request as its client made it.

    ``scheme`` is None when nobody knows: a proxy that is not trusted may have spoken TLS. ``prefix`` is the sub-path
    under which the browser finds the monitor, without a slash at its end. ``proxied`` is True when a proxy passed the
    request on, or says so.
    """

    client: str
    host: str
    scheme: str | None = None
    prefix: str = ""
    proxied: bool = False


class Proxies:
    """``trusted`` are addresses and networks; only what they say in ``X-Forwarded-*`` is believed."""

    def __init__(self, trusted: Iterable[str] = (), root_path: str = "") -> None:
        self._trusted = tuple(network(text) for text in trusted)
        self._root_path = root_path.rstrip("/")

    def trusts(self, address: str) -> bool:
        """True for the address of a trusted proxy."""
        try:
            known = ipaddress.ip_address(address)
        except ValueError:
            return False
        mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
        return any((mapped or known) in trusted for trusted in self._trusted)

    def seen(self, peer: str, scheme: str, headers: Mapping[str, str]) -> Seen:
        """``peer`` is who is connected; header names are in lower case, values of repeated ones joined by commas."""
        host = headers.get("host", "")
        secure = scheme if scheme in ("https", "wss") else None
        if not self.trusts(peer):
            traces = any(name in _TRACES or name.startswith("x-forwarded-") for name in headers)
            return Seen(peer, host, "https" if secure else None, self._root_path, traces)
        told = _last(headers.get("x-forwarded-proto", "")).lower()
        prefix = _last(headers.get("x-forwarded-prefix", ""))
        usable = len(prefix) <= LONGEST_PREFIX and is_prefix(prefix)
        return Seen(
            client=self._client(peer, headers.get("x-forwarded-for", "")),
            host=_last(headers.get("x-forwarded-host", "")) or host,
            scheme=told if told in ("http", "https") else None,
            prefix=(prefix.rstrip("/") if usable else "") or self._root_path,
            proxied=True,
        )

    def _client(self, peer: str, forwarded_for: str) -> str:
        """The nearest that no trusted proxy has: what lies farther may be anybody's invention."""
        client = peer
        for text in reversed([part.strip() for part in forwarded_for.split(",")]):
            if not self.trusts(client):
                break
            try:
                client = str(ipaddress.ip_address(text))
            except ValueError:
                break
        return client


def network(text: str) -> Network:
    """An address or a network. Raises ValueError that teaches the form."""
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ValueError(f"expected an address or a network, such as 10.0.0.5 or 10.0.0.0/24, got {text!r}") from None


def is_prefix(text: str) -> bool:
    """Whether a browser may find the monitor under this path."""
    return _PREFIX.fullmatch(text) is not None and not any(part in (".", "..") for part in text.split("/"))


def _last(values: str) -> str:
    """What the nearest proxy wrote; the values before it came with the request."""
    return values.rpartition(",")[2].strip()
