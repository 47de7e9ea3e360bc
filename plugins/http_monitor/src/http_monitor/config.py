"""HttpMonitorConfig: the extension's ``config:`` mapping, typed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from agent_core.api import Secret

PLAIN_TOKEN: Final = "token"  # noqa: S105 - what the token of the key ``token`` is called
NO_TOKEN: Final = "loopback"  # noqa: S105 - what somebody is called who needs none
RESERVED_NAMES: Final = frozenset({PLAIN_TOKEN, NO_TOKEN})


class Protect(StrEnum):
    """What needs a token where others cannot reach the monitor."""

    CHANGES = "changes"
    EVERYTHING = "everything"


class Role(StrEnum):
    """What a token is good for; ``OPERATE`` includes ``READ``."""

    READ = "read"
    OPERATE = "operate"


@dataclass(frozen=True, slots=True)
class NamedToken:
    """Who may do what; ``name`` is written to the log, ``token`` nowhere."""

    name: str
    token: Secret
    role: Role


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: the certificate with its chain, and its key."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class HttpMonitorConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults. ``token`` is None when none is configured."""

    listen: str
    token: Secret | None
    protect: Protect
    allowed_hosts: tuple[str, ...]
    tokens: tuple[NamedToken, ...] = ()
    public_reading: bool = False
    trusted_proxies: tuple[str, ...] = ()
    root_path: str = ""
    tls: Tls | None = None

    @property
    def named_tokens(self) -> tuple[NamedToken, ...]:
        """Every token that opens something."""
        plain = () if self.token is None else (NamedToken(PLAIN_TOKEN, self.token, Role.OPERATE),)
        return (*plain, *self.tokens)
