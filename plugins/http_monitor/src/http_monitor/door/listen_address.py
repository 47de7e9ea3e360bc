"""ListenAddress: where the monitor listens."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final

from agent_core.api import AgentError

_FORM: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[^\s\[\]:/]+)):(?P<port>[0-9]{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """``host`` has no brackets; ``port`` 0 means any free one."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> ListenAddress:
        """From ``host:port`` or ``[ipv6]:port``. Raises ValueError that teaches the form."""
        match = _FORM.fullmatch(text)
        if match is None or int(match["port"]) > 65535:
            raise ValueError(f"expected host:port, such as 127.0.0.1:8080 or [::1]:8080, got {text!r}")
        return cls(match["v6"] or match["host"], int(match["port"]))

    def bind(self) -> socket.socket:
        """Take the port. Raises AgentError, whose cause is the OSError."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            # create_server sets SO_REUSEADDR on POSIX alone: on Windows it would let two programs share the port.
            return socket.create_server((self.host, self.port), family=family, backlog=512)
        except OSError as error:
            reason = (error.strerror or str(error)).partition(" (while ")[0]
            raise AgentError(
                f"http_monitor cannot listen on {self}: {reason.lower()}; stop what uses the port, or change listen:"
            ) from error

    @property
    def loopback(self) -> bool:
        """True when only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def reached_at(self) -> str:
        """The host by which this machine reaches it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound

    @property
    def url(self) -> str:
        """What to type into a browser on this machine."""
        host = self.reached_at
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}/"

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """True for ``localhost`` and the addresses of the loopback interface."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
