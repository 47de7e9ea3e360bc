"""OracleSinkConfig: the sink's ``config:`` mapping, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from agent_core.api import Secret


class OnConflict(StrEnum):
    """What happens to a record whose key is in the table with other content."""

    KEEP = "keep"
    UPDATE = "update"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """``pool:``"""

    min: int
    max: int
    max_age_seconds: float


@dataclass(frozen=True, slots=True)
class TimeoutsConfig:
    """``timeouts:``"""

    connect_seconds: float
    login_seconds: float | None
    call_seconds: float
    wait_seconds: float


@dataclass(frozen=True, slots=True)
class ThickConfig:
    """``thick:``"""

    lib_dir: Path | None


@dataclass(frozen=True, slots=True)
class OracleSinkConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults; ``table.mapping`` reads ``columns``, ``key``."""

    dsn: str
    user: str
    password: Secret
    table: str
    columns: Mapping[str, object]
    key: tuple[str, ...]
    on_conflict: OnConflict
    bad_value_text: str
    true_text: str
    false_text: str
    max_future_seconds: float
    watermark: str | None
    pool: PoolConfig
    timeouts: TimeoutsConfig
    login_interval_seconds: float
    config_dir: Path | None
    wallet_location: Path | None
    wallet_password: Secret | None
    disable_oob: bool
    program: str
    module: str | None
    thick: ThickConfig | None
    session: tuple[str, ...]
