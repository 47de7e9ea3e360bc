"""OpcuaDriverConfig: the driver's keys of a device entry, typed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agent_core.api import Secret


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
