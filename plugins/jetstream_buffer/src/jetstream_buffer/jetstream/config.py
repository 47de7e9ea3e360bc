"""ServerConfig and StreamSettings: the keys that both ends of a stream have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from agent_core.api import Config, ConfigError, ConfigProblem, Secret, settings


@dataclass(frozen=True, slots=True)
class TlsConfig:
    """``handshake_first``: TLS begins before the server has said a word, so nobody in between can talk it away."""

    ca: Path | None
    certificate: Path | None
    key: Path | None
    handshake_first: bool


@dataclass(frozen=True, slots=True)
class TimeoutsConfig:
    """``login``: to be connected to any of the servers. ``answer``: for one answer of the server."""

    login_seconds: float
    answer_seconds: float


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Where the servers of one cluster are, and who logs in. ``monitor`` is the URL of a server's monitoring port."""

    servers: tuple[str, ...]
    user: str | None
    password: Secret | None
    nkey: Secret | None
    credentials: Path | None
    tls: TlsConfig | None
    monitor: str | None
    timeouts: TimeoutsConfig

    @classmethod
    def of(cls, config: Config) -> ServerConfig:
        """From the ``config:`` mapping of either end. Raises ConfigError for what its schema cannot say."""
        server = settings(cls, config)
        if problems := list(server.problems()):
            raise ConfigError(problems)
        return server

    @property
    def signs(self) -> bool:
        """True when the log-in is a signature: no secret travels."""
        return self.nkey is not None or self.credentials is not None

    @property
    def in_clear(self) -> bool:
        """True when a password, or the records, can be read by whoever is between here and a server."""
        return self.tls is None and not all(_is_here(server) for server in self.servers)

    def problems(self) -> Iterator[ConfigProblem]:
        """What the schema cannot say. Pure."""
        for index, server in enumerate(self.servers):
            parts = urlsplit(server)
            if parts.username is not None or parts.password is not None:
                yield ConfigProblem("a password in an address is shown in logs", ("servers", index), "use password:")
            if parts.scheme == "tls" and self.tls is None:
                yield ConfigProblem("a server decides whether tls:// is TLS", ("servers", index), "use tls: {}")
        ways = [key for key in ("password", "nkey", "credentials") if getattr(self, key) is not None]
        if len(ways) > 1:
            yield ConfigProblem(f"{' and '.join(ways)} are two ways to log in", (ways[1],), "keep one")
        if (self.user is None) != (self.password is None):
            yield ConfigProblem("user and password belong together", ("user" if self.user else "password",))
        if self.tls is not None and not self.tls.handshake_first and not self.signs:
            yield ConfigProblem(
                "without handshake_first, whoever is in between decides whether the password is encrypted",
                ("tls", "handshake_first"),
                "set handshake_first: true here and in the server's tls block, or log in with nkey: or credentials:",
            )
        if self.tls is not None and (self.tls.certificate is None) != (self.tls.key is None):
            yield ConfigProblem("certificate and key belong together", ("tls",))


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """The stream both ends use. It is created only with ``max_bytes``."""

    name: str
    prefix: str
    max_bytes: int | None
    replicas: int
    duplicate_window_seconds: float


def _is_here(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
