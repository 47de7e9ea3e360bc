"""HttpMonitorConfig: the extension's ``config:`` mapping, typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import cast

from agent_core.api import Config, Secret


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

    @classmethod
    def from_config(cls, config: Config) -> HttpMonitorConfig:
        """Type a mapping that has passed the schema and the core's conversions."""
        return cls(
            listen=cast(str, config["listen"]),
            token=cast("Secret | None", config.get("token")),
            protect=Protect(cast(str, config["protect"])),
            allowed_hosts=tuple(cast("Sequence[str]", config["allowed_hosts"])),
        )
