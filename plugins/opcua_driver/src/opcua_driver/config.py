"""OpcuaDriverConfig: the driver's keys of a device entry, typed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import cast

from agent_core.api import Config, Secret


class SecurityPolicy(StrEnum):
    """The cryptography of the connection, as OPC UA names it."""

    NONE = "none"
    BASIC256SHA256 = "Basic256Sha256"
    AES128_SHA256_RSAOAEP = "Aes128Sha256RsaOaep"
    AES256_SHA256_RSAPSS = "Aes256Sha256RsaPss"


class SecurityMode(StrEnum):
    """What is done to each message."""

    SIGN = "sign"
    SIGN_AND_ENCRYPT = "sign_and_encrypt"


@dataclass(frozen=True, slots=True)
class OpcuaDriverConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults. Times are in seconds."""

    address: str
    user: str | None
    password: Secret | None
    security_policy: SecurityPolicy
    security_mode: SecurityMode
    certificate: Path | None
    private_key: Path | None
    private_key_password: Secret | None
    server_certificate: Path | None
    timeout: float
    session_timeout: float
    max_items: int

    @classmethod
    def from_config(cls, config: Config) -> OpcuaDriverConfig:
        """Type a mapping that has passed the schema and the core's conversions."""
        return cls(
            address=cast(str, config["address"]),
            user=cast("str | None", config["user"]),
            password=cast("Secret | None", config["password"]),
            security_policy=SecurityPolicy(cast(str, config["security_policy"])),
            security_mode=SecurityMode(cast(str, config["security_mode"])),
            certificate=cast("Path | None", config["certificate"]),
            private_key=cast("Path | None", config["private_key"]),
            private_key_password=cast("Secret | None", config["private_key_password"]),
            server_certificate=cast("Path | None", config["server_certificate"]),
            timeout=cast(float, config["timeout"]),
            session_timeout=cast(float, config["session_timeout"]),
            max_items=cast(int, config["max_items"]),
        )
