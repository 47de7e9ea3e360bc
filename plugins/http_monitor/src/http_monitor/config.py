"""HttpMonitorConfig: the extension's ``config:`` mapping, typed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from agent_core.api import Secret


class Protect(StrEnum):
    """What needs the token."""

    CHANGES = "changes"
    EVERYTHING = "everything"


@dataclass(frozen=True, slots=True)
class HttpMonitorConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults. ``token`` is None when none is configured."""

    listen: str
    token: Secret | None
    protect: Protect
    allowed_hosts: tuple[str, ...]
