"""OracleSinkConfig: the sink's ``config:`` mapping, typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import cast

from agent_core.api import Config, Secret


class OnConflict(StrEnum):
    """Which row wins when the key is the same and the content is not."""

    KEEP = "keep"
    UPDATE = "update"
    FAIL = "fail"


class Field(StrEnum):
    """What of a row a column can hold."""

    NAME = "name"
    VALUE = "value"
    VALUE_NUMBER = "value_number"
    VALUE_TEXT = "value_text"
    VALUE_TYPE = "value_type"
    TIMESTAMP = "timestamp"
    TIMESTAMP_NS = "timestamp_ns"
    QUALITY = "quality"
    QUALITY_CODE = "quality_code"
    SOURCE = "source"
    DEVICE = "device"
    GROUP = "group"
    AGENT = "agent"


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """What goes into one column: a field, a constant or an expression; the other two are None."""

    column: str
    field: Field | None = None
    time_zone: str | None = None
    constant: str | int | float | None = None
    expression: str | None = None


@dataclass(frozen=True, slots=True)
class PoolConfig:
    """``pool:``"""

    min: int
    max: int


@dataclass(frozen=True, slots=True)
class TimeoutsConfig:
    """``timeouts:``, in seconds."""

    connect: float
    login: float
    call: float
    wait: float


@dataclass(frozen=True, slots=True)
class ThickConfig:
    """``thick:``"""

    lib_dir: Path | None


@dataclass(frozen=True, slots=True)
class OracleSinkConfig:
    """Keys and meaning as in ``schema.json``, which owns the defaults. Durations are in seconds."""

    dsn: str
    user: str
    password: Secret
    table: str
    columns: tuple[ColumnSpec, ...]
    on_conflict: OnConflict
    bad_value_text: str
    true_text: str
    false_text: str
    max_future: float
    pool: PoolConfig
    timeouts: TimeoutsConfig
    login_interval: float
    config_dir: Path | None
    wallet_location: Path | None
    wallet_password: Secret | None
    disable_oob: bool
    program: str
    module: str | None
    thick: ThickConfig | None

    @classmethod
    def from_config(cls, config: Config) -> OracleSinkConfig:
        """Type a mapping that has passed the schema and the core's conversions."""
        pool = cast(Mapping[str, int], config["pool"])
        timeouts = cast(Mapping[str, float], config["timeouts"])
        thick = cast(Mapping[str, Path | None] | None, config["thick"])
        columns = cast(Mapping[str, object], config["columns"])
        return cls(
            dsn=cast(str, config["dsn"]),
            user=cast(str, config["user"]),
            password=cast(Secret, config["password"]),
            table=cast(str, config["table"]),
            columns=tuple(_column(name, spec) for name, spec in columns.items()),
            on_conflict=OnConflict(cast(str, config["on_conflict"])),
            bad_value_text=cast(str, config["bad_value_text"]),
            true_text=cast(str, config["true_text"]),
            false_text=cast(str, config["false_text"]),
            max_future=cast(float, config["max_future"]),
            pool=PoolConfig(pool["min"], pool["max"]),
            timeouts=TimeoutsConfig(timeouts["connect"], timeouts["login"], timeouts["call"], timeouts["wait"]),
            login_interval=cast(float, config["login_interval"]),
            config_dir=cast("Path | None", config["config_dir"]),
            wallet_location=cast("Path | None", config["wallet_location"]),
            wallet_password=cast("Secret | None", config["wallet_password"]),
            disable_oob=cast(bool, config["disable_oob"]),
            program=cast(str, config["program"]),
            module=cast("str | None", config["module"]),
            thick=None if thick is None else ThickConfig(thick["lib_dir"]),
        )


def _column(name: str, spec: object) -> ColumnSpec:
    if isinstance(spec, str):
        return ColumnSpec(name, field=Field(spec))
    keys = cast(Mapping[str, object], spec)
    if "field" in keys:
        zone = cast("str | None", keys.get("time_zone"))
        return ColumnSpec(name, field=Field(cast(str, keys["field"])), time_zone=zone)
    if "constant" in keys:
        return ColumnSpec(name, constant=cast("str | int | float", keys["constant"]))
    return ColumnSpec(name, expression=cast(str, keys["expression"]))
